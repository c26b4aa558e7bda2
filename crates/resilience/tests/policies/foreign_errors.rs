//! Errors of other libraries, which need a classifier function.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;
use steadfast_resilience::{
    Backoff, Breaker, BreakerConfig, CallError, Class, Classify, Deadline, Rejected, Retry,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const OPEN_FOR: Duration = Duration::from_secs(30);

fn class_of(error: &reqwest::Error) -> Class {
    match error.status() {
        Some(status) if status.is_client_error() => Class::Caller,
        _ => Class::Unavailable,
    }
}

fn client() -> reqwest::Client {
    // The tests must also run on machines without certificates.
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client")
}

fn breaker() -> Breaker {
    Breaker::new("depot", BreakerConfig::consecutive(3, OPEN_FOR))
}

fn retry() -> Retry {
    Retry::new(2, Backoff::exponential(Duration::ZERO, Duration::ZERO))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

async fn get(client: &reqwest::Client, url: &str) -> Result<String, reqwest::Error> {
    client.get(url).send().await?.error_for_status()?.text().await
}

/// Serves `statuses`, one connection each, then stops listening.
async fn server(statuses: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        for status in statuses {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            // The client rejects a response that arrives before its request.
            assert!(stream.read(&mut [0; 1024]).await.expect("a request") > 0);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\nconnection: close\r\n\r\napple");
            stream.write_all(answer.as_bytes()).await.expect("sent");
        }
    });
    address
}

#[tokio::test]
async fn retries_http_calls_through_breaker() {
    let url = format!("http://{}", server(&["503 Busy", "500 Broken", "200 OK"]).await);
    let (client, breaker) = (client(), breaker());
    let call = || breaker.call_with(class_of, || get(&client, &url));
    assert_eq!(retry().run(soon(), call).await.expect("the third answer"), "apple");
    assert_eq!(breaker.snapshot().failures, 0);
}

#[tokio::test]
async fn refused_connections_open_breaker() {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let (client, breaker, url) = (client(), breaker(), format!("http://{unused}"));
    let call = || breaker.call_with(class_of, || get(&client, &url));
    let Err(CallError::Failed { error, class }) = retry().run(soon(), call).await else {
        panic!("no server listens")
    };
    assert!(error.is_connect() && class == Class::Unavailable, "{error}");
    let Err(CallError::Rejected(rejected)) = call().await else { panic!("the breaker is open") };
    assert_eq!(rejected.breaker, "depot");
}

#[tokio::test]
async fn caller_errors_are_not_retried() {
    let url = format!("http://{}", server(&["404 Nowhere"]).await);
    let (client, breaker) = (client(), breaker());
    let failed = retry().run_with(soon(), class_of, || get(&client, &url)).await.expect_err("404");
    assert_eq!(failed.status().map(|status| status.as_u16()), Some(404));
    let url = format!("http://{}", server(&["404 Nowhere"]).await);
    let failed = breaker.call_with(class_of, || get(&client, &url)).await.expect_err("404");
    assert_eq!((failed.class(), breaker.snapshot().failures), (Class::Caller, 0));
}

#[tokio::test(start_paused = true)]
async fn retry_depends_only_on_class() {
    let mut calls = 0;
    let unavailable: Result<(), &str> = retry()
        .run_with(
            soon(),
            |_| Class::Unavailable,
            || {
                calls += 1;
                async { Err("down") }
            },
        )
        .await;
    assert_eq!((unavailable, calls), (Err("down"), 3));
    calls = 0;
    let ambiguous: Result<(), &str> = retry()
        .on(|_| true)
        .run_with(
            soon(),
            |_| Class::Ambiguous,
            || {
                calls += 1;
                async { Err("perhaps done") }
            },
        )
        .await;
    assert_eq!((ambiguous, calls), (Err("perhaps done"), 1));
}

#[tokio::test]
async fn call_error_displays_its_cause() {
    let refused = refused().await;
    let (text, cause) = (refused.to_string(), refused.source().map(ToString::to_string));
    assert!(cause.is_some());
    let failed = CallError::Failed { error: refused, class: Class::Fault };
    assert_eq!((failed.class(), failed.retry_after()), (Class::Fault, None));
    assert_eq!((failed.to_string(), failed.source().map(ToString::to_string)), (text, cause));

    let rejected = Rejected { breaker: "depot", retry_after: OPEN_FOR };
    let open: CallError<reqwest::Error> = CallError::Rejected(rejected);
    assert_eq!(open.to_string(), rejected.to_string());
    assert_eq!((open.class(), open.retry_after()), (Class::Unavailable, Some(OPEN_FOR)));
    assert!(open.source().is_none());
}

/// Returns the error of a refused connection, which has a source.
async fn refused() -> reqwest::Error {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    get(&client(), &format!("http://{unused}")).await.expect_err("no server listens")
}
