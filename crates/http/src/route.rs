//! Routes: path, access, deadline and description, declared once. The router and the OpenAPI document are both built from
//! these declarations, so neither has a route that the other lacks.

use crate::authentication::{self, Callers, Guard};
use crate::extract::{BODY_MAX, BodyMax, IDEMPOTENCY_KEY};
use crate::problem::{Code, Problem};
use crate::router::within_shell;
use crate::statements::{self, Watch};
use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use steadfast_domain::page::{NUMBERED_MAX, PageLimits};
use steadfast_resilience::Deadline;
use tokio::time::timeout_at;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Default deadline of a request.
const LIMIT: Duration = Duration::from_secs(30);

/// Time after the deadline in which a handler can report the cause itself.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Callers that may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Open,
    /// Callers who have this scope.
    Scope(&'static str),
}

/// Effect of a route on the stored data. It determines how recently the caller must have been confirmed, and the
/// answer to a request that exceeds its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Changes nothing, so it can always be repeated.
    Reads,
    /// May change something.
    Writes,
}

/// Named schema of the OpenAPI document.
pub(crate) type Component = (String, RefOr<Schema>);

/// Body of a success.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The envelope around one thing.
    One(RefOr<Schema>),
    /// The envelope around one thing that holds a page of a list.
    Page(RefOr<Schema>),
    /// The envelope around a page of things.
    List(RefOr<Schema>),
    /// A body of its own.
    Bare(RefOr<Schema>),
    /// Status 201 and the envelope around the resource that was created.
    Created(RefOr<Schema>),
    /// Status 204 without a body.
    Nothing,
}

/// Link from an answer to the route that reads a resource named in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceLink {
    /// Path of the route.
    pub(crate) path: &'static str,
    /// Name of its path parameter.
    pub(crate) parameter: &'static str,
    /// JSON pointer to the value of the parameter in the answer's body.
    pub(crate) pointer: &'static str,
}

/// One route.
pub(crate) struct Route<S> {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) effect: Effect,
    pub(crate) summary: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<RefOr<Schema>>,
    pub(crate) answer: Option<Answer>,
    /// True if the route also sends its answer with status 503.
    pub(crate) may_be_unavailable: bool,
    /// True if the answer has an `ETag`.
    pub(crate) is_versioned: bool,
    pub(crate) links: Vec<ResourceLink>,
    /// Maximum size of the body in bytes.
    pub(crate) body_max: usize,
    /// Codes of this route in addition to those of every route.
    pub(crate) codes: Vec<Code>,
    pub(crate) components: Vec<Component>,
    pub(crate) limit: Duration,
    statements: u32,
    filter: MethodFilter,
    handler: Handle<S>,
}

/// Handler of any arguments.
type Handle<S> = Box<dyn Fn(Request, S) -> BoxFuture<'static, Response> + Send + Sync>;

/// An async function as handler. axum boxes its future, so it need not be boxed again.
pub(crate) trait Handles<T, S>: Handler<T, S, Future = BoxFuture<'static, Response>> {}

