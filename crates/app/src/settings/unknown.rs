//! Variables that look like settings and are none: usually misspelt.

use super::{ROOMS, Settings};
use std::cell::RefCell;
use std::fmt;

/// Variables of other programs whose names begin like those of settings.
const OF_OTHERS: [&str; 2] = ["HTTP_PROXY", "PIDKEY_SANDBOX_LISTEN"];

/// A variable that nothing reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Name of the variable.
    pub name: String,
    /// Name of the setting that is spelt most alike.
    pub nearest: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nearest } = self;
        write!(f, "{name} is not a setting and has no effect; the nearest setting is {nearest}")
    }
}

/// Returns the variables of this process that begin like a setting and are none.
pub fn unknown_variables() -> Vec<Unknown> {
    unknown(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

/// Returns the variables among `names` that begin like a setting and are none.
pub(super) fn unknown(names: impl IntoIterator<Item = String>) -> Vec<Unknown> {
    let known = known_names();
    let is_unknown = |name: &String| {
        let upper = name.to_ascii_uppercase();
        begins_like_a_setting(&upper) && !known.contains(name) && !OF_OTHERS.contains(&upper.as_str())
    };
    let nearest = |name: &str| {
        let upper = name.to_ascii_uppercase();
        known
            .iter()
            .min_by_key(|known| strsim::damerau_levenshtein(known, &upper))
            .cloned()
            .unwrap_or_default()
    };
    let unknown = names.into_iter().filter(is_unknown);
    unknown.map(|name| Unknown { nearest: nearest(&name), name }).collect()
}

/// Returns every name that [`Settings::read`] asks an empty environment for: what is read is what is known.
pub(super) fn known_names() -> Vec<String> {
    let asked = RefCell::new(Vec::new());
    // Settings that have to be set are missing, which is of no interest here.
    let _ = Settings::read(&|name| {
        asked.borrow_mut().push(name.to_owned());
        None
    });
    asked.into_inner()
}

/// Other names of settings do not count: `MAX_OVERFLOW` does not make every variable with `MAX_` one of ours.
fn begins_like_a_setting(name: &str) -> bool {
    let mut settings = ROOMS.iter().flat_map(|(_, settings)| settings.iter());
    settings.any(|setting| {
        setting.name.split_inclusive('_').next().is_some_and(|prefix| name.starts_with(prefix))
    })
}
