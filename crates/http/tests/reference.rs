//! The reference of the routes in `docs/api.md` and the table of `docs/authorization.md`, both made of the OpenAPI
//! document. `STEADFAST_WRITE=1 cargo nextest run -p steadfast-http reference` writes them.

use crate::document::{Operation, operations, resolved};
use crate::support::{Fixture, UNKNOWN_KEY, ask};
use crate::terminology::filled;
use anyhow::{Context as _, Result, ensure};
use secrecy::ExposeSecret;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeySettings, NewApiKey, Role, Scope};
use steadfast_repository::identity;

/// Line after which a file is generated.
const MARK: &str = "<!-- Generated from the OpenAPI document from here on. -->\n";

/// Compares the generated part of a file in `docs` with `text`, or writes it.
fn check(name: &str, text: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let stored = std::fs::read_to_string(&path)?;
    let (own, generated) = stored.split_once(MARK).context("the mark is missing")?;
    if std::env::var_os("STEADFAST_WRITE").is_some() {
        return Ok(std::fs::write(&path, format!("{own}{MARK}{text}"))?);
    }
    ensure!(generated == text, "docs/{name} is out of date; STEADFAST_WRITE=1 writes it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reference_of_routes_is_current() -> Result<()> {
    let document = Fixture::new().await?.get("/openapi.json").await.body;
    let mut text = String::new();
    for operation in operations(&document)? {
        let described = &document["paths"][&operation.path][operation.method.as_str().to_ascii_lowercase()];
        describe(&mut text, &document, &operation, described)?;
    }
    check("api.md", &text)
}

fn describe(text: &mut String, document: &Value, operation: &Operation, described: &Value) -> Result<()> {
    let access =
        operation.scope.as_ref().map_or("Needs no key.".to_owned(), |scope| format!("Needs `{scope}`."));
    let summary = described["summary"].as_str().context("a summary")?;
    write!(text, "\n### `{}`\n\n{summary}. {access}\n\n", operation.name())?;
    let mut inputs = Vec::new();
    for parameter in described["parameters"].as_array().into_iter().flatten() {
        let place = parameter["in"].as_str().unwrap_or_default();
        inputs.push(input(parameter, place, parameter["required"] == true, &parameter["schema"]));
    }
    if let Some(schema) = described.pointer("/requestBody/content/application~1json/schema") {
        let schema = resolved(document, schema)?;
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let is_required =
                schema["required"].as_array().is_some_and(|all| all.contains(&name.clone().into()));
            let mut property = property.clone();
            property["name"] = name.clone().into();
            inputs.push(input(&property, "body", is_required, &property));
        }
    }
    if !inputs.is_empty() {
        write!(text, "| input | in | |\n|---|---|---|\n{}\n", inputs.concat())?;
    }
    write!(text, "```sh\n{}\n```\n\n", curl(operation))?;
    let (status, answer) = answer(document, described)?;
    let refusals = operation.statuses.iter().filter(|other| **other >= 400).map(u16::to_string);
    let refusals: Vec<String> = refusals.collect();
    let refusals =
        if refusals.is_empty() { String::new() } else { format!(" Errors: {}.", refusals.join(", ")) };
    writeln!(text, "{status}: {answer}{refusals}")?;
    Ok(())
}

/// Writes the row of a parameter or a field.
fn input(named: &Value, place: &str, is_required: bool, schema: &Value) -> String {
    let name = named["name"].as_str().unwrap_or_default();
    let bounds = [("minimum", "from"), ("maximum", "to"), ("default", "default")];
    let bounds = bounds.into_iter().filter(|(key, _)| !schema[key].is_null());
    let bounds: Vec<String> = bounds.map(|(key, word)| format!("{word} {}", schema[key])).collect();
    let bounds = if bounds.is_empty() { String::new() } else { format!(" ({})", bounds.join(", ")) };
    let need = if is_required { "Required. " } else { "" };
    let description = named["description"].as_str().unwrap_or_default().replace('\n', " ");
    format!("| `{name}` | {place} | {need}{description}{bounds} |\n")
}

/// Returns the status of a success and a description of its data.
fn answer(document: &Value, described: &Value) -> Result<(String, String)> {
    let responses = described["responses"].as_object().context("responses")?;
    let (status, response) =
        responses.iter().find(|(status, _)| status.starts_with('2')).context("a success")?;
    let Some(body) = response.pointer("/content/application~1json/schema") else {
        return Ok((status.clone(), "no body.".to_owned()));
    };
    let body = resolved(document, body)?;
    let data = &body["properties"]["data"];
    let (noun, schema) = match (data, &data["items"]) {
        (Value::Null, _) => ("the body has", body),
        (data, Value::Null) => ("`data` has", resolved(document, data)?),
        (_, items) => ("`data` is a list of objects with", resolved(document, items)?),
    };
    // A schema of several parts has the fields of all.
    let parts = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    let mut names = Vec::new();
    for part in &parts {
        let properties = resolved(document, part)?["properties"].as_object();
        names.extend(properties.into_iter().flat_map(|properties| properties.keys().cloned()));
    }
    let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Ok((
        status.clone(),
        if names.is_empty() { "a JSON object.".to_owned() } else { format!("{noun} {names}.") },
    ))
}

