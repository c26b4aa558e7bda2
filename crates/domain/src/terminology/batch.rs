//! Many codes in one request: what is wrong with one of them does not spoil the others.

use crate::Invalid;
use crate::terminology::IcdCode;
use std::ops::RangeInclusive;

/// Codes that one request may ask for.
const COUNT: RangeInclusive<usize> = 1..=100;

/// The codes that a request asks for, in its order: each as it was written, and what it was read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch(Vec<(String, Result<IcdCode, Invalid>)>);

impl Batch {
    /// The codes from their wire form. A text that is no code stays, with what is wrong with it; one that is given twice
    /// stands once.
    ///
    /// # Errors
    /// [`Invalid`] naming `codes` when there are none or more than 100.
    pub fn new(texts: Vec<String>) -> Result<Self, Invalid> {
        if !COUNT.contains(&texts.len()) {
            let message =
                format!("must have {} to {} codes, has {}", COUNT.start(), COUNT.end(), texts.len());
            return Err(Invalid::field("codes", message));
        }
        let mut codes: Vec<(String, Result<IcdCode, Invalid>)> = Vec::with_capacity(texts.len());
        for text in texts {
            // At most 100: looking through them is as quick as a set.
            if codes.iter().all(|(known, _)| *known != text) {
                let code = IcdCode::parse("codes", &text);
                codes.push((text, code));
            }
        }
        Ok(Self(codes))
    }

    /// The codes that can be looked for, each once.
    pub fn wanted(&self) -> Vec<IcdCode> {
        let mut wanted: Vec<IcdCode> = self.0.iter().filter_map(|(_, code)| code.clone().ok()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// Each text that was given, with its code or what is wrong with it.
    pub fn into_entries(self) -> Vec<(String, Result<IcdCode, Invalid>)> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(texts: &[&str]) -> Result<Batch, Invalid> {
        Batch::new(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn no_code_and_more_than_a_hundred_are_refused_by_name() {
        for count in [0, 101] {
            let invalid = batch(&vec!["E11"; count]).expect_err("refused");
            assert_eq!(invalid.fields()[0].field, "codes");
        }
        assert!(batch(&["E11"; 100]).is_ok());
    }

    #[test]
    fn one_bad_code_stays_beside_the_good_ones() {
        let batch = batch(&["E11.6", "?", "e116", "E11.6"]).expect("a batch");
        assert_eq!(batch.wanted().iter().map(IcdCode::as_str).collect::<Vec<_>>(), ["E116"]);
        let entries = batch.into_entries();
        let good: Vec<(&str, bool)> = entries.iter().map(|(text, code)| (&**text, code.is_ok())).collect();
        assert_eq!(good, [("E11.6", true), ("?", false), ("e116", true)]);
    }
}
