//! Statements of a request, over all its units of work. An operation watches its own; a loop over operations shows here.

use axum::http::Method;
use axum::response::Response;
use steadfast_repository::StatementCount;

/// Default for the maximum number of statements of one request: a few operations, and no loop over a page of anything.
pub(crate) const LIMIT: u32 = 10;

/// Statements that a request has sent, left among the extensions of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statements {
    /// Number that was sent. The look-up of the API key counts, and loads that other requests wait for as well.
    pub sent: u32,
    /// Maximum number that the route declares.
    pub limit: u32,
}

/// Counts the statements of one request. When dropped, reports them if there were too many, also if the caller has left.
pub(crate) struct Watch {
    count: StatementCount,
    method: Method,
    route: &'static str,
    limit: u32,
}

impl Watch {
    /// Begins to count for a request to `route`, which may send `limit` statements.
    pub(crate) fn begin(method: Method, route: &'static str, limit: u32) -> Self {
        Self { count: StatementCount::default(), method, route, limit }
    }

    /// Returns the count, to run the request in its scope.
    pub(crate) fn count(&self) -> StatementCount {
        self.count.clone()
    }

    /// Leaves the number in `response`.
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
