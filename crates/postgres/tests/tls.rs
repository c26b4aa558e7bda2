//! Sessions over TLS on a server with a private certificate authority.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use steadfast_postgres::diesel::sql_types::Bool;
use steadfast_postgres::diesel::{QueryResult, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_postgres::{
    Conn, Db, DbSettings, Error, Operation, PoolSettings, Read, TlsRoots, UrlError, Write,
};
use steadfast_testkit::{Server, TestDatabase};

const ASK: Operation<Read> = Operation::read("vault.ask");
const STORE: Operation<Write> = Operation::write("vault.store").statements(2);

/// A server that is certified for "localhost" and accepts TLS and plain sessions.
struct Vault {
    server: Server,
    authority: String,
    looker: Client,
}

impl Vault {
    async fn open() -> Result<Self> {
        let server = Server::private()?;
        let authority = Authority::named("Vault")?;
        let (certificate, key) = authority.certify("localhost")?;
        let looker = client(&server).await?;
        looker.batch_execute("ALTER SYSTEM SET ssl = on").await?;
        looker.batch_execute("CREATE ROLE guest LOGIN PASSWORD 's3cret'").await?;
        server.write_data_file("server.crt", &certificate)?;
        server.write_data_file("server.key", &key)?;
        let rules = std::fs::read_to_string(server.data_folder().join("pg_hba.conf"))?;
        let (user_certificate, user_key) = authority.certify_user("holder")?;
        looker.batch_execute("ALTER SYSTEM SET ssl_ca_file = 'ca.crt'").await?;
        looker.batch_execute("CREATE ROLE holder LOGIN").await?;
        server.write_data_file("ca.crt", &authority.pem())?;
        server.write_data_file("holder.crt", &user_certificate)?;
        server.write_data_file("holder.key", &user_key)?;
        let logins = "host all guest all scram-sha-256\nhostssl all holder all cert\n";
        server.write_data_file("pg_hba.conf", &format!("{logins}{rules}"))?;
        server.restart()?;
        let looker = client(&server).await?;
        Ok(Self { server, authority: authority.pem(), looker })
    }

    fn url(&self, login: &str, query: &str) -> String {
        format!("postgres://{login}@localhost:{}/postgres?{query}", self.server.port())
    }

    fn db(&self, login: &str, query: &str, roots: TlsRoots) -> Result<Db, UrlError> {
        Db::new(&self.url(login, query), settings(roots))
    }

    /// Returns the path of a file in the server's folder.
    fn file(&self, name: &str) -> String {
        self.server.data_folder().join(name).display().to_string()
    }

    fn trusted(&self) -> TlsRoots {
        TlsRoots::Pem(self.authority.clone())
    }
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Creates an authority with this name. Authorities with the same name are indistinguishable until a signature is
    /// verified.
    fn named(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Returns a certificate for `host` and its key.
    fn certify(&self, host: &str) -> Result<(String, String)> {
        self.sign(CertificateParams::new([host.to_owned()])?)
    }

    /// Returns a certificate that logs in `user`, and its key.
    fn certify_user(&self, user: &str) -> Result<(String, String)> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, user);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.0)?.pem(), key.serialize_pem()))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

