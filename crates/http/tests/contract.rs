//! Whether an answer is as the OpenAPI document describes it.

use crate::support::Answered;
use anyhow::{Context as _, Result, bail, ensure};
use axum::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Checks that `document` has the path, the method, the status, the schema of the body, and every header it requires.
/// Answers about unknown paths and methods belong to no route and are not checked.
pub(crate) fn check(document: &Value, method: &Method, path: &str, answered: &Answered) -> Result<()> {
    let paths = document["paths"].as_object().context("the document has no paths")?;
    let Some((_, item)) = paths.iter().find(|(template, _)| matches(template, path)) else { return Ok(()) };
    let Some(operation) = item.get(method.as_str().to_ascii_lowercase()) else { return Ok(()) };
    let status = answered.status.as_u16().to_string();
    let Some(response) = operation["responses"].get(&status) else {
        bail!("the status {status} is not documented: {}", answered.body)
    };
    let response = match response["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).context("a reference leads nowhere")?,
        None => response,
    };
    for name in response["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        ensure!(answered.headers.contains_key(name), "{status} lacks the header {name}");
    }
    if response.get("content").is_none() {
        ensure!(answered.body.is_null(), "{status} has a body");
        return Ok(());
    }
    for link in response["links"].as_object().into_iter().flat_map(|links| links.values()) {
        check_link(document, link, &answered.body)?;
    }
    let schema = &response["content"]["application/json"]["schema"];
    ensure!(schema.is_object(), "{status} has no schema");
    let validator = validator(document, schema)?;
    let violations: Vec<String> = validator
        .iter_errors(&answered.body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    ensure!(violations.is_empty(), "{status} does not match its schema: {violations:?}");
    Ok(())
}

/// Checks that a link names an operation of the document, and values that the answer has. An empty list has none.
fn check_link(document: &Value, link: &Value, body: &Value) -> Result<()> {
    let items = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let mut operations = items.filter_map(Value::as_object).flat_map(|item| item.values());
    ensure!(
        operations.any(|operation| operation["operationId"] == link["operationId"]),
        "the link leads to no operation: {link}"
    );
    for value in link["parameters"].as_object().into_iter().flat_map(|parameters| parameters.values()) {
        let pointer = value.as_str().and_then(|value| value.strip_prefix("$response.body#"));
        let pointer = pointer.context("the link names no part of the body")?;
        // A link from a list leads from its first item.
        let list = pointer.split_once("/0").and_then(|(list, _)| body.pointer(list));
        let is_empty = list.and_then(Value::as_array).is_some_and(Vec::is_empty);
        ensure!(is_empty || body.pointer(pointer).is_some(), "the body has no {pointer}");
    }
    Ok(())
}

/// Returns the validator of `schema`. Each is compiled once in a process, since that takes milliseconds.
pub(crate) fn validator(document: &Value, schema: &Value) -> Result<Arc<Validator>> {
    static VALIDATORS: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(validator) = validators.get(&schema.to_string()) {
        return Ok(Arc::clone(validator));
    }
    // References are resolved within the same document.
    let root = json!({ "allOf": [schema], "components": document["components"] });
    let validator = Arc::new(jsonschema::options().should_validate_formats(true).build(&root)?);
    validators.insert(schema.to_string(), Arc::clone(&validator));
    Ok(validator)
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
}
