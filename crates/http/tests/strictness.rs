//! The schemas of parameters and fields are as strict as the server: it rejects exactly what they exclude.

use crate::contract::validator;
use crate::document::{Operation, operations, resolved};
use crate::support::{Fixture, api_key, ask};
use crate::terminology::filled;
use anyhow::{Context as _, Result};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// Texts at and beyond the usual limits, as parameters and as strings in bodies.
fn texts() -> Vec<String> {
    let fixed = [
        "",
        " ",
        "a",
        "ab",
        " a ",
        "  ab ",
        "a b",
        "a\u{1}b",
        "a\tb",
        "a\u{7f}",
        "a\u{85}b",
        "\u{a0}a\u{a0}",
        "äö",
        "%",
        "'",
        "-1",
        "0",
        "1",
        "2",
        "20",
        "21",
        "50",
        "51",
        "100",
        "101",
        "1000",
        "1001",
        "10001",
        "2147483648",
        "9223372036854775808",
        "1.5",
        "1e3",
        "+1",
        "true",
        "false",
        "TRUE",
        "null",
        "E11",
        "e11.9",
        "E11.9",
        "I00-I99",
        "999999999",
        "Z99.ABCD",
        "E 11",
        "*",
        "keys:read",
        "keys:reed",
        "2099-01-01T00:00:00Z",
        "2099-01-01",
        "10000-01-01T00:00:00Z",
        "WyJhIl0",
    ];
    let long = [19, 20, 21, 50, 51, 99, 100, 101, 255, 256].map(|length| "x".repeat(length));
    fixed.into_iter().map(str::to_owned).chain(long).collect()
}

/// Reads a parameter's text as the type of its schema.
fn typed(schema: &Value, text: &str) -> Value {
    let is = |name: &str| {
        schema["type"] == name || schema["type"].as_array().is_some_and(|all| all.contains(&name.into()))
    };
    let number = || text.parse::<i64>().ok().map(Value::from);
    let flag = || text.parse::<bool>().ok().map(Value::from);
    let read = if is("integer") {
        number()
    } else if is("boolean") {
        flag()
    } else {
        None
    };
    read.unwrap_or_else(|| text.into())
}

/// Compares the verdicts of schema and server about one request.
async fn compare(
    (api, key): (&Fixture, &str),
    operation: &Operation,
    name: &str,
    is_valid: bool,
    value: &str,
) -> Option<String> {
    let request = operation.request(key).body(operation.body()).ok()?;
    let answer = ask(&api.router, request).await;
    let is_accepted = answer.status != StatusCode::BAD_REQUEST;
    // Pasted text is too free for a pattern, most conditions on entries of the audit trail require another one, and the
    // times of appointments and calendars, and the days of a revenue, are bounded together, so their schemas only have to
    // allow what the server accepts.
    let looser = [
        "/api/pidms/check",
        "/api/audit/entries",
        "/api/appointments",
        "/api/appointments/{id}",
        "/api/providers/{id}/calendar",
        "/api/ledger/revenue",
        "/api/clients/dashboard/financial",
    ];
    let is_looser = looser.contains(&&*operation.path) && is_valid;
    (is_accepted != is_valid && !is_looser).then(|| {
        let verdict = if is_valid { "allows" } else { "excludes" };
        format!(
            "{} {name}: the schema {verdict} {value:?}, the server answers {}",
            operation.name(),
            answer.status
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_inputs_are_as_strict_as_the_server() -> Result<()> {
    let api = filled().await?;
    // A key that is not among those that the test revokes.
    let (client, connection) = tokio_postgres::connect(&api.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("ALTER TABLE api_keys ALTER id RESTART WITH 500000").await?;
    let key = api_key(&api.store, &["*"]).await?;
    let document = api.get("/openapi.json").await.body;
    let mut differing = Vec::new();
    for operation in operations(&document)?.iter().filter(|operation| operation.scope.is_some()) {
        let described = &document["paths"][&operation.path][operation.method.as_str().to_ascii_lowercase()];
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            let (name, schema) = (parameter["name"].as_str().context("a name")?, &parameter["schema"]);
            let validator = validator(&document, schema)?;
            // A cursor is opaque, and its form differs from list to list.
            for text in texts().into_iter().filter(|_| name != "cursor") {
                let Some(changed) = with_parameter(operation, parameter["in"].as_str(), name, &text) else {
                    continue;
                };
                let is_valid = validator.is_valid(&typed(schema, &text));
                differing.extend(compare((&api, &key), &changed, name, is_valid, &text).await);
            }
        }
        let Some(schema) = described.pointer("/requestBody/content/application~1json/schema") else {
            continue;
        };
        let validator = validator(&document, schema)?;
        let properties = resolved(&document, schema)?["properties"].as_object().context("properties")?;
        for name in properties.keys() {
            let values = texts().into_iter().flat_map(|text| [json!(text), json!([text])]);
            for value in values.chain([json!(null), json!(1), json!([]), json!({}), json!(vec!["E11"; 101])])
            {
                let mut body = operation.body.clone().context("a body")?;
                body[name] = value.clone();
                let is_valid = validator.is_valid(&body);
                let changed = Operation { body: Some(body), ..operation.clone() };
                differing.extend(compare((&api, &key), &changed, name, is_valid, &value.to_string()).await);
            }
        }
    }
    assert_eq!(differing, [""; 0], "{} differences", differing.len());
    Ok(())
}

/// Returns the example with another value of a parameter; `None` for a header, which a request may be unable to carry.
fn with_parameter(operation: &Operation, place: Option<&str>, name: &str, text: &str) -> Option<Operation> {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let (path, query) = operation.uri.split_once('?').unwrap_or((&operation.uri, ""));
    let uri = match place {
        Some("query") => {
            let others =
                query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with(&format!("{name}=")));
            // With a larger page size, fewer pages end at item 10,000.
            let size = (name == "page").then(|| "per_page=1".to_owned());
            let pairs: Vec<String> =
                others.map(str::to_owned).chain(size).chain([format!("{name}={encoded}")]).collect();
            format!("{path}?{}", pairs.join("&"))
        }
        // An empty segment is another path.
        Some("path") if !text.is_empty() => {
            operation.path.replace(&format!("{{{name}}}"), &encoded.replace('+', "%20"))
        }
        _ => return None,
    };
    Some(Operation { uri, ..operation.clone() })
}
