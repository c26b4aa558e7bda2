//! Stands for TLS in a build without the feature `tls`: sessions are plain, and a URL that asks for more is refused.

use crate::SessionSettings;
use crate::error::UrlError;
use crate::stream::Dialled;
use std::io;
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;

/// There is none.
#[derive(Debug)]
pub(crate) enum Tls {}

impl Tls {
    /// `None`, unless the URL insists.
    pub(crate) fn wanted(mode: SslMode, _: &SessionSettings, _: &str) -> Result<Option<Self>, UrlError> {
        match mode {
            SslMode::Disable | SslMode::Prefer => Ok(None),
            _ => Err(UrlError(
                "sslmode=require needs TLS, which this build has not: turn on the feature `tls`".to_owned(),
            )),
        }
    }

    /// Never called.
    pub(crate) async fn secure(&self, _: TcpStream) -> io::Result<Dialled> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_insists_on_tls_is_told_where_to_turn_it_on() {
        let wanted = |mode| Tls::wanted(mode, &SessionSettings::default(), "h");
        assert!(wanted(SslMode::Prefer).expect("plain will do").is_none());
        let error = wanted(SslMode::Require).expect_err("there is none").to_string();
        assert!(error.contains("turn on the feature `tls`"), "{error}");
    }
}