impl<H: Handler<T, S, Future = BoxFuture<'static, Response>>, T, S> Handles<T, S> for H {}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// Creates a route for `GET`, which reads.
    pub(crate) fn get<H: Handles<T, S>, T: 'static>(path: &'static str, access: Access, handler: H) -> Self {
        Self::new((Method::GET, MethodFilter::GET), path, access, Effect::Reads, handler)
    }

    /// Creates a route for `POST`, which writes unless it is declared as [`Route::reading`].
    pub(crate) fn post<H: Handles<T, S>, T: 'static>(path: &'static str, access: Access, handler: H) -> Self {
        Self::new((Method::POST, MethodFilter::POST), path, access, Effect::Writes, handler)
    }

    /// Creates a route for `PUT`, which replaces what it changes.
    pub(crate) fn put<H: Handles<T, S>, T: 'static>(path: &'static str, access: Access, handler: H) -> Self {
        Self::new((Method::PUT, MethodFilter::PUT), path, access, Effect::Writes, handler)
    }

    /// Creates a route for `DELETE`, which writes.
    pub(crate) fn delete<H: Handles<T, S>, T: 'static>(
        path: &'static str,
        access: Access,
        handler: H,
    ) -> Self {
        Self::new((Method::DELETE, MethodFilter::DELETE), path, access, Effect::Writes, handler)
    }

    fn new<H: Handles<T, S>, T: 'static>(
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        access: Access,
        effect: Effect,
        handler: H,
    ) -> Self {
        Self {
            method,
            path,
            access,
            effect,
            summary: "",
            parameters: Vec::new(),
            body: None,
            answer: None,
            may_be_unavailable: false,
            is_versioned: false,
            links: Vec::new(),
            body_max: BODY_MAX,
            codes: Vec::new(),
            components: Vec::new(),
            limit: LIMIT,
            statements: statements::LIMIT,
            filter,
            handler: Box::new(move |request, state| handler.clone().call(request, state)),
        }
    }

    /// Declares that the route only reads although its method suggests otherwise.
    #[must_use]
    pub(crate) fn reading(self) -> Self {
        Self { effect: Effect::Reads, ..self }
    }

    /// Sets the description of the route, a sentence without a full stop.
    #[must_use]
    pub(crate) fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Sets the deadline.
    #[must_use]
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Sets the maximum number of statements that one request sends, whatever it asks for. More of them are logged as a
    /// warning and counted. Defaults to [`statements::LIMIT`]. `_reason` is the reason for a higher number.
    #[must_use]
    pub(crate) fn statements(self, at_most: u32, _reason: &'static str) -> Self {
        Self { statements: at_most, ..self }
    }

    /// Declares the parameters of the query string.
    #[must_use]
    pub(crate) fn query<P: IntoParams>(mut self) -> Self {
        self.parameters.extend(P::into_params(|| Some(ParameterIn::Query)));
        self
    }

    /// Declares the parameters of the path.
    #[must_use]
    pub(crate) fn path_parameters<P: IntoParams>(mut self) -> Self {
        self.parameters.extend(P::into_params(|| Some(ParameterIn::Path)));
        self
    }

    /// Replaces the example of the path's parameter. Routes whose effects exclude each other need different examples.
    #[must_use]
    pub(crate) fn example(mut self, value: &str) -> Self {
        for parameter in self.parameters.iter_mut().filter(|one| one.parameter_in == ParameterIn::Path) {
            *parameter = ParameterBuilder::from(parameter.clone()).example(Some(value.into())).build();
        }
        self
    }

    /// Declares the parameters that select a page. The handler reads them with [`Paged`](crate::extract::Paged).
    #[must_use]
    pub(crate) fn paged(mut self, limits: PageLimits) -> Self {
        self.parameters.extend(page_parameters(limits));
        self
    }

    /// Declares the JSON object in the request.
    #[must_use]
    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(self.named::<T>());
        self
    }

    /// Describes the answer as one `T` in `data`.
    #[must_use]
    pub(crate) fn answers<T: ToSchema>(mut self) -> Self {
        self.answer = Some(Answer::One(self.named::<T>()));
        self
    }

    /// Describes the answer as any number of `T` in `data`.
    #[must_use]
    pub(crate) fn answers_all<T: ToSchema>(mut self) -> Self {
        let items = ArrayBuilder::new().items(self.named::<T>());
        self.answer = Some(Answer::One(items.into()));
        self
    }

    /// Describes the answer as one `T` that holds a page of a list.
    #[must_use]
    pub(crate) fn answers_page<T: ToSchema>(mut self) -> Self {
        self.answer = Some(Answer::Page(self.named::<T>()));
        self
    }

    /// Describes the answer as a page of `T` in `data`.
    #[must_use]
    pub(crate) fn lists<T: ToSchema>(mut self) -> Self {
        self.answer = Some(Answer::List(self.named::<T>()));
        self
    }

    /// Describes the answer as a `T` without the envelope.
    #[must_use]
    pub(crate) fn answers_bare<T: ToSchema>(mut self) -> Self {
        self.answer = Some(Answer::Bare(self.named::<T>()));
        self
    }

    /// Describes the answer as a `T` that was created, with status 201 and the headers `Location` and `ETag`. The handler
    /// reads the request with [`Creation`](crate::extract::Creation), which takes an `Idempotency-Key`.
    #[must_use]
    pub(crate) fn creates<T: ToSchema>(mut self) -> Self {
        self.answer = Some(Answer::Created(self.named::<T>()));
        let description = "Key of at most 255 visible characters by which repetitions of the request are recognised for 24 \
            hours. They have no further effect and get the same `data`.";
        self.parameters.push(header_parameter(IDEMPOTENCY_KEY.as_str(), description, Required::False));
        self.codes.extend([Code::Conflict, Code::IdempotencyKeyMismatch]);
        self.versioned()
    }

    /// Declares that the answer has status 204 and no body.
    #[must_use]
    pub(crate) fn answers_nothing(self) -> Self {
        Self { answer: Some(Answer::Nothing), ..self }
    }

    /// Declares that the answer has an `ETag`, the version of the resource.
    #[must_use]
    pub(crate) fn versioned(self) -> Self {
        Self { is_versioned: true, ..self }
    }

    /// Declares that the request needs `If-Match`. The handler reads it with [`IfMatch`](crate::extract::IfMatch).
    #[must_use]
    pub(crate) fn conditional(mut self) -> Self {
        let description = "`ETag` of the resource as it was read, or `*` for any version.";
        self.parameters.push(header_parameter(header::IF_MATCH.as_str(), description, Required::True));
        self.codes.push(Code::PreconditionFailed);
        self
    }

    /// Declares that a resource named in the answer can be read at `path`. `pointer` is the JSON pointer, in the body of
    /// the answer, to the value of the path's `parameter`.
    #[must_use]
    pub(crate) fn links_to(
        mut self,
        path: &'static str,
        parameter: &'static str,
        pointer: &'static str,
    ) -> Self {
        self.links.push(ResourceLink { path, parameter, pointer });
        self
    }

    /// Sets the maximum size of the body in bytes.
    #[must_use]
    pub(crate) fn body_max(self, bytes: usize) -> Self {
        Self { body_max: bytes, ..self }
    }

    /// Declares that the answer has status 503 if it reports that the service is unavailable.
    #[must_use]
    pub(crate) fn or_unavailable(self) -> Self {
        Self { may_be_unavailable: true, ..self }
    }

    /// Adds error codes of this route.
    #[must_use]
    pub(crate) fn codes(mut self, codes: &[Code]) -> Self {
        self.codes.extend_from_slice(codes);
        self
    }

    fn named<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        self.components.push((name.clone(), <T as PartialSchema>::schema()));
        T::schemas(&mut self.components);
        RefOr::Ref(utoipa::openapi::Ref::from_schema_name(name))
    }

    /// Adds the route to `router`.
    ///
    /// One function runs all steps of a request. As layers, each step would clone and box those below it.
    pub(crate) fn mount(self, router: Router<S>, callers: &Callers) -> Router<S> {
        let Self { path, access, effect, limit, statements, body_max, filter, handler, .. } = self;
        let guard = match access {
            Access::Open => None,
            Access::Scope(scope) => Some(Guard { callers: callers.clone(), scope, effect }),
        };
        let endpoint = Arc::new(Endpoint { path, guard, effect, limit, statements, body_max, handler });
        let answer = move |State(state): State<S>, request: Request| {
            let endpoint = Arc::clone(&endpoint);
            within_shell(request, |request| async move { endpoint.answer(request, state).await })
        };
        router.route(path, on(filter, answer))
    }
}

