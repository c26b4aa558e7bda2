//! What can be chosen, and why a choice was refused.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use steadfast_resilience::BreakerConfig;

/// How long and how much is kept, and where.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// The tier that nodes share; without one, the tier in the process serves alone.
    pub redis: Option<RedisSettings>,
    /// How long an answer counts as fresh, give or take a tenth. 3,600 s.
    pub ttl: Duration,
    /// The same for "there is nothing", which is sooner wrong. 60 s.
    pub negative_ttl: Duration,
    /// How long after that the process keeps it for the time when it cannot be loaded. 24 h.
    pub stale_for: Duration,
    /// Places in the tier of the process. An entry takes one for each 16 KiB begun, so this bounds memory too. 1,000.
    pub max_entries: u32,
    /// The longest value that is kept, as JSON, in bytes. 256 KiB.
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

/// The Redis server and how it is treated.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Where it is.
    pub address: RedisAddress,
    /// Begins every key, so that several services can share a server.
    pub prefix: String,
    /// The longest that a caller waits for it. 50 ms.
    pub patience: Duration,
    /// When it is not asked for a while. Five failures in a row, 60 s; sooner when it can be reached again.
    pub breaker: BreakerConfig,
}

impl RedisSettings {
    /// The server at `address`, with the defaults of each field.
    pub fn new(address: RedisAddress) -> Self {
        Self {
            address,
            prefix: String::from("steadfast"),
            patience: Duration::from_millis(50),
            breaker: BreakerConfig::consecutive(5, Duration::from_secs(60)),
        }
    }

    /// The server at `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS, with the defaults.
    pub fn at(url: &str) -> Self {
        Self::new(RedisAddress::Url(url.into()))
    }
}

/// Where a Redis server is. Its `Debug` shows no password.
#[derive(Clone, Debug)]
pub enum RedisAddress {
    /// `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS as of [`Parts::tls`](Self::Parts::tls),
    /// `unix:///path` for a socket.
    Url(SecretString),
    /// Part by part.
    Parts {
        /// The host's name or address.
        host: String,
        /// The port, usually 6379.
        port: u16,
        /// The number of the database.
        db: u32,
        /// The password; empty for none.
        password: SecretString,
        /// Whether the connection is encrypted and the server's certificate checked, by the authorities that the operating
        /// system believes, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`. Needs the feature `tls`.
        tls: bool,
    },
}

impl RedisAddress {
    /// What the client library connects to.
    pub(crate) fn client(&self) -> Result<redis::Client, Error> {
        if self.wants_tls() {
            prepare_tls()?;
        }
        let info = match self {
            Self::Url(url) => url.expose_secret().into_connection_info(),
            Self::Parts { host, port, db, password, tls } => parts(host, *port, *db, password, *tls),
        };
        // The library's own words could repeat the address, and with it the password.
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

/// The library asks rustls for the cryptography of the process, and panics where nobody chose one and there is not just one
/// to choose. What the program chose before stays.
#[cfg(feature = "tls")]
fn prepare_tls() -> Result<(), Error> {
    // Its error says that one was chosen.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(())
}

/// The library would refuse the address without a reason.
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

/// Settings that cannot be used. Once it runs the cache has no errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no address of a Redis server.
    #[error("not an address of Redis; write redis://[user:password@]host[:port][/db], or rediss:// for TLS")]
    Address,
    /// TLS is asked for and not built in.
    #[error("this program was built without TLS to Redis; build it with the feature `tls`, or use redis://")]
    NoTls,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_wrong_ones_refused_without_repeating_them() {
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
    fn a_password_is_never_shown() {
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
    fn tls_is_there_only_where_it_was_built_in() {
        let client = RedisSettings::at("rediss://redis").address.client();
        assert_eq!(client.err(), (!cfg!(feature = "tls")).then_some(Error::NoTls));
        #[cfg(feature = "tls")]
        assert!(rustls::crypto::CryptoProvider::get_default().is_some(), "else connecting panics");
    }
}
