//! Replacement of the record of NULL parameters in builds without it.

/// Log that does not exist in this build.
#[derive(Debug)]
pub(crate) enum BindLog {}

impl BindLog {
    /// Returns `None`.
    pub(crate) fn of_process() -> Option<Self> {
        None
    }

    /// Exists for the interface; no value of this type exists.
    pub(crate) fn sent(&mut self, _tag: u8, _body: &[u8]) {
        match *self {}
    }
}
