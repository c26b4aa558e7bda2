//! What a successful call costs through a closed circuit breaker, beside other breakers of the same kind.

mod pairs;

use failsafe::CircuitBreaker as _;
use pairs::{Comparison, compare};
use recloser::Recloser;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, Class, Classify, CountWindow};

const OPEN_FOR: Duration = Duration::from_secs(30);
const FAILURES: u32 = 3;
const WINDOW: u32 = 100;

/// The error that no call of the measurement returns.
#[derive(Debug)]
struct Failed;

impl Classify for Failed {
    fn class(&self) -> Class {
        Class::Unavailable
    }
}

/// The call that all breakers guard.
fn work() -> Result<u64, Failed> {
    black_box(Ok(black_box(7)))
}

fn guarded(breaker: &Breaker) -> Option<u64> {
    let permit = breaker.try_acquire().ok()?;
    let result = work();
    permit.record(result.as_ref().err().map(Classify::class));
    result.ok()
}

fn consecutive() -> Breaker {
    Breaker::new("ours", BreakerConfig::consecutive(FAILURES, OPEN_FOR))
}

fn count_window() -> Breaker {
    let window = CountWindow { size: WINDOW, minimum_calls: WINDOW, failure_percent: 50 };
    Breaker::new("ours", BreakerConfig::count_window(window, OPEN_FOR))
}

fn beside_failsafe() -> Comparison {
    let ours = consecutive();
    let policy =
        failsafe::failure_policy::consecutive_failures(FAILURES, failsafe::backoff::constant(OPEN_FOR));
    let theirs = failsafe::Config::new().failure_policy(policy).build();
    compare(
        || {
            black_box(guarded(&ours));
        },
        || {
            black_box(theirs.call(work).ok());
        },
    )
}

fn beside_recloser() -> Comparison {
    let ours = count_window();
    let theirs = Recloser::custom().error_rate(0.5).closed_len(WINDOW as usize).open_wait(OPEN_FOR).build();
    compare(
        || {
            black_box(guarded(&ours));
        },
        || {
            black_box(theirs.call(work).ok());
        },
    )
}

fn beside_nothing() -> Comparison {
    let ours = consecutive();
    compare(
        || {
            black_box(guarded(&ours));
        },
        || {
            black_box(work().ok());
        },
    )
}

fn allocations() -> u64 {
    let (consecutive, window) = (consecutive(), count_window());
    let run = || {
        for _ in 0..100_000 {
            black_box((guarded(&consecutive), guarded(&window)));
        }
    };
    allocation_counter::measure(run).count_total
}

/// Prints a line of the table. True when the ratio is below `goal`.
fn report(what: &str, found: &Comparison, goal: f64) -> bool {
    let ((low, high), ratio) = (found.spread(), found.ratio());
    let (ours, theirs) = (found.ours_ns, found.theirs_ns);
    let met = ratio < goal;
    let verdict = if met { "met" } else { "MISSED" };
    println!(
        "{what:<42} {ours:>8.2} {theirs:>8.2} {ratio:>8.3}   {low:.3}..{high:.3}   < {goal:<4} {verdict}"
    );
    met
}

fn main() -> ExitCode {
    println!("a successful call through a closed breaker; 31 pairs of 1,000,000 calls a side, in turns");
    println!("{:<42} {:>8} {:>8} {:>8}   9 of 10 pairs  goal", "", "ours ns", "peer ns", "ratio");
    let goals = [
        report("consecutive, beside failsafe's consecutive", &beside_failsafe(), 0.25),
        report("window of 100, beside recloser's", &beside_recloser(), 1.0),
    ];
    report("consecutive, beside the bare call", &beside_nothing(), f64::INFINITY);
    let allocated = allocations();
    println!("allocations in 200,000 of our calls: {allocated}");
    if allocated == 0 && goals == [true; 2] { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
