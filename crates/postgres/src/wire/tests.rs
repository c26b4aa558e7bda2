//! Concurrent access to one connection: its task receives while a borrower returns it.

use super::*;
use std::sync::Barrier;
use std::thread;

const ROUNDS: usize = 20_000;

/// Encodes a protocol message.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(body);
    message
}

#[test]
fn end_of_answer_is_not_mistaken_for_work() {
    let wire = Wire::new(Arc::new(Server::new()), StatementLog::default(), None);
    let (query, error) = (message(b'Q', b"SELECT 1 / 0\0"), message(b'E', b"C22012\0Mdivision by zero\0\0"));
    let (ready, together) = (message(b'Z', b"I"), Barrier::new(2));
    thread::scope(|threads| {
        threads.spawn(|| {
            // After the first message, both directions have the same framing.
            let (mut sent, mut received) = (Frames::from_server(), Frames::from_server());
            for _ in 0..ROUNDS {
                wire.on_sent(&query, &mut sent, Instant::now());
                wire.on_received(&error, &mut received, Instant::now());
                together.wait();
                wire.on_received(&ready, &mut received, Instant::now());
                together.wait();
            }
        });
        let mut mistaken = 0;
        for _ in 0..ROUNDS {
            together.wait();
            while wire.has_requests_in_flight() {
                mistaken += usize::from(!wire.is_answering() && wire.has_requests_in_flight());
            }
            assert!(wire.is_idle(), "nothing is in flight");
            together.wait();
        }
        assert_eq!(mistaken, 0, "of {ROUNDS} answers");
    });
}
