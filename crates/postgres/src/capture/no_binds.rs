//! Stands in for the record of NULL parameters where it is not compiled in.

/// A log that no session has.
#[derive(Debug)]
pub(crate) enum BindLog {}

impl BindLog {
    /// Returns no log.
    pub(crate) fn of_process() -> Option<Self> {
        None
    }

    /// Is never called.
    pub(crate) fn sent(&mut self, _tag: u8, _body: &[u8]) {
        match *self {}
    }
}
