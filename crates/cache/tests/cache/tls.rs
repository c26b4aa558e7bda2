//! Tests of Redis over TLS with a private certificate authority. Trusted authorities are a setting of the whole
//! process, so the caches run in a child process: this program, which executes the same test with another branch.

use crate::support::{
    Source, TEST_TIMEOUT, key, patient_cache, redis_command, wait_until_connected, wait_until_written,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use steadfast_cache::{Cache, CacheSettings, RedisAddress, RedisSettings, Status, Tier};
use steadfast_resilience::BreakerState;
use steadfast_testkit::RedisServer;

/// Environment variable with the URL of Redis for the child process.
const URL: &str = "STEADFAST_CACHE_TEST_URL";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Creates an authority. All have the same name, so that only their signatures distinguish them.
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "Vault");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Returns a certificate for `host` and its key.
    fn certify(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("a host");
        (params.signed_by(&key, &self.0).expect("signed").pem(), key.serialize_pem())
    }
}

/// A server with a certificate for `localhost` and a port that accepts only TLS. The test inspects it through another
/// port.
struct Vault {
    server: RedisServer,
    folder: PathBuf,
    port: u16,
}

impl Vault {
    fn open() -> Self {
        let server = RedisServer::private().expect("Redis");
        let folder = redis_command(&server, &["CONFIG", "GET", "dir"]).pop().expect("a folder").into();
        let mut vault = Self { server, folder, port: 0 };
        let authority = Authority::new();
        let (certificate, key) = authority.certify("localhost");
        for (name, text) in [
            ("trusted.pem", authority.0.pem()),
            ("another.pem", Authority::new().0.pem()),
            ("server.pem", certificate),
            ("key.pem", key),
        ] {
            std::fs::write(vault.file(name), text).expect("written");
        }
        vault.set("tls-auth-clients", "no");
        vault.set("tls-cert-file", vault.file("server.pem").to_str().expect("UTF-8"));
        vault.set("tls-key-file", vault.file("key.pem").to_str().expect("UTF-8"));
        let free = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
        vault.set("tls-port", &free.port().to_string());
        vault.port = free.port();
        vault
    }

    fn set(&self, name: &str, value: &str) {
        let response = redis_command(&self.server, &["CONFIG", "SET", name, value]);
        assert!(response.is_empty(), "the server has no {name}: {response:?}");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Waits for failed handshakes in the server's log, and returns these lines.
    async fn refusals(&self) -> Vec<String> {
        let waiting = async {
            loop {
                let log = std::fs::read_to_string(self.file("redis.log")).expect("a log");
                let lines = log.lines().filter(|line| line.contains("Error accepting a client connection"));
                let lines: Vec<String> = lines.map(str::to_owned).collect();
                if !lines.is_empty() {
                    return lines;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, waiting).await.expect("a handshake failed")
    }

    fn url(&self, host: &str) -> String {
        format!("rediss://{host}:{}", self.port)
    }
}

/// Runs `test` in a child process that trusts only the authorities in the file, and asserts that it succeeds.
fn in_child_process(test: &str, url: &str, authorities: &Path) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]).env(URL, url);
    let child =
        command.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR").output().expect("it runs");
    assert!(child.status.success(), "{url}: {}", String::from_utf8_lossy(&child.stderr));
}

#[tokio::test]
async fn caches_share_values_over_tls() {
    if let Ok(url) = std::env::var(URL) {
        return assert_shared(&url).await;
    }
    let vault = Vault::open();
    let (test, url) = ("tls::caches_share_values_over_tls", vault.url("localhost"));
    in_child_process(test, &url, &vault.file("trusted.pem"));
    wait_until_written(&vault.server).await;
    // The port accepts only TLS.
    assert_all_are_misses(&format!("redis://127.0.0.1:{}", vault.port)).await;
}

async fn assert_shared(url: &str) {
    let (one, other, source) = (patient_cache(url), by_parts(url), Source::default());
    wait_until_connected(&one).await;
    wait_until_connected(&other).await;
    let hit = async {
        for number in 0.. {
            let key = key(&format!("{number}"));
            assert_eq!(source.get(&one, &key, 7).await.status, Status::Miss);
            tokio::time::sleep(Duration::from_millis(5)).await;
            let found = source.get(&other, &key, 8).await;
            if found.status == Status::Hit(Tier::Redis) {
                return assert_eq!(*found.value, 7);
            }
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, hit).await.expect("one finds the value of the other");
}

/// Returns a cache for the same server, whose address is given in parts.
fn by_parts(url: &str) -> Cache {
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let (host, password) = (String::from("localhost"), String::new().into());
    let address = RedisAddress::Parts { host, port, db: 0, password, tls: true };
    let redis = RedisSettings { timeout: TEST_TIMEOUT, ..RedisSettings::new(address) };
    Cache::new(CacheSettings { redis: Some(redis), ..CacheSettings::default() }).expect("settings")
}

#[tokio::test]
async fn untrusted_server_is_miss_and_receives_no_commands() {
    if let Ok(url) = std::env::var(URL) {
        assert_all_are_misses(&url).await;
        return assert_all_are_misses(&format!("{url}/#insecure")).await;
    }
    let test = "tls::untrusted_server_is_miss_and_receives_no_commands";
    for (host, authorities) in [("localhost", "another.pem"), ("127.0.0.1", "trusted.pem")] {
        let vault = Vault::open();
        in_child_process(test, &vault.url(host), &vault.file(authorities));
        let refusals = vault.refusals().await;
        assert!(refusals.iter().all(|line| line.contains(" alert ")), "the client refused: {refusals:?}");
        let commands = redis_command(&vault.server, &["INFO", "commandstats"]).join(" ");
        assert!(commands.contains("cmdstat_config") && !commands.contains("cmdstat_set:"), "{commands}");
    }
}

/// Asserts that all requests are misses and that the breaker opens.
async fn assert_all_are_misses(url: &str) {
    let (cache, source) = (patient_cache(url), Source::default());
    for number in 0..10 {
        assert_eq!(
            source.get(&cache, &key(&format!("{number}")), number).await.status,
            Status::Miss,
            "{url}"
        );
    }
    let redis = cache.health().redis.expect("Redis is set");
    assert_eq!((redis.connected, redis.breaker.state), (false, BreakerState::Open), "{url}");
}
