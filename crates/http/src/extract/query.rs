//! Query strings, read strictly: no replacement characters, no repeated and no unknown parameters.

use super::{cut, refused};
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use steadfast_domain::Invalid;
use steadfast_domain::page::PageParameters;

/// The parameters of the query string.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let raw = parts.uri.query().unwrap_or_default();
        check(raw)?;
        Ok(Self(parse(raw)?))
    }
}

/// The parameters of a list: those that select its items, and those that select the page.
#[derive(Debug)]
pub(crate) struct Paged<T = Nothing>(pub(crate) T, pub(crate) PageParameters);

/// No parameters but those of the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Names of the page parameters and their aliases.
const PAGE_NAMES: [&str; 5] = ["page", "per_page", "page_size", "limit", "cursor"];

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Paged<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let raw = parts.uri.query().unwrap_or_default();
        check(raw)?;
        let is_of_page = |pair: &&str| {
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            decode(name).is_ok_and(|name| PAGE_NAMES.contains(&name.as_str()))
        };
        let (of_page, others): (Vec<&str>, Vec<&str>) = raw.split('&').partition(is_of_page);
        let (of_page, others) = (of_page.join("&"), others.join("&"));
        let (parameters, page) = Invalid::both(parse(&others), parse(&of_page))?;
        Ok(Self(parameters, page))
    }
}

/// Deserializes a query string that [`check`] has accepted.
fn parse<T: DeserializeOwned>(raw: &str) -> Result<T, Invalid> {
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(raw.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| refused(error.path(), error.inner(), "query"))
}

/// Refuses what the lenient decoder behind serde would repair or let through.
fn check(raw: &str) -> Result<(), Invalid> {
    let mut seen = HashSet::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name =
            decode(name).map_err(|why| Invalid::field("query", format!("a parameter's name {why}")))?;
        decode(value).map_err(|why| Invalid::field(cut(&name), why))?;
        if !seen.insert(name.clone()) {
            return Err(Invalid::field(cut(&name), "must be given once"));
        }
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, &'static str> {
    if !escapes_are_whole(text) {
        return Err("must have two hexadecimal digits after each %");
    }
    // UTF-8 has no form for a lone surrogate, so those end here too.
    let text = percent_decode_str(text).decode_utf8().map_err(|_| "must be UTF-8")?;
    if text.contains('\0') {
        return Err("must not contain NUL characters");
    }
    Ok(text.into_owned())
}

fn escapes_are_whole(text: &str) -> bool {
    let is_hex_pair = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    text.split('%').skip(1).all(is_hex_pair)
}
