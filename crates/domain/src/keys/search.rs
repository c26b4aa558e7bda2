//! How stored keys are searched: filters, order, and the cursor that goes on where a page ended.

use crate::page::{self, PageLimits};
use crate::{Checks, Invalid, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Keys on a page of a search.
pub const PAGE_LIMITS: PageLimits = PageLimits { default: 50, max: 100 };

/// Products on a page of the list of products: mostly there are some dozens.
const PRODUCT_LIMITS: PageLimits = PageLimits { default: 100, max: 1_000 };

/// Characters of a product code at most: the column's type.
const PRODUCT_MAX: usize = 255;

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
        let product = product.map(|product| text::plain("product", product, 0..=PRODUCT_MAX)).transpose();
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
        Self::read(text).ok_or_else(no_cursor)
    }

    fn read(text: &str) -> Option<Self> {
        let plain = plain(text)?;
        let mut parts = plain.splitn(3, ':');
        let (id, remaining) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let product = parts.next().and_then(stored_product)?;
        Some(Self { product, remaining, id })
    }
}

/// The last product of a page in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductCursor(pub String);

impl ProductCursor {
    /// Returns the cursor as an opaque text for the caller.
    pub fn encode(&self) -> String {
        // The colon tells an empty product from no cursor.
        URL_SAFE_NO_PAD.encode(format!(":{}", self.0))
    }

    /// Reads a text that [`ProductCursor::encode`] made.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `cursor` for any other text.
    pub fn decode(text: &str) -> Result<Self, Invalid> {
        let product = plain(text).and_then(|plain| stored_product(plain.strip_prefix(':')?));
        product.map(Self).ok_or_else(no_cursor)
    }
}

fn no_cursor() -> Invalid {
    Invalid::field("cursor", "must be a pagination.next_cursor as it was received")
}

fn plain(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Taken as it is: a stored product may begin with a space, and a trimmed one would stand elsewhere in the order.
fn stored_product(text: &str) -> Option<String> {
    let is_storable = !text.contains('\0') && text.chars().count() <= PRODUCT_MAX;
    is_storable.then(|| text.to_owned())
}

/// Where in a search a page begins.
pub type Position = page::Position<Cursor>;

impl Position {
    /// Reads the position from its wire form. A cursor takes precedence over a page number of 1 or none.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming each wrong one of `page`, `per_page` and `cursor`.
    pub fn new(page: Option<u64>, per_page: Option<u64>, cursor: Option<&str>) -> Result<Self, Invalid> {
        Self::parse(page, per_page, cursor, PAGE_LIMITS, Cursor::decode)
    }
}

/// Where in the list of products a page begins.
pub type ProductPosition = page::Position<ProductCursor>;

impl ProductPosition {
    /// Reads the position from its wire form, as [`Position::new`] does.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming each wrong one of `page`, `per_page` and `cursor`.
    pub fn new(page: Option<u64>, per_page: Option<u64>, cursor: Option<&str>) -> Result<Self, Invalid> {
        Self::parse(page, per_page, cursor, PRODUCT_LIMITS, ProductCursor::decode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields<T: std::fmt::Debug>(result: Result<T, Invalid>) -> Vec<String> {
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
        let cursor = Cursor { product: "Office16".to_owned(), remaining: 3, id: 7 };
        assert_eq!(fields(Position::new(Some(2), None, Some(&cursor.encode()))), ["page"]);
        let unstorable =
            ["a\0b".to_owned(), "x".repeat(256)].map(|product| Cursor { product, ..cursor.clone() });
        let encoded = unstorable.each_ref().map(Cursor::encode);
        for rubbish in ["", "%%%", "MTox", "////", "AAECAw", &encoded[0], &encoded[1]] {
            assert_eq!(fields(Position::new(None, None, Some(rubbish))), ["cursor"], "{rubbish}");
        }
    }

    #[test]
    fn every_wrong_part_of_a_position_is_named() {
        assert_eq!(fields(Position::new(Some(0), Some(0), None)), ["page", "per_page"]);
        assert_eq!(fields(Position::new(Some(2), Some(101), Some("x"))), ["page", "per_page", "cursor"]);
    }

    #[test]
    fn rubbish_is_no_product_cursor() {
        let unstorable = ["a\0b".to_owned(), "x".repeat(256)].map(|product| ProductCursor(product).encode());
        for rubbish in ["", "%%%", "////", "gICA", &unstorable[0], &unstorable[1]] {
            assert_eq!(fields(ProductPosition::new(None, None, Some(rubbish))), ["cursor"], "{rubbish}");
        }
        assert_eq!(
            fields(ProductPosition::new(Some(2), Some(1_001), Some(""))),
            ["page", "per_page", "cursor"]
        );
    }

    /// Whatever the column holds: up to 255 characters of any kind but NUL.
    fn stored_product() -> impl Strategy<Value = String> {
        let character = any::<char>().prop_map(|c| if c == '\0' { ' ' } else { c });
        let often = prop::sample::select(vec![' ', ':', '\n', '\t', 'a', 'Ö']);
        prop::collection::vec(prop_oneof![character, often], 0..=PRODUCT_MAX).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was(product in stored_product(), remaining: i32, id: i64) {
            let of_product = ProductCursor(product.clone());
            let cursor = Cursor { product, remaining, id };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
            prop_assert_eq!(ProductCursor::decode(&of_product.encode()), Ok(of_product));
        }
    }
}
