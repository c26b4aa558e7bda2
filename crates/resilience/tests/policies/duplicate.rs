//! Duplicate keys: skipped, fetched, raised, and logged as the caller chose.

use super::Failed;
use super::log::logged_by;
use steadfast_resilience::{Class, Classify, on_duplicate_key};
use tracing::Level;

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
        assert_eq!(logged, [(level, "message=duplicate key key=trees_name_key done=skipped ".to_owned())]);
    }
}

#[test]
fn error_without_key_is_logged_as_unknown() {
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
fn nothing_is_logged_unasked_nor_for_anything_else() {
    let logged = logged_by(|| {
        drop(on_duplicate_key(DUPLICATE).raise());
        drop(on_duplicate_key(DUPLICATE).log(None).raise());
        drop(on_duplicate_key(CONFLICT).log(Level::ERROR).raise());
    });
    assert_eq!(logged, []);
}
