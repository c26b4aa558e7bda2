//! Requests of one connection, which are admitted or refused.

use super::activity::Exchange;
use super::body::{RequestBody, ResponseBody};
use super::slots::Slot;
use crate::problem::{Code, Problem};
use crate::router::within_shell;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, Version, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Prefix of paths that are always answered.
const HEALTH: &str = "/health/";

/// Value of `Retry-After` for refused clients: the maximum time of a graceful close.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Routers for the requests of all connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Routers {
    ordinary: TowerToHyperService<Router>,
    refusing: TowerToHyperService<Router>,
}

impl Routers {
    /// Returns `router`, with a refusal for connections beyond the limits.
    pub(super) fn new(router: Router) -> Self {
        let refusing = Router::new()
            .fallback(|request| within_shell(request, |_| async { overloaded().into_response() }));
        Self { ordinary: TowerToHyperService::new(router), refusing: TowerToHyperService::new(refusing) }
    }

    async fn answer(
        self,
        slot: Arc<Slot>,
        exchange: Arc<Exchange>,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        let request = request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(RequestBody::new(body, Arc::clone(&exchange))),
        });
        let has_connection_header = request.version() <= Version::HTTP_11;
        let is_answered = request.uri().path().starts_with(HEALTH) || slot.admit().await;
        let router = if is_answered { self.ordinary } else { self.refusing };
        let answered = hyper::service::Service::call(&router, request).await;
        let mut response = answered.unwrap_or_else(|never: Infallible| match never {});
        if has_connection_header && !slot.is_admitted() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| ResponseBody::new(body, exchange))
    }
}

fn overloaded() -> Problem {
    Problem::new(Code::Overloaded).retry_after(Some(RETRY_AFTER))
}

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) routers: Routers,
    pub(super) slot: Arc<Slot>,
    /// Address of the client, which handlers find as [`ConnectInfo`].
    pub(super) peer: SocketAddr,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let exchange = Exchange::begin(self.slot.activity());
        let answer = self.routers.clone().answer(Arc::clone(&self.slot), exchange, request);
        Box::pin(async move { Ok(answer.await) })
    }
}
