//! Pages of a list: by number up to item 10,000, and by cursor at any depth.
//!
//! Every list parses [`PageParameters`] into a [`Position`], fetches one row more than fits on the page, and returns a
//! [`Page`].

use crate::{Checks, Invalid};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Number of the last item that a numbered page can show, and maximum of totals. Reading a numbered page costs as much
/// as reading all pages before it, so its depth is limited. Cursors have no such limit.
pub const NUMBERED_MAX: u32 = 10_000;

/// Page sizes of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Default number of items on a page.
    pub default: u32,
    /// Maximum number of items on a page.
    pub max: u32,
}

/// Unvalidated parameters of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PageParameters {
    /// Number of the page, from 1.
    pub page: Option<u64>,
    /// Number of items on a page. Has the aliases `page_size` and `limit`.
    #[serde(alias = "page_size", alias = "limit")]
    pub per_page: Option<u64>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl PageParameters {
    /// Parses the position of the page. `C` is the sort key of the list. A cursor takes precedence over page number 1.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming each invalid parameter. `page` is invalid if the page ends beyond [`NUMBERED_MAX`].
    pub fn position<C: DeserializeOwned>(&self, limits: PageLimits) -> Result<Position<C>, Invalid> {
        let mut checks = Checks::default();
        let number = checks.keep(match (self.page, &self.cursor) {
            (None | Some(1), _) => Ok(1),
            (Some(number), None) => checked_number(number),
            (Some(_), Some(_)) => Err(Invalid::field("page", "cannot be combined with `cursor`")),
        });
        let per_page = checks.keep(checked_size(self.per_page.unwrap_or(limits.default.into()), limits));
        let key = checks.keep(self.cursor.as_deref().map(decode).transpose());
        match (number, per_page, key) {
            (Some(_), Some(per_page), Some(Some(key))) => Ok(Position::after(key, per_page)),
            (Some(number), Some(per_page), Some(None)) => Position::numbered(number, per_page),
            _ => Err(checks.refused()),
        }
    }
}

/// Start of a page and its maximum number of items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position<C> {
    start: Start<C>,
    per_page: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Start<C> {
    Number(u32),
    After(C),
}

impl<C> Position<C> {
    /// Returns the position of the page that follows the item with sort key `key`.
    pub fn after(key: C, per_page: u32) -> Self {
        Self { start: Start::After(key), per_page }
    }

    /// Returns the position of the first page.
    pub fn first(per_page: u32) -> Self {
        Self { start: Start::Number(1), per_page }
    }

    /// Returns the position of the page with a number.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `page` if the page ends beyond [`NUMBERED_MAX`].
    pub fn numbered(number: u32, per_page: u32) -> Result<Self, Invalid> {
        if number > 1 && number.saturating_mul(per_page) > NUMBERED_MAX {
            return Err(beyond_numbered());
        }
        Ok(Self { start: Start::Number(number), per_page })
    }

    /// Returns the sort key of the last item before the page, if the page was requested by cursor.
    pub fn cursor(&self) -> Option<&C> {
        match &self.start {
            Start::Number(_) => None,
            Start::After(key) => Some(key),
        }
    }

    /// Returns the number of rows to fetch: one more than fits on the page, to detect whether another page follows.
    pub fn limit(&self) -> i64 {
        i64::from(self.per_page) + 1
    }

    /// Returns the number of rows to skip; 0 if the page was requested by cursor.
    pub fn offset(&self) -> i64 {
        match self.start {
            Start::Number(number) => i64::from(number - 1) * i64::from(self.per_page),
            Start::After(_) => 0,
        }
    }

    fn number(&self) -> Option<u32> {
        match self.start {
            Start::Number(number) => Some(number),
            Start::After(_) => None,
        }
    }
}

fn checked_number(number: u64) -> Result<u32, Invalid> {
    match u32::try_from(number) {
        Ok(0) => Err(Invalid::field("page", "must be at least 1")),
        // Rejected even if the page size is invalid, because no page size brings it within the limit.
        Ok(number) if number <= NUMBERED_MAX => Ok(number),
        _ => Err(beyond_numbered()),
    }
}

