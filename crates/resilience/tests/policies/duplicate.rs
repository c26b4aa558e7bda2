//! Duplicate keys: skip, fetch, raise and log.

use super::Failed;
use super::log::logged_by;
use steadfast_resilience::{Class, Classify, on_duplicate_key};
use tracing::Level;

const DUPLICATE: Result<u8, Failed> = Err(Failed(Class::Duplicate));
const CONFLICT: Result<u8, Failed> = Err(Failed(Class::Conflict));

#[test]
fn skip_turns_only_duplicates_into_none() {
    assert_eq!(on_duplicate_key(DUPLICATE).skip(), Ok(None));
    assert_eq!(on_duplicate_key(Ok::<_, Failed>(7)).skip(), Ok(Some(7)));
    assert_eq!(on_duplicate_key(CONFLICT).skip(), Err(Failed(Class::Conflict)));
}

#[tokio::test]
async fn fetch_runs_only_for_duplicates() {
    let existing = async || Ok(3);
    assert_eq!(on_duplicate_key(DUPLICATE).fetch(existing).await, Ok(3));
    let never = async || unreachable!("nothing to fetch");
    assert_eq!(on_duplicate_key(Ok::<u8, Failed>(7)).fetch(never).await, Ok(7));
    assert_eq!(on_duplicate_key(CONFLICT).fetch(never).await, Err(Failed(Class::Conflict)));
}

#[test]
fn raise_keeps_error() {
    assert_eq!(on_duplicate_key(DUPLICATE).raise(), DUPLICATE);
}

#[test]
fn logs_duplicate_once_at_chosen_level() {
    for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
        let logged = logged_by(|| drop(on_duplicate_key(DUPLICATE).log(level).skip()));
        assert_eq!(logged, [(level, "message=duplicate key key=trees_name_key done=skipped ".to_owned())]);
    }
}

#[test]
fn logs_unknown_key() {
    #[derive(Debug)]
    struct Keyless;
    impl Classify for Keyless {
        fn class(&self) -> Class {
            Class::Duplicate
        }
    }
    assert_eq!((Keyless.key(), Keyless.retry_after()), (None, None));
    let logged = logged_by(|| drop(on_duplicate_key(Err::<u8, _>(Keyless)).log(Level::WARN).raise()));
    assert_eq!(logged, [(Level::WARN, "message=duplicate key key=unknown done=raised ".to_owned())]);
}

#[test]
fn logs_nothing_by_default_or_for_other_errors() {
    let logged = logged_by(|| {
        drop(on_duplicate_key(DUPLICATE).raise());
        drop(on_duplicate_key(DUPLICATE).log(None).raise());
        drop(on_duplicate_key(CONFLICT).log(Level::ERROR).raise());
    });
    assert_eq!(logged, []);
}
