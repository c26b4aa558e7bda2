//! The OpenAPI document at `/openapi.json`, built from the declarations of the routes once at start.

use crate::envelope::IDEMPOTENCY_REPLAYED;
use crate::problem::{Code, ProblemBody};
use crate::route::{Access, Answer, Component, Effect, ResourceLink, Route};
use axum::Json;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use steadfast_domain::page::Pagination;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, Content, InfoBuilder, OpenApi, Paths, Ref, RefOr, Required, Response as Described,
    ResponseBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};

/// Codes of every route that needs a key. The other routes wait for nothing.
const GUARDED_CODES: [Code; 9] = [
    Code::DbTimeout,
    Code::InternalError,
    Code::InvalidParams,
    Code::Unauthorized,
    Code::Forbidden,
    Code::RateLimited,
    Code::DbQuery,
    Code::DbConnection,
    Code::Overloaded,
];

/// The document, built once and shared.
#[derive(Clone)]
pub(crate) struct Document(Arc<OpenApi>);

impl Document {
    /// Builds the document of `routes`.
    pub(crate) fn of<S>(routes: &[Route<S>]) -> Self {
        Self(Arc::new(describe(routes)))
    }
}

impl ToSchema for Document {
    fn name() -> Cow<'static, str> {
        "OpenApi".into()
    }
}

impl PartialSchema for Document {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().description(Some("An OpenAPI 3.1 document."));
        ["openapi", "info", "paths", "components"].into_iter().fold(object, ObjectBuilder::required).into()
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        Json(&*self.0).into_response()
    }
}

/// Builds the whole document.
fn describe<S>(routes: &[Route<S>]) -> OpenApi {
    let mut components = shared_components();
    let mut paths = Paths::new();
    for route in routes {
        for (name, schema) in route.components.iter().cloned() {
            components.schemas.insert(name, schema);
        }
        // Only CONNECT and unknown methods cannot be described; no route has them.
        let Some(method) = http_method(&route.method) else { continue };
        let operation = operation(route, &mut components);
        paths.add_path_operation(route.path, vec![method], operation);
    }
    let info = InfoBuilder::new().title("Steadfast").version(env!("CARGO_PKG_VERSION")).build();
    let mut document = OpenApi::new(info, paths);
    document.components = Some(components);
    document
}

fn http_method(method: &Method) -> Option<HttpMethod> {
    Some(match *method {
        Method::GET => HttpMethod::Get,
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::DELETE => HttpMethod::Delete,
        Method::OPTIONS => HttpMethod::Options,
        Method::HEAD => HttpMethod::Head,
        Method::PATCH => HttpMethod::Patch,
        Method::TRACE => HttpMethod::Trace,
        _ => return None,
    })
}

fn operation<S>(route: &Route<S>, components: &mut Components) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .summary(Some(route.summary))
        .operation_id(Some(operation_id(&route.method, route.path)))
        .parameters(Some(route.parameters.clone()))
        .response(success_status(route.answer.as_ref()), success("Success.", route));
    if route.may_be_unavailable {
        operation = operation.response("503", success("Unavailable; the body says why.", route));
    }
    if let Some(body) = &route.body {
        let body = RequestBodyBuilder::new()
            .content("application/json", Content::new(Some(body.clone())))
            .required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    if let Access::Scope(scope) = route.access {
        operation = operation
            .description(Some(format!("Needs the scope `{scope}`.")))
            .security(SecurityRequirement::new("api_key", [scope]))
            .security(SecurityRequirement::new("bearer", [scope]));
    }
    for (status, name) in refusals(&codes(route), components) {
        operation = operation.response(status.to_string(), Ref::from_response_name(name));
    }
    operation
}