fn checked_size(per_page: u64, limits: PageLimits) -> Result<u32, Invalid> {
    let fits = u32::try_from(per_page).ok().filter(|per_page| (1..=limits.max).contains(per_page));
    fits.ok_or_else(|| Invalid::field("per_page", format!("must be from 1 to {}", limits.max)))
}

fn beyond_numbered() -> Invalid {
    let message = format!(
        "numbered pages end at item {NUMBERED_MAX}; follow pagination.next_cursor with `cursor` instead"
    );
    Invalid::field("page", message)
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// Items of the page, in the order of the list.
    pub items: Vec<T>,
    /// Position of the page in the list.
    pub pagination: Pagination,
}

/// Position of a page in its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pagination {
    /// Number of the page, from 1; null if the page was requested by cursor.
    pub page: Option<u32>,
    /// Maximum number of items on a page.
    pub per_page: u32,
    /// Number of items in the whole list, counted up to 10,000.
    pub total_items: u32,
    /// Number of pages that the counted items fill.
    pub total_pages: u32,
    /// True if items follow.
    pub has_next: bool,
    /// True if items come before.
    pub has_prev: bool,
    /// False if the list has more items than `total_items`.
    pub total_exact: bool,
    /// Value of the parameter `cursor` for the next page; null on the last page.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Creates a page from at most [`Position::limit`] rows and a count of the whole list, which stopped at
    /// [`NUMBERED_MAX`] + 1. `key` returns the sort key of an item.
    pub fn new<C: Serialize>(
        mut items: Vec<T>,
        count: i64,
        position: &Position<C>,
        key: impl FnOnce(&T) -> C,
    ) -> Self {
        let per_page = position.per_page;
        let has_next = items.len() > per_page as usize;
        items.truncate(per_page as usize);
        let total_items = count.clamp(0, NUMBERED_MAX.into()) as u32;
        let pagination = Pagination {
            page: position.number(),
            per_page,
            total_items,
            total_pages: total_items.div_ceil(per_page),
            has_next,
            has_prev: position.number() != Some(1),
            total_exact: count <= NUMBERED_MAX.into(),
            next_cursor: items.last().filter(|_| has_next).map(|last| encode(&key(last))),
        };
        Self { items, pagination }
    }

    /// Converts each item.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), pagination: self.pagination }
    }

    /// Converts each item with a fallible function.
    ///
    /// # Errors
    /// Returns the first error of `convert`.
    pub fn try_map<U, E>(self, convert: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let items = self.items.into_iter().map(convert).collect::<Result<_, _>>()?;
        Ok(Page { items, pagination: self.pagination })
    }

    /// Describes the page in words: "50 of more than 10000 `noun`".
    pub fn summary(&self, noun: &str) -> String {
        let more_than = if self.pagination.total_exact { "" } else { "more than " };
        format!("{} of {more_than}{} {noun}", self.items.len(), self.pagination.total_items)
    }
}

