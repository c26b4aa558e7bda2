//! Failures of PIDKey.com: their errors, retries and effect on the breaker.

use crate::support::{Raw, client, impatient, keys, later, sandbox, settings};
use anyhow::Result;
use pidkey_sandbox::{Control, Mode, Sandbox};
use std::time::Duration;
use steadfast_pidkey::{Checked, Client, Error, Settings};
use steadfast_resilience::{Backoff, BreakerConfig, BreakerState, Class, Classify, Deadline};
use tokio::net::TcpListener;

/// Returns the outcome of a check in `mode` and its number of requests.
async fn outcome(mode: Mode) -> Result<(Result<Vec<Checked>, Error>, u64)> {
    let sandbox = sandbox().await?;
    sandbox.control(Control::mode(mode));
    let times_out = matches!(mode, Mode::Hang | Mode::SlowDrip);
    let settings = if times_out { impatient(sandbox.base_url()) } else { settings(sandbox.base_url()) };
    let outcome = Client::new(settings)?.check(&keys()?, later()).await;
    Ok((outcome, sandbox.seen().requests))
}

#[tokio::test]
async fn failures_have_distinct_errors_and_timeouts_are_retried() -> Result<()> {
    let body = |text| Error::Body(text);
    for (mode, error, requests) in [
        (Mode::Hang, Error::Timeout, 3),
        (Mode::SlowDrip, Error::Timeout, 3),
        (Mode::Unauthorized, Error::Unauthorized, 1),
        (Mode::Forbidden, Error::Status(403), 1),
        (Mode::ServerError, Error::Status(500), 1),
        (Mode::Redirect, Error::Status(302), 1),
        (Mode::Oversized, Error::TooLarge { cap_bytes: 1_048_576 }, 1),
        (Mode::Garbage, body("not JSON"), 1),
        (Mode::Object, body("an object without a keyname"), 1),
        (Mode::CutJson, body("JSON that ends early"), 1),
        (Mode::Truncated, body("it broke off before its end"), 1),
    ] {
        assert_eq!(outcome(mode).await?, (Err(error), requests), "{mode:?}");
    }
    Ok(())
}

#[tokio::test]
async fn retry_recovers_from_timeout() -> Result<()> {
    let sandbox = sandbox().await?;
    sandbox.control(Control::mode(Mode::Hang).times(2));
    let client = Client::new(impatient(sandbox.base_url()))?;
    assert_eq!(client.check(&keys()?, later()).await?.len(), 2);
    assert_eq!(sandbox.seen().requests, 3);
    Ok(())
}

#[tokio::test]
async fn retries_without_enough_time_are_not_started() -> Result<()> {
    let sandbox = sandbox().await?;
    sandbox.control(Control::mode(Mode::Hang));
    let deadline = Deadline::after(Duration::from_millis(950));
    let client = Client::new(impatient(sandbox.base_url()))?;
    assert_eq!(client.check(&keys()?, deadline).await, Err(Error::Timeout));
    assert_eq!(sandbox.seen().requests, 1);
    assert!(!deadline.has_passed(), "the caller does not wait for the deadline");
    Ok(())
}

#[tokio::test]
async fn short_deadlines_do_not_count_for_the_breaker() -> Result<()> {
    let sandbox = sandbox().await?;
    sandbox.control(Control::mode(Mode::Hang));
    let client = client(&sandbox)?;
    let outcome = client.check(&keys()?, Deadline::after(Duration::from_millis(500))).await;
    assert_eq!(outcome, Err(Error::Timeout));
    assert_eq!((client.breaker().failures, client.breaker().cancelled), (0, 1));
    let outcome = client.check(&keys()?, Deadline::after(Duration::ZERO)).await;
    assert_eq!(outcome, Err(Error::Timeout));
    assert_eq!(sandbox.seen().requests, 1, "without any time nothing is sent");
    Ok(())
}

