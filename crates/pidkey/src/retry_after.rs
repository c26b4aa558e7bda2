//! Parsing of `Retry-After`.

use std::time::{Duration, SystemTime};

/// Pause after a 429 without a valid `Retry-After`.
pub(crate) const DEFAULT: Duration = Duration::from_secs(60);
/// Maximum pause, so that a mistake of the server does not stop the client for days.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// Returns the pause that the value of `Retry-After` requests, at most [`LONGEST`]; zero for a date in the past.
///
/// A date is compared with the server's `Date`, because its clock and ours may differ by more than the pause. `clock` is
/// our time, for responses without a valid date.
pub(crate) fn parse(value: Option<&str>, date: Option<&str>, clock: SystemTime) -> Duration {
    let now = || date.and_then(moment).unwrap_or(clock);
    let until = |value| Some(moment(value)?.duration_since(now()).unwrap_or_default());
    value
        .map(str::trim)
        .and_then(|value| seconds(value).or_else(|| until(value)))
        .unwrap_or(DEFAULT)
        .min(LONGEST)
}

fn seconds(value: &str) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // A number that overflows is a very long time.
    is_number.then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}

fn moment(value: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(value.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Wed, 21 Oct 2015 07:28:00 GMT
    const NOW: Duration = Duration::from_secs(1_445_412_480);

    fn parsed(value: &str) -> u64 {
        parse(Some(value), None, SystemTime::UNIX_EPOCH + NOW).as_secs()
    }

    #[test]
    fn seconds_are_limited_to_an_hour() {
        assert_eq!(["0", "7", " 120 ", "3600"].map(parsed), [0, 7, 120, 3600]);
        assert_eq!(["3601", "86400", "99999999999999999999999"].map(parsed), [3600; 3]);
    }

    #[test]
    fn accepts_all_formats_of_http_dates() {
        assert_eq!(parsed("Wed, 21 Oct 2015 07:30:00 GMT"), 120);
        assert_eq!(parsed("Wednesday, 21-Oct-15 07:30:00 GMT"), 120);
        assert_eq!(parsed("Wed Oct 21 07:30:00 2015"), 120);
        assert_eq!(parsed("Thu, 22 Oct 2015 07:28:00 GMT"), 3600, "at most an hour");
        assert_eq!(parsed("Tue, 20 Oct 2015 07:28:00 GMT"), 0, "already over");
    }

    #[test]
    fn missing_and_invalid_values_mean_a_minute() {
        assert_eq!(["", "-5", "1.5", "soon", "+7", "0x10", "7 s"].map(parsed), [60; 7]);
        assert_eq!(parse(None, None, SystemTime::UNIX_EPOCH), DEFAULT);
    }

    #[test]
    fn dates_are_relative_to_the_date_of_the_server() {
        let until = Some("Wed, 21 Oct 2015 07:30:00 GMT");
        for (date, seconds) in [
            (Some("Wed, 21 Oct 2015 07:29:00 GMT"), 60),
            (Some(" Wednesday, 21-Oct-15 07:29:30 GMT "), 30),
            (Some("Wed, 21 Oct 2015 07:30:00 GMT"), 0),
            (Some("Wed, 21 Oct 2015 08:30:00 GMT"), 0),
            (Some("Thu, 01 Jan 1970 00:00:00 GMT"), 3600),
            (Some("today"), 120),
            (None, 120),
        ] {
            assert_eq!(parse(until, date, SystemTime::UNIX_EPOCH + NOW).as_secs(), seconds, "{date:?}");
        }
        assert_eq!(
            parse(Some("7"), Some("Wed, 21 Oct 2015 07:29:00 GMT"), SystemTime::UNIX_EPOCH).as_secs(),
            7
        );
    }

    proptest! {
        #[test]
        fn pauses_are_at_most_an_hour(
            value in "\\PC{0,40}|[0-9]{1,30}",
            date in "\\PC{0,40}",
            now in 0_u64..10_000_000_000,
        ) {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            prop_assert!(parse(Some(&value), Some(&date), now) <= LONGEST);
        }

        #[test]
        fn dates_equal_their_seconds(ahead in 0_u64..=3600) {
            let now = SystemTime::UNIX_EPOCH + NOW;
            let date = httpdate::fmt_http_date(now + Duration::from_secs(ahead));
            prop_assert_eq!(parse(Some(&date), None, now).as_secs(), ahead);
        }
    }
}