/// Route as requests pass through it: the deadline outermost, then the authentication, then the handler.
struct Endpoint<S> {
    path: &'static str,
    guard: Option<Guard>,
    effect: Effect,
    limit: Duration,
    statements: u32,
    body_max: usize,
    handler: Handle<S>,
}

impl<S> Endpoint<S> {
    /// Runs the handler with the deadline, ends it shortly after, and counts its statements.
    async fn answer(&self, mut request: Request, state: S) -> Response {
        let deadline = Deadline::after(self.limit);
        request.extensions_mut().insert(deadline);
        if self.body_max != BODY_MAX {
            request.extensions_mut().insert(BodyMax(self.body_max));
        }
        let watch = Watch::begin(request.method().clone(), self.path, self.statements);
        let handled = timeout_at(deadline.instant() + GRACE, self.handle(request, state));
        let answered = watch.count().scope(handled).await;
        watch.end(answered.unwrap_or_else(|_| overdue(self.effect, self.limit).into_response()))
    }

    async fn handle(&self, request: Request, state: S) -> Response {
        let Some(guard) = &self.guard else { return (self.handler)(request, state).await };
        let (parts, body) = request.into_parts();
        let (mut response, rate) = match authentication::require(guard, &parts).await {
            Ok(rate) => ((self.handler)(Request::from_parts(parts, body), state).await, rate),
            Err(refusal) => (refusal.problem.into_response(), refusal.rate),
        };
        guard.callers.describe(rate, response.headers_mut());
        response
    }
}

fn header_parameter(name: &str, description: &str, required: Required) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn page_parameters(limits: PageLimits) -> [Parameter; 3] {
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let page = number().maximum(Some(NUMBERED_MAX));
    let per_page = number().maximum(Some(limits.max)).default(Some(limits.default.into()));
    let cursor =
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).pattern(Some("^[A-Za-z0-9_-]+$"));
    let parameter = |name: &str, description: &str, schema: ObjectBuilder| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .description(Some(description))
            .schema(Some(schema.build()))
            .build()
    };
    [
        parameter(
            "page",
            "Number of the page, from 1. Numbered pages end at item 10,000. Cannot be combined with `cursor`.",
            page,
        ),
        parameter(
            "per_page",
            "Number of items on a page. Has the aliases `page_size` and `limit`.",
            per_page,
        ),
        parameter(
            "cursor",
            "`pagination.next_cursor` of the page before. Costs the same at any depth.",
            cursor,
        ),
    ]
}

/// Returns the answer to a request that exceeded its deadline. A write may have been stored.
fn overdue(effect: Effect, limit: Duration) -> Problem {
    let code = match effect {
        Effect::Reads => Code::DbTimeout,
        Effect::Writes => Code::OutcomeUnknown,
    };
    let text = format!("not answered within {} s", limit.as_secs_f64());
    Problem::new(code).caused("deadline", "timeout", text)
}
