//! Pages of a list: numbered up to item 10,000, by cursor beyond; and totals that say whether they are exact.

use crate::{Checks, Invalid};

/// The last item that a numbered page can show; totals count no further either.
/// A numbered page costs all pages before it, so depth is bounded and a cursor goes on.
pub const REACH: u32 = 10_000;

/// How many items a page of one list may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Items when the caller does not say.
    pub default: u32,
    /// The most that the caller may ask for.
    pub max: u32,
}

/// A page by number. Its last item lies within [`REACH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    number: u32,
    per_page: u32,
}

impl Page {
    /// The page `number` (from 1; 1 when absent) of `per_page` items (the list's default when absent).
    ///
    /// # Errors
    /// [`Invalid`] naming `page`, `per_page` or both, also when the page lies beyond [`REACH`].
    pub fn new(number: Option<u64>, per_page: Option<u64>, limits: PageLimits) -> Result<Self, Invalid> {
        let mut checks = Checks::default();
        let number = checks.keep(checked_number(number.unwrap_or(1)));
        let per_page = checks.keep(checked_size(per_page.unwrap_or(limits.default.into()), limits));
        let (Some(number), Some(per_page)) = (number, per_page) else { return Err(checks.refused()) };
        match number.checked_mul(per_page) {
            Some(last) if last <= REACH || number == 1 => Ok(Self { number, per_page }),
            _ => Err(beyond_reach()),
        }
    }

    /// Its number, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Items on a full page.
    pub fn per_page(self) -> u32 {
        self.per_page
    }

    /// Items before the page's first one.
    pub fn offset(self) -> u32 {
        (self.number - 1) * self.per_page
    }
}

/// Where in a list a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position<C> {
    /// By number.
    Page(Page),
    /// After the item that the cursor names, with this many items on a page. Costs the same at any depth.
    After(C, u32),
}

impl<C> Position<C> {
    /// Reads a position from its wire form. A cursor takes precedence over a page number of 1 or none; `decode` reads it.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming each wrong one of `page`, `per_page` and `cursor`.
    pub fn parse(
        page: Option<u64>,
        per_page: Option<u64>,
        cursor: Option<&str>,
        limits: PageLimits,
        decode: impl FnOnce(&str) -> Result<C, Invalid>,
    ) -> Result<Self, Invalid> {
        let Some(cursor) = cursor else {
            return Page::new(page, per_page, limits).map(Self::Page);
        };
        let mut checks = Checks::default();
        let alone = checks.keep(match page {
            None | Some(1) => Ok(()),
            Some(_) => Err(Invalid::field("page", "must be left out beside `cursor`")),
        });
        let size = checks.keep(Page::new(None, per_page, limits));
        let cursor = checks.keep(decode(cursor));
        match (alone, size, cursor) {
            (Some(()), Some(size), Some(cursor)) => Ok(Self::After(cursor, size.per_page())),
            _ => Err(checks.refused()),
        }
    }

    /// Returns the number of the page; `None` if it is reached by a cursor.
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Page(page) => Some(page.number()),
            Self::After(..) => None,
        }
    }

    /// Returns the number of items on a full page.
    pub fn per_page(&self) -> u32 {
        match self {
            Self::Page(page) => page.per_page(),
            Self::After(_, per_page) => *per_page,
        }
    }
}

/// What no page size can bring within reach is refused here, so that a bad size does not hide it.
fn checked_number(number: u64) -> Result<u32, Invalid> {
    match u32::try_from(number) {
        Ok(0) => Err(Invalid::field("page", "starts at 1")),
        Ok(number) if number <= REACH => Ok(number),
        _ => Err(beyond_reach()),
    }
}

fn checked_size(per_page: u64, limits: PageLimits) -> Result<u32, Invalid> {
    let fits = u32::try_from(per_page).ok().filter(|per_page| (1..=limits.max).contains(per_page));
    fits.ok_or_else(|| Invalid::field("per_page", format!("must be from 1 to {}", limits.max)))
}

fn beyond_reach() -> Invalid {
    let message =
        format!("numbered pages end at item {REACH}; follow pagination.next_cursor with `cursor` instead");
    Invalid::field("page", message)
}

/// How many items a list has in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The number of items, at most [`REACH`].
    pub items: u32,
    /// Whether that is the whole truth, or only "at least so many".
    pub exact: bool,
}

impl Total {
    /// The total from a count that stopped at one more than [`REACH`].
    pub fn from_bounded_count(count: i64) -> Self {
        let exact = count <= i64::from(REACH);
        Self { items: count.clamp(0, REACH.into()) as u32, exact }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: PageLimits = PageLimits { default: 50, max: 100 };

    fn refused(number: u64, per_page: u64) -> String {
        let invalid = Page::new(Some(number), Some(per_page), LIMITS).expect_err("refused");
        invalid.fields().iter().map(|wrong| wrong.field.as_str()).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_is_left_out_is_the_first_page_of_the_default_size() {
        let page = Page::new(None, None, LIMITS).expect("defaults");
        assert_eq!((page.number(), page.per_page(), page.offset()), (1, 50, 0));
    }

    #[test]
    fn the_refusal_names_each_wrong_field() {
        assert_eq!(refused(0, 50), "page");
        assert_eq!(refused(1, 0), "per_page");
        assert_eq!(refused(1, 101), "per_page");
        assert_eq!(refused(101, 100), "page");
        assert_eq!(refused(1 << 63, 100), "page");
        assert_eq!(refused(0, 0), "page, per_page");
        assert_eq!(refused(u64::MAX, 101), "page, per_page");
    }

    #[test]
    fn a_count_beyond_the_reach_is_not_exact() {
        assert_eq!(Total::from_bounded_count(10_000), Total { items: 10_000, exact: true });
        assert_eq!(Total::from_bounded_count(10_001), Total { items: 10_000, exact: false });
    }

    proptest! {
        #[test]
        fn a_page_is_accepted_when_it_ends_within_reach(number in 1_u64..=300, per_page in 1_u64..=120) {
            match Page::new(Some(number), Some(per_page), LIMITS) {
                Ok(page) => {
                    prop_assert!(per_page <= 100 && number * per_page <= u64::from(REACH));
                    prop_assert_eq!(u64::from(page.offset()), (number - 1) * per_page);
                    prop_assert_eq!(u64::from(page.per_page()), per_page);
                }
                Err(_) => prop_assert!(per_page > 100 || number * per_page > u64::from(REACH)),
            }
        }

        #[test]
        fn no_number_is_too_large_to_be_refused(number: u64, per_page: u64) {
            // What is accepted out of all numbers is too little to assert on; a panic would fail.
            let _ = Page::new(Some(number), Some(per_page), LIMITS).map(Page::offset);
        }
    }
}