/// Encodes a sort key as an opaque string.
fn encode(key: &impl Serialize) -> String {
    // Never fails: sort keys consist of numbers, strings and times.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

fn decode<C: DeserializeOwned>(text: &str) -> Result<C, Invalid> {
    let read = || {
        let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        // PostgreSQL rejects text with NUL characters.
        if has_nul(&value) { None } else { serde_json::from_value(value).ok() }
    };
    read().ok_or_else(|| Invalid::field("cursor", "must be an unmodified pagination.next_cursor"))
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: PageLimits = PageLimits { default: 50, max: 100 };

    type Key = (String, i32, i64);

    fn position(
        page: Option<u64>,
        per_page: Option<u64>,
        cursor: Option<&str>,
    ) -> Result<Position<Key>, Invalid> {
        PageParameters { page, per_page, cursor: cursor.map(str::to_owned) }.position(LIMITS)
    }

    fn wrong(page: Option<u64>, per_page: Option<u64>, cursor: Option<&str>) -> String {
        let invalid = position(page, per_page, cursor).expect_err("refused");
        invalid.fields().iter().map(|wrong| wrong.field.as_str()).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn defaults_to_first_page() {
        let position = position(None, None, None).expect("defaults");
        assert_eq!((position.offset(), position.limit(), position.cursor()), (0, 51, None));
    }

    #[test]
    fn names_each_invalid_parameter() {
        assert_eq!(wrong(Some(0), Some(50), None), "page");
        assert_eq!(wrong(Some(1), Some(0), None), "per_page");
        assert_eq!(wrong(Some(1), Some(101), None), "per_page");
        assert_eq!(wrong(Some(101), Some(100), None), "page");
        assert_eq!(wrong(Some(1 << 63), Some(100), None), "page");
        assert_eq!(wrong(Some(0), Some(0), None), "page, per_page");
        assert_eq!(wrong(Some(2), Some(101), Some("x")), "page, per_page, cursor");
    }

    #[test]
    fn rejects_malformed_cursors() {
        let encoded = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let other_type = encoded("[\"Office16\",3]");
        let with_nul = encoded("[\"a\\u0000b\",3,7]");
        for cursor in ["", "%%%", "////", "gICA", &other_type, &with_nul] {
            assert_eq!(wrong(None, None, Some(cursor)), "cursor", "{cursor}");
        }
    }

    fn page_of(count: i64, items: usize, position: &Position<i64>) -> Pagination {
        Page::new((0..items as i64).collect(), count, position, |item| *item).pagination
    }

    #[test]
    fn pagination_describes_the_page() {
        let numbered = |number| Position { start: Start::Number(number), per_page: 50 };
        let first = page_of(51, 51, &numbered(1));
        assert!(first.has_next && !first.has_prev && first.total_pages == 2 && first.total_exact);
        assert_eq!(first.next_cursor, Some(encode(&49)));
        let last = page_of(51, 1, &numbered(2));
        assert!(!last.has_next && last.has_prev && last.next_cursor.is_none());
        assert_eq!((page_of(0, 0, &numbered(1)).total_pages, last.page), (0, Some(2)));
        let by_cursor = page_of(10_001, 50, &Position::after(1, 50));
        assert!(by_cursor.page.is_none() && by_cursor.has_prev && !by_cursor.has_next);
        assert_eq!((by_cursor.total_items, by_cursor.total_exact), (10_000, false));
        assert!(page_of(10_000, 50, &numbered(1)).total_exact);
    }

    #[test]
    fn summary_marks_inexact_totals() {
        let page = |count| Page::new(vec![1], count, &Position::after(0, 50), |item| *item);
        assert_eq!(page(1).summary("keys"), "1 of 1 keys");
        assert_eq!(page(10_001).summary("keys"), "1 of more than 10000 keys");
    }

    proptest! {
        #[test]
        fn numbered_pages_end_at_limit(number in 1_u64..=300, per_page in 1_u64..=120) {
            match position(Some(number), Some(per_page), None) {
                Ok(position) => {
                    prop_assert!(per_page <= 100 && number * per_page <= u64::from(NUMBERED_MAX));
                    prop_assert_eq!(position.offset() as u64, (number - 1) * per_page);
                    prop_assert_eq!(position.limit() as u64, per_page + 1);
                }
                Err(_) => prop_assert!(per_page > 100 || number * per_page > u64::from(NUMBERED_MAX)),
            }
        }

        #[test]
        fn no_number_panics(number: u64, per_page: u64) {
            let _ = position(Some(number), Some(per_page), None).map(|position| position.offset());
        }

        #[test]
        fn cursors_round_trip(text in "[^\0]{0,255}", number: i32, id: i64) {
            let key = (text, number, id);
            let position = position(Some(1), None, Some(&encode(&key))).expect("a cursor");
            prop_assert_eq!(position.cursor(), Some(&key));
        }
    }
}