async fn client(server: &Server) -> Result<Client> {
    let (client, connection) = connect(&server.url("postgres"), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn settings(roots: TlsRoots) -> DbSettings {
    let mut pool = PoolSettings::sized(2, 0);
    pool.session.tls_roots = roots;
    DbSettings { pool, ..DbSettings::default() }
}

#[derive(QueryableByName)]
struct Encrypted {
    #[diesel(sql_type = Bool)]
    ssl: bool,
}

async fn is_encrypted(conn: &mut Conn) -> QueryResult<bool> {
    let session = sql_query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    Ok(session.get_result::<Encrypted>(conn).await?.ssl)
}

#[tokio::test(flavor = "multi_thread")]
async fn guard_works_over_tls() -> Result<()> {
    let vault = Vault::open().await?;
    let db = vault.db("postgres", "sslmode=verify-full", vault.trusted())?;
    assert!(db.read(&ASK, is_encrypted).await?);
    let counts = db.read(&ASK, async |conn| {
        let before = conn.wire_counts();
        is_encrypted(conn).await?;
        Ok(conn.wire_counts().executes - before.executes)
    });
    assert_eq!(counts.await?, 1);

    let gold = "INSERT INTO gold VALUES (1)";
    vault.looker.batch_execute("CREATE TABLE gold (id int4 PRIMARY KEY)").await?;
    db.write(&STORE, async |conn| sql_query(gold).execute(conn).await).await?;
    let again = db.write(&STORE, async |conn| sql_query(gold).execute(conn).await).await;
    let again = again.expect_err("a duplicate");
    assert_eq!((again.class(), again.key()), (Class::Duplicate, Some("gold_pkey")));
    let ignored = db.write(&STORE, async |conn| {
        _ = sql_query(gold).execute(conn).await;
        Ok(())
    });
    assert!(matches!(ignored.await, Err(Error::RolledBack { .. })));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_caller_stops_server_over_tls() -> Result<()> {
    let vault = Vault::open().await?;
    let db = vault.db("postgres", "sslmode=require", vault.trusted())?;
    let sleeping = db.read(&ASK, async |conn| sql_query("SELECT pg_sleep(30)").execute(conn).await);
    assert!(tokio::time::timeout(Duration::from_millis(300), sleeping).await.is_err(), "the caller leaves");
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' \
                AND pid <> pg_backend_pid()";
    for _ in 0..100 {
        if vault.looker.query_one(busy, &[]).await?.get::<_, i64>(0) == 0 {
            assert!(db.read(&ASK, is_encrypted).await?);
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("the server still runs the abandoned statement")
}

#[tokio::test]
async fn require_verifies_authority_and_host() -> Result<()> {
    let vault = Vault::open().await?;
    let stranger = || -> Result<TlsRoots> { Ok(TlsRoots::Pem(Authority::named("Stranger")?.pem())) };
    let refused = async |db: Db| db.read(&ASK, is_encrypted).await.expect_err("not trusted");

    let unknown = refused(vault.db("postgres", "sslmode=require", stranger()?)?).await;
    assert_eq!(unknown.class(), Class::Unavailable);
    assert!(unknown.to_string().contains("TLS: invalid peer certificate: UnknownIssuer"), "{unknown}");
    let named = refused(vault.db("postgres", "sslmode=prefer", stranger()?)?).await;
    assert!(named.to_string().contains("UnknownIssuer"), "naming an authority asks for it: {named}");
    let platform = refused(vault.db("postgres", "sslmode=require", TlsRoots::Platform)?).await;
    assert!(platform.to_string().contains("TLS: invalid peer certificate"), "{platform}");

    let by_address = vault.url("postgres", "sslmode=require").replace("localhost", "127.0.0.1");
    let elsewhere = refused(Db::new(&by_address, settings(vault.trusted()))?).await;
    assert!(elsewhere.to_string().contains("not valid for name"), "{elsewhere}");
    Ok(())
}

#[tokio::test]
async fn prefer_falls_back_to_plain() -> Result<()> {
    let vault = Vault::open().await?;
    let by_default = vault.db("postgres", "", TlsRoots::Platform)?;
    assert!(by_default.read(&ASK, is_encrypted).await?);
    let disabled = vault.db("postgres", "sslmode=disable", TlsRoots::Platform)?;
    assert!(!disabled.read(&ASK, is_encrypted).await?);

    let plain = TestDatabase::empty().await?;
    let prefers = Db::new(&plain.url(), settings(TlsRoots::Platform))?;
    assert!(!prefers.read(&ASK, is_encrypted).await?);
    let insists = format!("{}?sslmode=require", plain.url());
    let refused = Db::new(&insists, settings(TlsRoots::Platform))?.read(&ASK, is_encrypted).await;
    let refused = refused.expect_err("the server has no TLS");
    assert!(
        refused.to_string().ends_with("the server does not support TLS, which sslmode=require requires"),
        "{refused}"
    );
    Ok(())
}

#[tokio::test]
async fn login_is_bound_to_tls_session() -> Result<()> {
    let vault = Vault::open().await?;
    let guest = "guest:s3cret";
    let bound = vault.db(guest, "sslmode=require&channel_binding=require", vault.trusted())?;
    assert!(bound.read(&ASK, is_encrypted).await?);
    let unbound = vault.db(guest, "sslmode=disable&channel_binding=require", TlsRoots::Platform)?;
    let unbound = unbound.read(&ASK, is_encrypted).await.expect_err("there is nothing to bind it to");
    assert!(unbound.to_string().contains("channel binding"), "{unbound}");
    let wrong = vault.db("guest:guess", "sslmode=require", vault.trusted())?;
    let wrong = wrong.read(&ASK, is_encrypted).await.expect_err("a wrong password");
    assert_eq!(wrong.sqlstate().expect("a code").as_str(), "28P01");
    assert!(!wrong.to_string().contains("guess"), "{wrong}");
    Ok(())
}

#[tokio::test]
async fn sslrootcert_selects_authorities() -> Result<()> {
    let vault = Vault::open().await?;
    let by_address = |query: &str| {
        let url = vault.url("postgres", query).replace("localhost", "127.0.0.1");
        Db::new(&url, settings(TlsRoots::Platform))
    };
    let authority = vault.file("ca.crt");
    let named = vault.db("postgres", &format!("sslrootcert={authority}"), TlsRoots::Platform)?;
    assert!(named.read(&ASK, is_encrypted).await?);
    let full = by_address(&format!("sslmode=verify-full&sslrootcert={authority}"))?;
    let full = full.read(&ASK, is_encrypted).await.expect_err("another name");
    assert!(full.to_string().contains("not valid for name"), "{full}");
    let chain_only = by_address(&format!("sslmode=verify-ca&sslrootcert={authority}"))?;
    assert!(chain_only.read(&ASK, is_encrypted).await?);

    vault.server.write_data_file("stranger.crt", &Authority::named("Vault")?.pem())?;
    let stranger = format!("sslmode=verify-ca&sslrootcert={}", vault.file("stranger.crt"));
    let stranger = by_address(&stranger)?.read(&ASK, is_encrypted).await.expect_err("not trusted");
    assert!(stranger.to_string().contains("TLS: invalid peer certificate"), "{stranger}");
    Ok(())
}

#[tokio::test]
async fn client_certificate_logs_in() -> Result<()> {
    let vault = Vault::open().await?;
    let files = |key: &str| {
        format!("sslmode=require&sslcert={}&sslkey={}", vault.file("holder.crt"), vault.file(key))
    };
    let holder = vault.db("holder", &files("holder.key"), vault.trusted())?;
    assert!(holder.read(&ASK, is_encrypted).await?);
    let without = vault.db("holder", "sslmode=require", vault.trusted())?;
    let without = without.read(&ASK, is_encrypted).await.expect_err("no certificate");
    assert!(without.to_string().contains("valid client certificate"), "{without}");

    let refused = |query: &str| vault.db("holder", query, vault.trusted()).expect_err(query).to_string();
    let half = refused(&format!("sslcert={}", vault.file("holder.crt")));
    assert!(half.contains("sslcert needs the key of the certificate: add sslkey"), "{half}");
    let foreign = refused(&files("server.key"));
    assert!(foreign.contains("sslcert cannot be used with the key of sslkey"), "{foreign}");
    let open = vault.server.data_folder().join("open.key");
    std::fs::copy(vault.server.data_folder().join("holder.key"), &open)?;
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644))?;
    let open = refused(&files("open.key"));
    assert!(open.contains("sslkey: ") && open.contains("others can read the private key"), "{open}");
    Ok(())
}

#[tokio::test]
async fn protocol_versions_are_bounded() -> Result<()> {
    let vault = Vault::open().await?;
    vault.looker.batch_execute("ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'").await?;
    vault.looker.batch_execute("SELECT pg_reload_conf()").await?;
    let at_most =
        vault.db("postgres", "sslmode=require&ssl_max_protocol_version=TLSv1.2", vault.trusted())?;
    assert!(at_most.read(&ASK, is_encrypted).await?);
    let at_least =
        vault.db("postgres", "sslmode=require&ssl_min_protocol_version=TLSv1.3", vault.trusted())?;
    let at_least = at_least.read(&ASK, is_encrypted).await.expect_err("the server has TLS 1.2 at most");
    assert!(at_least.to_string().contains("TLS: "), "{at_least}");
    Ok(())
}

#[test]
fn authorities_must_not_be_named_twice() {
    let refused = |query: &str, roots: TlsRoots| {
        Db::new(&format!("postgres://app:s3cret@h/d?{query}"), settings(roots)).expect_err(query).to_string()
    };
    let twice = refused("sslrootcert=system", TlsRoots::File("/etc/ca.pem".into()));
    assert!(twice.contains("sslrootcert and SessionSettings::tls_roots both name authorities"), "{twice}");
    let public = refused("sslmode=verify-ca", TlsRoots::Platform);
    assert!(public.contains("sslmode=verify-ca would accept the certificate of any public site"), "{public}");
    let missing = refused("sslrootcert=/no/such/ca.pem", TlsRoots::Platform);
    assert!(missing.contains("sslrootcert: /no/such/ca.pem cannot be read"), "{missing}");
}

#[test]
fn rejects_unusable_roots_before_connecting() {
    let at = |query: &str, roots: TlsRoots| {
        Db::new(&format!("postgres://app:s3cret@h/d?{query}"), settings(roots)).expect_err(query).to_string()
    };
    let missing = at("sslmode=require", TlsRoots::File("/no/such/ca.pem".into()));
    assert!(missing.contains("/no/such/ca.pem cannot be read: No such file"), "{missing}");
    let empty = at("sslmode=require", TlsRoots::Pem("nothing".to_owned()));
    assert!(empty.contains("tls_roots: no certificate in PEM form"), "{empty}");
    let contradiction = at("sslmode=disable", TlsRoots::Pem(String::new()));
    assert!(contradiction.contains("sslmode=disable contradicts"), "{contradiction}");
    for text in [missing, empty, contradiction] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
