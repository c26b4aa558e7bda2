//! Number of statements of a request, over all its units of work. Operations have their own budgets; this count also
//! detects loops over operations.

use axum::http::Method;
use axum::response::Response;
use steadfast_repository::StatementCount;

/// Default for the maximum number of statements of a request: enough for a few operations, too few for a loop over a
/// page of rows.
pub(crate) const LIMIT: u32 = 10;

/// Response extension with the number of statements of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statements {
    /// Number of statements sent, including the look-up of the API key and loads that other requests wait for too.
    pub sent: u32,
    /// Maximum number that the route declares.
    pub limit: u32,
}

/// Counter of the statements of one request. If there were too many, it reports them when it is dropped, also if the
/// client has disconnected.
pub(crate) struct Watch {
    count: StatementCount,
    method: Method,
    route: &'static str,
    limit: u32,
}

impl Watch {
    /// Creates a counter for a request to `route`, which may send `limit` statements.
    pub(crate) fn begin(method: Method, route: &'static str, limit: u32) -> Self {
        Self { count: StatementCount::default(), method, route, limit }
    }

    /// Returns the count, in whose scope the request must run.
    pub(crate) fn count(&self) -> StatementCount {
        self.count.clone()
    }

    /// Adds the number to the extensions of `response`.
    pub(crate) fn end(self, mut response: Response) -> Response {
        response.extensions_mut().insert(Statements { sent: self.count.get(), limit: self.limit });
        response
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (statements, limit, route) = (self.count.get(), self.limit, self.route);
        if statements <= limit {
            return;
        }
        let method = self.method.to_string();
        tracing::warn!(method, route, statements, limit, "more statements than the route declares");
        metrics::counter!("http_requests_over_statement_limit_total", "method" => method, "route" => route)
            .increment(1);
    }
}

#[cfg(test)]
mod tests;