/// Returns an id such as `get_api_v1_code_code`.
fn operation_id(method: &Method, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let method = method.as_str().to_ascii_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

/// Returns every code that the route can answer with.
fn codes<S>(route: &Route<S>) -> Vec<Code> {
    let mut codes = route.codes.clone();
    if route.access != Access::Open {
        codes.extend(GUARDED_CODES);
    }
    if route.body.is_some() {
        codes.extend([Code::PayloadTooLarge, Code::UnsupportedMediaType]);
    }
    if route.effect == Effect::Writes {
        codes.push(Code::OutcomeUnknown);
    }
    codes
}

/// Returns the statuses with the names of their responses, which routes with the same codes share.
fn refusals(codes: &[Code], components: &mut Components) -> Vec<(u16, String)> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let same_status = by_status.entry(code.status().as_u16()).or_default();
        if !same_status.contains(code) {
            same_status.push(*code);
        }
    }
    let mut named = Vec::new();
    for (status, mut codes) in by_status {
        codes.sort_by_key(|code| code.as_str());
        let name = codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(".");
        components.responses.entry(name.clone()).or_insert_with(|| RefOr::T(refusal(status, &codes)));
        named.push((status, name));
    }
    named
}

fn refusal(status: u16, codes: &[Code]) -> Described {
    let lines = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.text()));
    let mut response = ResponseBuilder::new()
        .description(lines.collect::<Vec<_>>().join("\n\n"))
        .content("application/json", Content::new(Some(Ref::from_schema_name(ProblemBody::name()))));
    if matches!(status, 429 | 503) {
        let seconds = described_header("Seconds after which a repetition may succeed.", Type::Integer);
        response = response.header(header::RETRY_AFTER.as_str(), seconds);
    }
    response.build()
}

const fn success_status(answer: Option<&Answer>) -> &'static str {
    match answer {
        Some(Answer::Created(_)) => "201",
        Some(Answer::Nothing) => "204",
        _ => "200",
    }
}

fn success<S>(description: &str, route: &Route<S>) -> Described {
    let mut response = ResponseBuilder::new().description(description);
    if let Some(body) = route.answer.as_ref().and_then(body_of) {
        response = response.content("application/json", Content::new(Some(body)));
    }
    if route.is_versioned {
        let etag = described_header("Version of the resource, for `If-Match`.", Type::String);
        response = response.header(header::ETAG.as_str(), etag);
    }
    if matches!(route.answer, Some(Answer::Created(_))) {
        let location = described_header("Path of the resource.", Type::String);
        let replayed = "`true` if an earlier request with the same `Idempotency-Key` created the resource.";
        response = response.header(header::LOCATION.as_str(), location);
        response = response.header(IDEMPOTENCY_REPLAYED.as_str(), described_header(replayed, Type::Boolean));
    }
    for ResourceLink { path, parameter, pointer } in &route.links {
        let link = LinkBuilder::new()
            .operation_id(operation_id(&Method::GET, path))
            .parameter(*parameter, format!("$response.body#{pointer}"));
        response = response.link(operation_id(&Method::GET, path), RefOr::T(link.build()));
    }
    response.build()
}

fn described_header(description: &str, kind: Type) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind);
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn body_of(answer: &Answer) -> Option<RefOr<Schema>> {
    Some(match answer {
        Answer::Nothing => return None,
        Answer::One(data) | Answer::Created(data) => envelope(data.clone()).into(),
        Answer::Page(data) => paginated(envelope(data.clone())).into(),
        Answer::List(item) => paginated(envelope(ArrayBuilder::new().items(item.clone()))).into(),
        Answer::Bare(body) => body.clone(),
    })
}

fn paginated(envelope: ObjectBuilder) -> ObjectBuilder {
    envelope.property("pagination", Ref::from_schema_name(Pagination::name())).required("pagination")
}

fn envelope(data: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let always_true = ObjectBuilder::new().schema_type(Type::Boolean).description(Some("Always true."));
    let properties = ["success", "data", "message", "correlation_id", "timestamp"];
    let object = ObjectBuilder::new()
        .property("success", always_true)
        .property("data", data)
        .property("message", text())
        .property("correlation_id", text())
        .property("timestamp", time);
    properties.into_iter().fold(object, ObjectBuilder::required)
}

/// Returns the parts that all routes share.
fn shared_components() -> Components {
    let mut components = Components::new();
    let mut schemas: Vec<Component> = vec![
        (ProblemBody::name().into_owned(), ProblemBody::schema()),
        (Pagination::name().into_owned(), Pagination::schema()),
    ];
    ProblemBody::schemas(&mut schemas);
    Pagination::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let own = ApiKey::Header(ApiKeyValue::with_description("X-API-Key", "An API key of this service."));
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The same API key.")).build();
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(own));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components
}

#[cfg(test)]
mod tests;
