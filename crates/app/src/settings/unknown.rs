//! Unknown environment variables with the prefix of a setting, which are usually misspelt.

use super::{SECTIONS, Settings};
use std::cell::RefCell;
use std::fmt;

/// Variables of other programs with the prefix of a setting.
const OF_OTHERS: [&str; 3] = ["HTTP_PROXY", "PIDKEY_SANDBOX_LISTEN", "SESSION_MANAGER"];

/// Variable that is not a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Name of the variable.
    pub name: String,
    /// Name of the setting with the most similar spelling.
    pub nearest: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nearest } = self;
        write!(f, "{name} is not a setting and has no effect; the nearest setting is {nearest}")
    }
}

/// Returns the variables of this process that have the prefix of a setting but are unknown.
pub fn unknown_variables() -> Vec<Unknown> {
    unknown(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

/// Returns the variables among `names` that have the prefix of a setting but are unknown.
pub(super) fn unknown(names: impl IntoIterator<Item = String>) -> Vec<Unknown> {
    let known = known_names();
    let is_unknown = |name: &String| {
        let upper = name.to_ascii_uppercase();
        has_prefix_of_setting(&upper) && !known.contains(name) && !OF_OTHERS.contains(&upper.as_str())
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

/// Returns every name that [`Settings::read`] looks up in an empty environment.
pub(super) fn known_names() -> Vec<String> {
    let names = RefCell::new(Vec::new());
    // Fails because required settings are missing, which does not matter here.
    let _ = Settings::read(&|name| {
        names.borrow_mut().push(name.to_owned());
        None
    });
    names.into_inner()
}

/// Returns true if `name` has the prefix of a setting. Aliases do not count: because of `MAX_OVERFLOW`, every variable
/// with `MAX_` would be a setting.
fn has_prefix_of_setting(name: &str) -> bool {
    let mut settings = SECTIONS.iter().flat_map(|(_, settings)| settings.iter());
    settings.any(|setting| {
        setting.name.split_inclusive('_').next().is_some_and(|prefix| name.starts_with(prefix))
    })
}
