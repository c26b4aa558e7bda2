//! Responses of 429: never retried, and a pause for all clones of the client.

use crate::support::{Raw, client, keys, later, sandbox, settings};
use anyhow::Result;
use pidkey_sandbox::{Control, Mode};
use std::time::{Duration, SystemTime};
use steadfast_pidkey::{Client, Error};
use steadfast_resilience::{BreakerState, Classify};

/// Returns the pause in seconds, rounded up, after one 429.
async fn pause_of(control: Control) -> Result<u64> {
    let sandbox = sandbox().await?;
    sandbox.control(control);
    let client = client(&sandbox)?;
    let first = client.check(&keys()?, later()).await;
    let second = client.check(&keys()?, later()).await;
    assert_eq!(sandbox.seen().requests, 1, "one request, no retry, then a pause");
    let (Err(Error::RateLimited { retry_after }), Err(Error::RateLimited { retry_after: left })) =
        (&first, &second)
    else {
        panic!("{first:?}, {second:?}")
    };
    assert!(
        left <= retry_after && *retry_after - *left < Duration::from_secs(5),
        "{left:?} of {retry_after:?}"
    );
    assert_eq!(client.breaker().state, BreakerState::Closed);
    Ok(retry_after.as_millis().div_ceil(1000) as u64)
}

fn limited(retry_after: impl Into<String>) -> Control {
    Control::mode(Mode::RateLimited).retry_after(retry_after)
}

#[tokio::test]
async fn pause_lasts_as_long_as_requested() -> Result<()> {
    assert_eq!(pause_of(limited("7")).await?, 7);
    assert_eq!(pause_of(limited("86400")).await?, 3600, "an hour at most");
    Ok(())
}

#[tokio::test]
async fn http_dates_are_accepted() -> Result<()> {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
    let seconds = pause_of(limited(date)).await?;
    assert!((85..=90).contains(&seconds), "{seconds}");
    Ok(())
}

/// Tests a server whose clock is ten years behind.
#[tokio::test]
async fn http_dates_are_relative_to_the_clock_of_the_server() -> Result<()> {
    let answer = b"HTTP/1.1 429 Too Many Requests\r\nDate: Wed, 21 Oct 2015 07:28:00 GMT\r\n\
        Retry-After: Wed, 21 Oct 2015 07:30:00 GMT\r\nContent-Length: 0\r\n\r\n";
    let server = Raw::start(answer).await?;
    let limited = Client::new(settings(&server.url))?.check(&keys()?, later()).await;
    assert_eq!(limited, Err(Error::RateLimited { retry_after: Duration::from_secs(120) }));
    Ok(())
}

#[tokio::test]
async fn invalid_values_pause_for_a_minute() -> Result<()> {
    assert_eq!(pause_of(Control::mode(Mode::RateLimitedWithoutRetryAfter)).await?, 60);
    assert_eq!(pause_of(limited("-3")).await?, 60);
    assert_eq!(pause_of(limited("in a while")).await?, 60);
    Ok(())
}

#[tokio::test]
async fn clones_share_the_pause() -> Result<()> {
    let sandbox = sandbox().await?;
    sandbox.control(limited("1").times(1));
    let client = client(&sandbox)?;
    let limited = client.check(&keys()?, later()).await.unwrap_err();
    let clone = client.clone();
    assert!(clone.check(&keys()?, later()).await.is_err(), "the pause is shared");
    assert_eq!(sandbox.seen().requests, 1);
    tokio::time::sleep(limited.retry_after().unwrap_or_default()).await;
    clone.check(&keys()?, later()).await?;
    assert_eq!(sandbox.seen().requests, 2);
    Ok(())
}
