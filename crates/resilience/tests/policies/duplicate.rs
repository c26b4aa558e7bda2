//! Duplicate keys: skipped, fetched, raised, and logged as the caller chose.

use super::Failed;
use std::sync::{Arc, Mutex};
use steadfast_resilience::{Class, on_duplicate_key};
use tracing::{Event, Level, Metadata, field, span};

const DUPLICATE: Result<u8, Failed> = Err(Failed(Class::Duplicate));
const CONFLICT: Result<u8, Failed> = Err(Failed(Class::Conflict));

#[test]
fn a_skipped_duplicate_is_nothing_and_all_else_stays() {
    assert_eq!(on_duplicate_key(DUPLICATE).skip(), Ok(None));
    assert_eq!(on_duplicate_key(Ok::<_, Failed>(7)).skip(), Ok(Some(7)));
    assert_eq!(on_duplicate_key(CONFLICT).skip(), Err(Failed(Class::Conflict)));
}

#[tokio::test]
async fn only_a_duplicate_is_fetched() {
    let existing = async || Ok(3);
    assert_eq!(on_duplicate_key(DUPLICATE).fetch(existing).await, Ok(3));
    let never = async || unreachable!("nothing to fetch");
    assert_eq!(on_duplicate_key(Ok::<u8, Failed>(7)).fetch(never).await, Ok(7));
    assert_eq!(on_duplicate_key(CONFLICT).fetch(never).await, Err(Failed(Class::Conflict)));
}

#[test]
fn a_raised_duplicate_stays_an_error() {
    assert_eq!(on_duplicate_key(DUPLICATE).raise(), DUPLICATE);
}

#[test]
fn a_duplicate_is_logged_once_at_the_chosen_level_with_its_key() {
    for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
        let logged = logged_by(|| drop(on_duplicate_key(DUPLICATE).log(level).skip()));
        assert_eq!(logged, [(level, "key=trees_name_key done=skipped ".to_owned())]);
    }
}

#[test]
fn nothing_is_logged_unasked_nor_for_anything_else() {
    let logged = logged_by(|| {
        drop(on_duplicate_key(DUPLICATE).raise());
        drop(on_duplicate_key(DUPLICATE).log(None).raise());
        drop(on_duplicate_key(CONFLICT).log(Level::ERROR).raise());
    });
    assert_eq!(logged, []);
}

/// The events of `work`, each with its level and fields.
fn logged_by(work: impl FnOnce()) -> Vec<(Level, String)> {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), work);
    log.0.lock().expect("no test panics while logging").clone()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

struct Fields(String);

impl field::Visit for Fields {
    fn record_debug(&mut self, _: &field::Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &field::Field, value: &str) {
        self.0 += &format!("{field}={value} ");
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().expect("no test panics while logging").push((*event.metadata().level(), fields.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