/// Waits until a request has arrived.
async fn arrived(sandbox: &Sandbox) {
    while sandbox.seen().requests == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn cancelled_callers_leak_nothing() -> Result<()> {
    let sandbox = sandbox().await?;
    sandbox.control(Control::mode(Mode::Hang).times(1));
    let client = client(&sandbox)?;
    let keys = keys()?;
    tokio::select! {
        outcome = client.check(&keys, later()) => panic!("it hangs: {outcome:?}"),
        () = arrived(&sandbox) => {}
    }
    assert_eq!((client.breaker().failures, client.breaker().cancelled), (0, 1));
    assert_eq!(client.check(&keys, later()).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn failures_open_the_breaker_and_a_probe_closes_it() -> Result<()> {
    let sandbox = sandbox().await?;
    let breaker = BreakerConfig::consecutive(5, Duration::from_secs(1));
    let client = Client::new(Settings { breaker, ..settings(sandbox.base_url()) })?;
    sandbox.control(Control::mode(Mode::ServerError));
    for _ in 0..5 {
        assert_eq!(client.check(&keys()?, later()).await, Err(Error::Status(500)));
    }
    let Err(Error::Open(rejected)) = client.check(&keys()?, later()).await else {
        panic!("the breaker is open")
    };
    assert_eq!(sandbox.seen().requests, 5, "the sixth was not sent");
    sandbox.control(Control::default());
    tokio::time::sleep(rejected.retry_after).await;
    client.check(&keys()?, later()).await?;
    assert_eq!(client.breaker().state, BreakerState::Closed);
    Ok(())
}

#[tokio::test]
async fn client_errors_do_not_open_the_breaker() -> Result<()> {
    let sandbox = sandbox().await?;
    let client = client(&sandbox)?;
    for mode in [Mode::Unauthorized, Mode::Forbidden, Mode::Redirect] {
        sandbox.control(Control::mode(mode));
        for _ in 0..5 {
            assert!(client.check(&keys()?, later()).await.is_err());
        }
    }
    assert_eq!((client.breaker().state, client.breaker().failures), (BreakerState::Closed, 0));
    Ok(())
}

#[tokio::test]
async fn every_attempt_counts_for_the_breaker() -> Result<()> {
    let sandbox = sandbox().await?;
    let breaker = BreakerConfig::consecutive(2, Duration::from_secs(60));
    let client = Client::new(Settings { breaker, ..impatient(sandbox.base_url()) })?;
    sandbox.control(Control::mode(Mode::Hang));
    let outcome = client.check(&keys()?, later()).await;
    assert!(matches!(outcome, Err(Error::Open(_))), "the second timeout opened it: {outcome:?}");
    assert_eq!(sandbox.seen().requests, 2);
    Ok(())
}

#[tokio::test]
async fn checks_without_a_slot_send_no_request() -> Result<()> {
    let sandbox = sandbox().await?;
    let client =
        Client::new(Settings { requests_per_second: 1.try_into()?, ..settings(sandbox.base_url()) })?;
    let (keys, soon) = (keys()?, Deadline::after(Duration::from_millis(200)));
    let (passed, refused) = tokio::join!(client.check(&keys, later()), client.check(&keys, soon));
    assert!(passed.is_ok(), "{passed:?}");
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    assert_eq!(sandbox.seen().requests, 1);
    Ok(())
}

#[tokio::test]
async fn responses_of_the_maximum_size_are_read() -> Result<()> {
    let server = Raw::start(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]").await?;
    for (answer_cap_bytes, read) in [(2, true), (1, false)] {
        let client = Client::new(Settings { answer_cap_bytes, ..settings(&server.url) })?;
        let refused = client.check(&keys()?, later()).await;
        assert_eq!(!matches!(refused, Err(Error::TooLarge { .. })), read, "{answer_cap_bytes}");
    }
    Ok(())
}

#[tokio::test]
async fn failed_connects_are_retried_but_lost_responses_are_not() -> Result<()> {
    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let silent = Raw::start(b"").await?;
    let foreign = Raw::start(b"220 mail.example.org ESMTP\r\n").await?;
    let plain = sandbox().await?;
    for (base_url, tries) in [
        (format!("http://{gone}/"), 3),
        (plain.base_url().replace("http://", "https://"), 3),
        (silent.url.clone(), 1),
        (foreign.url.clone(), 1),
    ] {
        let client = Client::new(settings(&base_url))?;
        let error = client.check(&keys()?, later()).await;
        let Err(error @ Error::Unreachable(_)) = error else { panic!("{base_url}: {error:?}") };
        assert_eq!((error.class(), client.breaker().failures), (Class::Unavailable, tries), "{base_url}");
        assert!(!error.to_string().contains("127.0.0.1:"), "the address is not shown: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn retry_recovers_from_refused_connect() -> Result<()> {
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let breaker = BreakerConfig::consecutive(100, Duration::from_secs(60));
    let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1));
    let client = Client::new(Settings {
        tries: 10,
        backoff,
        breaker,
        ..settings(format!("http://{address}/ajax/pidms_api"))
    })?;
    let (keys, refused) = (keys()?, async {
        while client.breaker().failures == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        pidkey_sandbox::start(address).await
    });
    let (answers, sandbox) = tokio::join!(client.check(&keys, later()), refused);
    assert_eq!((answers?.len(), sandbox?.seen().requests), (2, 1));
    Ok(())
}

#[tokio::test]
async fn retry_without_a_slot_returns_the_previous_error() -> Result<()> {
    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let base = settings(format!("http://{gone}/"));
    let try_timeout = Duration::from_secs(60);
    let client = Client::new(Settings { requests_per_second: 1.try_into()?, try_timeout, ..base })?;
    // A second try fits before the deadline; the slot for it comes a second later.
    let deadline = Deadline::after(try_timeout + Duration::from_millis(500));
    let outcome = client.check(&keys()?, deadline).await;
    assert!(matches!(outcome, Err(Error::Unreachable(_))), "{outcome:?}");
    Ok(())
}

#[tokio::test]
async fn accepts_unlimited_attempts() -> Result<()> {
    let sandbox = sandbox().await?;
    let client = Client::new(Settings { try_timeout: Duration::MAX, ..settings(sandbox.base_url()) })?;
    assert_eq!(client.check(&keys()?, Deadline::after(Duration::MAX)).await?.len(), 2);
    Ok(())
}
