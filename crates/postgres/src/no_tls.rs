//! Replacement of the TLS module in builds without the feature `tls`. Sessions are plain, and URLs that require TLS are
//! rejected.

use crate::error::UrlError;
use crate::parameters::Parameters;
use crate::ssl_mode::SslMode;
use crate::stream::Dialled;
use std::io;
use tokio::net::TcpStream;

/// TLS configuration, which does not exist in this build.
#[derive(Debug)]
pub(crate) enum Tls {}

impl Tls {
    /// Takes `sslmode`; returns `None`.
    ///
    /// # Errors
    /// Returns [`UrlError`] if the mode requires TLS.
    pub(crate) fn read(parameters: &mut Parameters<'_>) -> Result<Option<Self>, UrlError> {
        match parameters.take_word("sslmode", &SslMode::WORDS)? {
            Some(mode) if mode.demands_tls() => Err(UrlError(format!(
                "sslmode={} needs TLS, which this build does not support: enable the feature `tls`",
                mode.word()
            ))),
            _ => Ok(None),
        }
    }

    /// Exists for the interface; no value of this type exists.
    pub(crate) async fn secure(&self, _: TcpStream, _: &str) -> io::Result<Dialled> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(), UrlError> {
        let mut parameters = Parameters::read(url, &|_| None)?;
        parameters.take("host");
        Tls::read(&mut parameters)?;
        parameters.finish()
    }

    #[test]
    fn rejected_tls_parameters_name_missing_feature() {
        read("postgres://h?sslmode=prefer").expect("a plain session is allowed");
        for (query, name) in [("sslmode=verify-ca", "sslmode"), ("sslrootcert=/ca", "sslrootcert")] {
            let error = read(&format!("postgres://h?{query}")).expect_err(query).to_string();
            assert!(error.contains(name) && error.contains("feature `tls`"), "{error}");
        }
    }
}
