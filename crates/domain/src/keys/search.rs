//! How stored keys are searched: filters, order, and the cursor that goes on where a page ended.

use crate::page::{Page, PageLimits};
use crate::{Checks, Invalid, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Keys on a page of a search.
pub const PAGE_LIMITS: PageLimits = PageLimits { default: 50, max: 100 };

/// The upper limit of the filters on `remaining`: the column's type.
const REMAINING_MAX: u64 = i32::MAX as u64;

/// Whether blocked keys are wanted, or only those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Only keys that are not blocked (`blocked=-1`).
    No,
    /// Only blocked keys (`blocked=1`).
    Yes,
}

impl Blocked {
    /// The filter from its wire form.
    ///
    /// # Errors
    /// [`Invalid`] naming `blocked`.
    pub fn parse(value: i64) -> Result<Self, Invalid> {
        match value {
            -1 => Ok(Self::No),
            1 => Ok(Self::Yes),
            _ => Err(Invalid::field("blocked", "must be 1 (blocked) or -1 (not blocked)")),
        }
    }
}

/// Which keys are wanted. Conditions left out do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of the product code, any case, taken literally.
    pub product: Option<String>,
    /// At least so many activations left.
    pub min_remaining: Option<i32>,
    /// At most so many activations left.
    pub max_remaining: Option<i32>,
    /// Blocked ones or the others.
    pub blocked: Option<Blocked>,
}

impl Filter {
    /// The filter from its wire form. An empty `product` does not restrict.
    ///
    /// # Errors
    /// [`Invalid`] naming every wrong field.
    pub fn new(
        product: Option<&str>,
        min_remaining: Option<u64>,
        max_remaining: Option<u64>,
        blocked: Option<i64>,
    ) -> Result<Self, Invalid> {
        let mut checks = Checks::default();
        let product = product.map(|product| text::plain("product", product, 0..=255)).transpose();
        let product = checks.keep(product.map(|product| product.filter(|product| !product.is_empty())));
        let min = checks.keep(remaining("min_remaining", min_remaining));
        let max = checks.keep(remaining("max_remaining", max_remaining));
        let blocked = checks.keep(blocked.map(Blocked::parse).transpose());
        if let (Some(Some(min)), Some(Some(max))) = (min, max)
            && min > max
        {
            checks.keep::<()>(Err(Invalid::field("max_remaining", "must not be below min_remaining")));
            return Err(checks.refused());
        }
        match (product, min, max, blocked) {
            (Some(product), Some(min_remaining), Some(max_remaining), Some(blocked)) => {
                Ok(Self { product, min_remaining, max_remaining, blocked })
            }
            _ => Err(checks.refused()),
        }
    }
}

fn remaining(field: &str, value: Option<u64>) -> Result<Option<i32>, Invalid> {
    match value {
        Some(value) if value > REMAINING_MAX => {
            Err(Invalid::field(field, format!("must be from 0 to {REMAINING_MAX}")))
        }
        value => Ok(value.map(|value| value as i32)),
    }
}

/// The last key of a page in the order of the search: product, then most remaining first, then id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its product.
    pub product: String,
    /// Its activations left.
    pub remaining: i32,
    /// Its row id.
    pub id: i64,
}

impl Cursor {
    /// The cursor as an opaque text for the caller.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}:{}:{}", self.id, self.remaining, self.product))
    }

    /// The cursor from a text that [`Cursor::encode`] made.
    ///
    /// # Errors
    /// [`Invalid`] naming `cursor`.
    pub fn decode(text: &str) -> Result<Self, Invalid> {
        Self::read(text)
            .ok_or_else(|| Invalid::field("cursor", "must be a pagination.next_cursor as it was received"))
    }

    fn read(text: &str) -> Option<Self> {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = plain.splitn(3, ':');
        let (id, remaining, product) = (parts.next()?, parts.next()?, parts.next()?);
        let product = text::plain("cursor", product, 0..=255).ok()?;
        Some(Self { product, remaining: remaining.parse().ok()?, id: id.parse().ok()? })
    }
}

/// Where in the list a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// By number.
    Page(Page),
    /// After a cursor, with so many keys a page. Costs the same at any depth.
    After(Cursor, u32),
}

impl Position {
    /// The position from its wire form; a cursor goes before a page number of 1 or none.
    ///
    /// # Errors
    /// [`Invalid`] naming `page`, `per_page` or `cursor`.
    pub fn new(page: Option<u64>, per_page: Option<u64>, cursor: Option<&str>) -> Result<Self, Invalid> {
        let Some(cursor) = cursor else {
            return Page::new(page, per_page, PAGE_LIMITS).map(Self::Page);
        };
        if page.is_some_and(|page| page != 1) {
            return Err(Invalid::field("cursor", "goes without `page`"));
        }
        let size = Page::new(None, per_page, PAGE_LIMITS)?;
        Ok(Self::After(Cursor::decode(cursor)?, size.per_page()))
    }

    /// Keys on a full page.
    pub fn per_page(&self) -> u32 {
        match self {
            Self::Page(page) => page.per_page(),
            Self::After(_, per_page) => *per_page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(result: Result<Filter, Invalid>) -> Vec<String> {
        result.expect_err("refused").fields().iter().map(|field| field.field.clone()).collect()
    }

    #[test]
    fn every_wrong_filter_is_named() {
        let all = Filter::new(Some("a\0"), Some(1 << 63), Some(u64::MAX), Some(0));
        assert_eq!(fields(all), ["product", "min_remaining", "max_remaining", "blocked"]);
        assert_eq!(fields(Filter::new(None, Some(5), Some(4), None)), ["max_remaining"]);
    }

    #[test]
    fn an_empty_product_does_not_restrict() {
        assert_eq!(Filter::new(Some("  "), None, None, None), Ok(Filter::default()));
    }

    #[test]
    fn a_cursor_excludes_a_page_number_and_rubbish() {
        assert!(Position::new(Some(2), None, Some("MTox")).is_err());
        for rubbish in ["", "%%%", "MTox", "////", "AAECAw"] {
            assert_eq!(
                Position::new(None, None, Some(rubbish)).expect_err("rubbish").fields()[0].field,
                "cursor"
            );
        }
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was(product in "[^\\pC\\s]([^\\pC]{0,40}[^\\pC\\s])?", remaining: i32, id: i64) {
            let cursor = Cursor { product, remaining, id };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }
    }
}
