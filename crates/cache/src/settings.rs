//! Settings of the cache and their validation.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use steadfast_resilience::BreakerConfig;

/// Settings of a cache.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// Redis tier, shared by all nodes. Defaults to none: the cache then has only the in-process tier.
    pub redis: Option<RedisSettings>,
    /// Time for which a value is fresh, with a jitter of 10 %. Defaults to 3,600 s.
    pub ttl: Duration,
    /// TTL of [`Loaded::Nothing`](crate::Loaded::Nothing). Defaults to 60 s.
    pub negative_ttl: Duration,
    /// Time for which the process retains an expired value, to serve it if the load fails. Defaults to 24 h.
    pub stale_for: Duration,
    /// Capacity of the in-process tier, in units of 16 KiB. An entry takes at least one unit. Defaults to 1,000.
    pub max_entries: u32,
    /// Maximum size of a cached value as JSON, in bytes. Defaults to 256 KiB.
    pub value_max: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            redis: None,
            ttl: Duration::from_secs(3600),
            negative_ttl: Duration::from_secs(60),
            stale_for: Duration::from_secs(24 * 3600),
            max_entries: 1000,
            value_max: 256 * 1024,
        }
    }
}

/// Settings of the Redis tier.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Address of the server.
    pub address: RedisAddress,
    /// Prefix of all keys, so that several services can share a server. Defaults to `steadfast`.
    pub prefix: String,
    /// Maximum time that a caller waits for Redis. Defaults to 50 ms.
    pub timeout: Duration,
    /// Circuit breaker settings. Defaults to opening for 60 s after 5 consecutive failures. A background task closes
    /// the breaker as soon as Redis responds.
    pub breaker: BreakerConfig,
}

impl RedisSettings {
    /// Returns the default settings for the server at `address`.
    pub fn new(address: RedisAddress) -> Self {
        Self {
            address,
            prefix: String::from("steadfast"),
            timeout: Duration::from_millis(50),
            breaker: BreakerConfig::consecutive(5, Duration::from_secs(60)),
        }
    }

    /// Returns the default settings for the server at `redis://[user:password@]host[:port][/db]`, or `rediss://` for
    /// TLS.
    pub fn at(url: &str) -> Self {
        Self::new(RedisAddress::Url(url.into()))
    }
}

/// Address of a Redis server. `Debug` does not show the password.
#[derive(Clone, Debug)]
pub enum RedisAddress {
    /// URL: `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS as in [`Parts::tls`](Self::Parts::tls), or
    /// `unix:///path` for a socket.
    Url(SecretString),
    /// Individual parts.
    Parts {
        /// Name or address of the host.
        host: String,
        /// Port, usually 6379.
        port: u16,
        /// Number of the database.
        db: u32,
        /// Password; empty for none.
        password: SecretString,
        /// True to encrypt the connection and verify the server's certificate, against the certificate authorities of
        /// the operating system or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`. Requires the feature `tls`.
        tls: bool,
    },
}

impl RedisAddress {
    /// Creates the client of the `redis` crate.
    pub(crate) fn client(&self) -> Result<redis::Client, Error> {
        if self.wants_tls() {
            prepare_tls()?;
        }
        let info = match self {
            Self::Url(url) => url.expose_secret().into_connection_info(),
            Self::Parts { host, port, db, password, tls } => parts(host, *port, *db, password, *tls),
        };
        // The error of the `redis` crate could contain the address and thus the password.
        let info = info.map_err(|_| Error::Address)?;
        let redis = info.redis_settings().clone().set_skip_set_lib_name();
        redis::Client::open(info.set_redis_settings(redis)).map_err(|_| Error::Address)
    }

    fn wants_tls(&self) -> bool {
        match self {
            Self::Url(url) => {
                ["rediss:", "valkeys:"].iter().any(|scheme| url.expose_secret().starts_with(scheme))
            }
            Self::Parts { tls, .. } => *tls,
        }
    }
}

/// Installs a default cryptography provider for rustls, without which the `redis` crate may panic. A provider that the
/// program has installed before is retained.
#[cfg(feature = "tls")]
fn prepare_tls() -> Result<(), Error> {
    // Fails if a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(())
}

/// Returns an error with the reason, which the error of the `redis` crate lacks.
#[cfg(not(feature = "tls"))]
fn prepare_tls() -> Result<(), Error> {
    Err(Error::NoTls)
}

fn parts(
    host: &str,
    port: u16,
    db: u32,
    password: &SecretString,
    tls: bool,
) -> redis::RedisResult<ConnectionInfo> {
    let host = host.to_owned();
    let address = match tls {
        true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host, port),
    };
    let mut redis = RedisConnectionInfo::default().set_db(i64::from(db));
    if !password.expose_secret().is_empty() {
        redis = redis.set_password(password.expose_secret());
    }
    Ok(address.into_connection_info()?.set_redis_settings(redis))
}

/// Rejection of the settings. A running cache has no errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is invalid.
    #[error("invalid Redis address; write redis://[user:password@]host[:port][/db], or rediss:// for TLS")]
    Address,
    /// The address requires TLS, but the feature `tls` is disabled.
    #[error("this program was built without TLS for Redis; enable the feature `tls`, or use redis://")]
    NoTls,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_invalid_addresses_without_repeating_them() {
        for good in ["redis://localhost", "redis://user:pass@host:7000/3", "unix:///tmp/redis.sock"] {
            assert!(RedisSettings::at(good).address.client().is_ok(), "{good}");
        }
        for wrong in ["", "localhost:6379", "http://S3CRET@host", "redis://host:S3CRET"] {
            let error = RedisSettings::at(wrong).address.client().unwrap_err();
            assert_eq!(error, Error::Address, "{wrong}");
            assert!(!error.to_string().contains("S3CRET"));
        }
    }

    #[test]
    fn debug_hides_passwords() {
        let (host, password) = (String::from("redis"), SecretString::from("S3CRET"));
        let parts = RedisAddress::Parts { host, port: 6379, db: 2, password, tls: false };
        let client = parts.client().unwrap();
        let redis = client.get_connection_info().redis_settings();
        assert_eq!((redis.db(), redis.password()), (2, Some("S3CRET")));
        for address in [parts, RedisAddress::Url("redis://:S3CRET@redis".into())] {
            assert!(!format!("{:?}", RedisSettings::new(address)).contains("S3CRET"));
        }
    }

    #[test]
    fn tls_requires_feature() {
        let client = RedisSettings::at("rediss://redis").address.client();
        assert_eq!(client.err(), (!cfg!(feature = "tls")).then_some(Error::NoTls));
        #[cfg(feature = "tls")]
        assert!(rustls::crypto::CryptoProvider::get_default().is_some(), "otherwise connecting panics");
    }
}