fn curl(operation: &Operation) -> String {
    let method = match operation.method.as_str() {
        "GET" => String::new(),
        method => format!("-X {method} "),
    };
    let mut lines = vec![format!("curl {method}\"$STEADFAST_URL{}\"", operation.uri)];
    if operation.scope.is_some() {
        lines.push("-H \"X-API-Key: $STEADFAST_API_KEY\"".to_owned());
    }
    if operation.is_conditional {
        lines.push("-H 'If-Match: *'".to_owned());
    }
    if operation.is_repeatable {
        lines.push("-H \"Idempotency-Key: $(uuidgen)\"".to_owned());
    }
    if let Some(body) = &operation.body {
        lines.push("-H 'Content-Type: application/json'".to_owned());
        lines.push(format!("-d '{body}'"));
    }
    lines.join(" \\\n  ")
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_matrix_is_current() -> Result<()> {
    let api = filled().await?;
    let operations = operations(&api.get("/openapi.json").await.body)?;
    api.user().await?;
    let mut table = "\n| route | scope | no key | unknown | revoked | expired | other scopes | its scope |\n\
        |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for operation in &operations {
        let cells = statuses(&api, operation).await?;
        let scope = operation.scope.as_deref().map_or("none".to_owned(), |scope| format!("`{scope}`"));
        writeln!(table, "| `{}` | {scope} | {} |", operation.name(), cells.join(" | "))?;
        if operation.scope.is_some() {
            assert_eq!(cells[..5], ["401", "401", "401", "401", "403"], "{}", operation.name());
            assert!(cells[5].starts_with('2'), "{}: {}", operation.name(), cells[5]);
        }
    }
    check("authorization.md", &format!("{table}\n{}", roles()))
}

/// Returns the table of roles and their scopes.
fn roles() -> String {
    let row = |role: Role| {
        let scopes: Vec<String> = role.scopes().map(|scope| format!("`{}`", scope.as_str())).collect();
        format!("| `{}` | {} |\n", role.as_str(), scopes.join(", "))
    };
    let rows: String = Role::ALL.iter().copied().map(row).collect();
    format!("## Roles\n\n| role | scopes |\n|---|---|\n{rows}")
}

/// Returns the statuses of the example of `operation` with each kind of key, which was never used before.
async fn statuses(api: &Fixture, operation: &Operation) -> Result<Vec<String>> {
    let is_other = |scope: &&str| *scope != "*" && operation.scope.as_deref() != Some(*scope);
    let others: Vec<&str> = Scope::GRANTABLE.into_iter().filter(is_other).collect();
    // Callers grant what they have, so the bearer also has the scopes in the example's body.
    let granted = operation.body.as_ref().and_then(|body| body["scopes"].as_array());
    let granted = granted.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let roles = operation.body.as_ref().and_then(|body| body["roles"].as_array()).into_iter().flatten();
    let roles = roles.filter_map(|role| Role::of_name(role.as_str()?));
    // The role of the user of the examples.
    let managed = operation.path.starts_with("/api/identity/users/").then_some(Role::FrontDesk);
    let roles = roles.chain(managed).flat_map(Role::scopes);
    let granted: Vec<String> = granted.chain(roles.map(|scope| scope.as_str().to_owned())).collect();
    let own: Vec<&str> =
        operation.scope.as_deref().into_iter().chain(granted.iter().map(String::as_str)).collect();
    let own = if own.is_empty() { vec!["keys:read"] } else { own };
    let client = api.database.url();
    let (client, connection) = tokio_postgres::connect(&client, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let mut keys = vec![String::new(), UNKNOWN_KEY.to_owned()];
    for (scopes, change) in
        [(&own, "revoked_at = now()"), (&own, "expires_at = now()"), (&others, ""), (&own, "")]
    {
        let new = NewApiKey::generate(ApiKeySettings::parse("matrix", scopes, None)?);
        let created = identity::create_api_key(&api.store, &Origin::operator("test"), &new.record).await?;
        if !change.is_empty() {
            client.batch_execute(&format!("UPDATE api_keys SET {change} WHERE id = {}", created.id)).await?;
        }
        keys.push(new.secret.expose_secret().to_owned());
    }
    if operation.scope.as_deref() == Some("identity:own") {
        // Only users have sessions.
        keys.pop();
        keys.push(api.log_in().await?);
    }
    let mut cells = Vec::new();
    for key in keys {
        cells.push(
            ask(&api.router, operation.request(&key).body(operation.body())?)
                .await
                .status
                .as_u16()
                .to_string(),
        );
    }
    Ok(cells)
}
