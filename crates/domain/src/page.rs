//! Pages of a list: numbered up to item 10,000, by cursor beyond; and totals that say whether they are exact.

use crate::Invalid;

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
    /// [`Invalid`] naming `page` or `per_page`, also when the page lies beyond [`REACH`].
    pub fn new(number: Option<u64>, per_page: Option<u64>, limits: PageLimits) -> Result<Self, Invalid> {
        let per_page = per_page.unwrap_or(limits.default.into());
        if per_page == 0 || per_page > u64::from(limits.max) {
            return Err(Invalid::field("per_page", format!("must be from 1 to {}", limits.max)));
        }
        let number = number.unwrap_or(1);
        if number == 0 {
            return Err(Invalid::field("page", "starts at 1"));
        }
        match number.checked_mul(per_page) {
            Some(last) if last <= u64::from(REACH) || number == 1 => {
                Ok(Self { number: number as u32, per_page: per_page as u32 })
            }
            _ => Err(Invalid::field(
                "page",
                format!(
                    "numbered pages end at item {REACH}; follow pagination.next_cursor with `cursor` instead"
                ),
            )),
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
        Page::new(Some(number), Some(per_page), LIMITS).expect_err("refused").fields()[0].field.clone()
    }

    #[test]
    fn what_is_left_out_is_the_first_page_of_the_default_size() {
        let page = Page::new(None, None, LIMITS).expect("defaults");
        assert_eq!((page.number(), page.per_page(), page.offset()), (1, 50, 0));
    }

    #[test]
    fn the_refusal_names_the_field() {
        assert_eq!(refused(0, 50), "page");
        assert_eq!(refused(1, 0), "per_page");
        assert_eq!(refused(1, 101), "per_page");
        assert_eq!(refused(101, 100), "page");
        assert_eq!(refused(1 << 63, 100), "page");
    }

    #[test]
    fn a_count_beyond_the_reach_is_not_exact() {
        assert_eq!(Total::from_bounded_count(10_000), Total { items: 10_000, exact: true });
        assert_eq!(Total::from_bounded_count(10_001), Total { items: 10_000, exact: false });
    }

    proptest! {
        #[test]
        fn an_accepted_page_ends_within_reach(number: u64, per_page: u64) {
            if let Ok(page) = Page::new(Some(number), Some(per_page), LIMITS) {
                prop_assert!(page.offset() + page.per_page() <= REACH);
                prop_assert_eq!(page.offset(), (page.number() - 1) * page.per_page());
            }
        }
    }
}
