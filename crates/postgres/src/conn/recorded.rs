//! Connections of other programs, written down by a recorder.

use crate::capture::Recorder;
use crate::connect;
use crate::error::{ConnectError, UrlError};
use crate::target::{SessionSettings, Target};
use diesel_async::AsyncPgConnection;

impl Recorder {
    /// A plain diesel-async connection to the database at `url`, written down by this recorder: for programs that have
    /// connections of their own kind. Its session begins with the default [`SessionSettings`].
    ///
    /// # Errors
    /// [`ConnectError`] when the URL cannot be used, the server not be reached, or it refuses.
    pub async fn connect(&self, url: &str) -> Result<AsyncPgConnection, ConnectError> {
        let session = SessionSettings { recorder: Some(self.clone()), ..SessionSettings::default() };
        let unusable =
            |UrlError(cause)| ConnectError::Unreachable { address: "database URL".to_owned(), cause };
        let target = Target::new(url, &session).map_err(unusable)?;
        Ok(connect::within_limit(&target, connect::open(&target)).await?.inner)
    }
}
