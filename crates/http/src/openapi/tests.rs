//! The OpenAPI document matches the routes.

use super::*;
use crate::router::routes;
use serde_json::Value;
use steadfast_domain::identity::Scope;

fn described() -> Value {
    serde_json::to_value(&*Document::of(&routes()).0).expect("JSON")
}

#[test]
fn document_has_exactly_the_routes() {
    let document = described();
    let paths = document["paths"].as_object().expect("paths");
    let mut described: Vec<String> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().expect("an item").keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    let mut routed: Vec<String> = routes()
        .iter()
        .map(|route| format!("{} {}", route.method.as_str().to_ascii_lowercase(), route.path))
        .collect();
    described.sort();
    routed.sort();
    assert_eq!(described, routed);
    assert!(routed.contains(&"post /api/pidms/check".to_owned()), "{routed:?}");
}

#[test]
fn each_method_is_described_as_itself() {
    for name in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"] {
        let method = Method::from_bytes(name.as_bytes()).expect("a method");
        let described = serde_json::to_value(http_method(&method)).expect("JSON");
        assert_eq!(described, name.to_ascii_lowercase());
    }
    assert!(http_method(&Method::CONNECT).is_none());
}

#[test]
fn every_reference_resolves() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let (document, mut found) = (described(), Vec::new());
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn guarded_route_documents_its_scope_and_errors() {
    let document = described();
    let check = &document["paths"]["/api/pidms/check"]["post"];
    assert_eq!(check["security"].as_array().map(Vec::len), Some(2));
    assert!(check["description"].as_str().is_some_and(|text| text.contains("keys:write")));
    for status in ["200", "400", "401", "403", "408", "413", "415", "500", "502", "503", "504"] {
        assert!(check["responses"].get(status).is_some(), "{status}");
    }
    assert!(document["paths"]["/health/live"]["get"].get("security").is_none());
}

/// Codes that a description names among an operation's answers of `status`.
fn codes_of(document: &Value, method: &str, path: &str, status: &str) -> String {
    let response = &document["paths"][path][method]["responses"][status]["$ref"];
    let pointer = response.as_str().and_then(|reference| reference.strip_prefix('#')).expect("a reference");
    document
        .pointer(pointer)
        .and_then(|described| described["description"].as_str())
        .expect("a text")
        .to_owned()
}

#[test]
fn only_routes_that_write_can_leave_the_outcome_unknown() {
    let document = described();
    for route in routes().iter().filter(|route| route.access != Access::Open) {
        let codes = codes_of(&document, &route.method.as_str().to_ascii_lowercase(), route.path, "500");
        assert_eq!(codes.contains("OUTCOME_UNKNOWN"), route.effect == Effect::Writes, "{}", route.path);
    }
    assert!(codes_of(&document, "post", "/api/pidms/check", "500").contains("OUTCOME_UNKNOWN"));
    assert!(!codes_of(&document, "post", "/api/v1/batch/codes", "500").contains("OUTCOME_UNKNOWN"));
}

#[test]
fn guarded_routes_require_grantable_scopes_and_limit_invalid_keys() {
    let document = described();
    for route in &routes() {
        let Access::Scope(scope) = route.access else { continue };
        assert!(Scope::GRANTABLE.contains(&scope), "{scope}");
        let method = route.method.as_str().to_ascii_lowercase();
        assert!(codes_of(&document, &method, route.path, "429").contains("RATE_LIMITED"), "{}", route.path);
    }
    let area = |scope: &'static str| scope.split_once(':').map(|(area, _)| area);
    let has_routes = |scope: &&&'static str| {
        routes()
            .iter()
            .any(|route| matches!(route.access, Access::Scope(required) if area(required) == area(scope)))
    };
    for scope in Scope::GRANTABLE.iter().filter(has_routes) {
        assert!(
            routes().iter().any(|route| route.access == Access::Scope(scope)),
            "no route requires {scope}"
        );
    }
}

#[test]
fn operations_have_summaries_and_unique_ids() {
    let document = described();
    let mut ids = std::collections::HashSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for operation in item.as_object().expect("an item").values() {
            assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 10), "{path}");
            assert!(ids.insert(operation["operationId"].to_string()), "{path}");
        }
    }
}
