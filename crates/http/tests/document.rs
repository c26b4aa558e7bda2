//! The OpenAPI document, read for requests: each operation with an example of every required input.

use anyhow::{Context as _, Result};
use axum::body::Body;
use axum::http::{Method, Request, request};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// An operation of the document.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Template of the path.
    pub(crate) path: String,
    /// Path and query string of an example.
    pub(crate) uri: String,
    /// Body of an example.
    pub(crate) body: Option<Value>,
    /// Scope that the caller needs.
    pub(crate) scope: Option<String>,
    /// Documented statuses.
    pub(crate) statuses: BTreeSet<u16>,
    /// True if `If-Match` is required.
    pub(crate) is_conditional: bool,
    /// True if `Idempotency-Key` is accepted.
    pub(crate) is_repeatable: bool,
}

impl Operation {
    /// Returns the method and the template of the path.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Builds the example, with a key.
    pub(crate) fn request(&self, key: &str) -> request::Builder {
        let request = Request::builder().method(self.method.clone()).uri(&self.uri).header("x-api-key", key);
        let request =
            if self.body.is_some() { request.header("content-type", "application/json") } else { request };
        if self.is_conditional { request.header("if-match", "*") } else { request }
    }

    /// Returns the body of the example.
    pub(crate) fn body(&self) -> Body {
        self.body.as_ref().map_or_else(Body::empty, |body| body.to_string().into())
    }

    /// Returns the operation on an item that does not exist, if its path names an item.
    pub(crate) fn on_nothing(&self) -> Option<Self> {
        let (before, after) = self.path.split_once('{')?;
        let (name, after) = after.split_once('}')?;
        let is_uuid = self.uri.split('/').any(|segment| segment.len() == 36);
        let absent = match name {
            "code" => "Z99.ABCD",
            _ if is_uuid => "ffffffff-ffff-7fff-8fff-ffffffffffff",
            _ => "999999",
        };
        Some(Self { uri: format!("{before}{absent}{after}"), ..self.clone() })
    }
}

/// Returns the operations of `document`, those that remove something last.
pub(crate) fn operations(document: &Value) -> Result<Vec<Operation>> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().context("paths")? {
        for (method, operation) in item.as_object().context("an item")? {
            operations.push(read(document, method, path, operation)?);
        }
    }
    operations.sort_by_key(|operation| operation.method == Method::DELETE);
    Ok(operations)
}

fn read(document: &Value, method: &str, path: &str, operation: &Value) -> Result<Operation> {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
    let (mut target, mut query) = (path.to_owned(), form_urlencoded::Serializer::new(String::new()));
    for parameter in parameters.iter().filter(|parameter| parameter["required"] == true) {
        let name = parameter["name"].as_str().context("a name")?;
        let example = || text(&parameter["example"]).with_context(|| format!("{path}: no example of {name}"));
        match parameter["in"].as_str() {
            Some("path") => target = target.replace(&format!("{{{name}}}"), &example()?),
            Some("query") => drop(query.append_pair(name, &example()?)),
            _ => {}
        }
    }
    let query = query.finish();
    let body = operation.pointer("/requestBody/content/application~1json/schema");
    let statuses = operation["responses"].as_object().context("responses")?.keys();
    Ok(Operation {
        method: method.to_uppercase().parse()?,
        path: path.to_owned(),
        uri: if query.is_empty() { target } else { format!("{target}?{query}") },
        body: body.map(|schema| example(document, schema)).transpose()?.map(|body| distinct(path, body)),
        scope: operation.pointer("/security/0/api_key/0").and_then(text),
        statuses: statuses.map(|status| Ok(status.parse()?)).collect::<Result<_>>()?,
        is_conditional: named("if-match"),
        is_repeatable: named("idempotency-key"),
    })
}

/// Returns the example of a change without the unique values that the example of the creation has.
fn distinct(path: &str, mut body: Value) -> Value {
    match path {
        "/api/providers/{id}" => {
            (body["email"], body["npi_number"]) = ("another@example.com".into(), "1234567802".into());
        }
        "/api/appointments/{id}" => {
            body["scheduled_start"] = "2030-05-08T09:00:00Z".into();
            body["scheduled_end"] = "2030-05-08T09:50:00Z".into();
        }
        _ => {}
    }
    body
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Returns the schema that `schema` refers to, or itself if it is not a reference.
pub(crate) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> Result<&'a Value> {
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).context("a reference leads nowhere"),
        None => Ok(schema),
    }
}

/// Returns an object with the examples of a schema's properties.
fn example(document: &Value, schema: &Value) -> Result<Value> {
    let properties = resolved(document, schema)?["properties"].as_object().context("properties")?;
    let example = |schema: &Value| {
        let schema = resolved(document, schema)?;
        let (one, first) = (schema["example"].clone(), schema["examples"][0].clone());
        anyhow::Ok([one, first].into_iter().find(|example| !example.is_null()))
    };
    let given = properties.iter().filter_map(|(name, schema)| {
        let example = example(schema).transpose()?;
        Some(example.map(|example| (name.clone(), example)))
    });
    let example: Map<String, Value> = given.collect::<Result<_>>()?;
    Ok(example.into())
}
