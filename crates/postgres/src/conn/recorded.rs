//! Recorded connections for programs that do not use [`Conn`](super::Conn).

use crate::capture::Recorder;
use crate::connect;
use crate::error::{ConnectError, UrlError};
use crate::target::{SessionSettings, Target};
use diesel_async::AsyncPgConnection;

impl Recorder {
    /// Opens a plain diesel-async connection to the database at `url` that this recorder records, with the default
    /// [`SessionSettings`].
    ///
    /// # Errors
    /// Returns [`ConnectError`] if the URL is invalid, or if the server cannot be reached or refuses the session.
    pub async fn connect(&self, url: &str) -> Result<AsyncPgConnection, ConnectError> {
        let session = SessionSettings { recorder: Some(self.clone()), ..SessionSettings::default() };
        let unusable =
            |UrlError(cause)| ConnectError::Unreachable { address: "database URL".to_owned(), cause };
        let target = Target::new(url, &session).map_err(unusable)?;
        Ok(connect::within_limit(&target, connect::open(&target)).await?.inner)
    }
}
