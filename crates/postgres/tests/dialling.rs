//! Opening sessions: parameters of the connection string, and failover between hosts.

#[path = "support/sockets.rs"]
mod sockets;

use anyhow::{Context as _, Result, bail, ensure};
use sockets::{SilentServer, SlowServer, refusing_port};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::sql_types::Text;
use steadfast_postgres::diesel::{QueryResult, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::{AsyncConnection, RunQueryDsl};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_postgres::{Conn, Db, DbSettings, Operation, PoolSettings, Read};
use steadfast_testkit::{Server, ServerOptions, TestDatabase};
use tokio::task::spawn_blocking;

const READ: Operation<Read> = Operation::read("harbour.look");

/// Time limit that even an overloaded machine meets.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

/// Returns the value of a setting in the session.
async fn setting(conn: &mut Conn, name: &str) -> QueryResult<String> {
    let asked = sql_query("SELECT current_setting($1) AS value").bind::<Text, _>(name);
    Ok(asked.get_result::<Value>(conn).await?.value)
}

/// Returns the port of the server that a new session reaches.
async fn port_reached(url: &str) -> Result<u16> {
    let mut conn = establish(url).await?;
    Ok(setting(&mut conn, "port").await?.parse()?)
}

async fn establish(url: &str) -> Result<Conn> {
    let opening = tokio::time::timeout(PATIENCE, Conn::establish(url));
    Ok(opening.await.context("the attempt does not end")??)
}

/// Returns the error text of opening a session.
async fn refusal(url: &str) -> Result<String> {
    match establish(url).await {
        Ok(_) => bail!("a session was opened"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

async fn client(server: &Server) -> Result<Client> {
    let (client, connection) = connect(&server.url("postgres"), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn writable() -> Result<Server> {
    Ok(spawn_blocking(Server::private).await??)
}

async fn read_only() -> Result<Server> {
    let options = ServerOptions::private().setting("default_transaction_read_only", "on");
    Ok(spawn_blocking(|| Server::start(options)).await??)
}

fn ports(ports: &[u16], query: &str) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://postgres@{}/postgres?{query}", hosts.join(","))
}

fn with(url: &str, query: &str) -> String {
    format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' })
}

#[tokio::test]
async fn url_application_name_wins_over_session_settings() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let url = with(&database.url(), "application_name=lighthouse");
    let mut settings = DbSettings { pool: PoolSettings::sized(1, 0), ..DbSettings::default() };
    settings.pool.session.application_name = "fallback".to_owned();
    let db = Db::new(&url, settings.clone())?;
    assert_eq!(db.read(&READ, async |conn| setting(conn, "application_name").await).await?, "lighthouse");
    let db = Db::new(&database.url(), settings)?;
    assert_eq!(db.read(&READ, async |conn| setting(conn, "application_name").await).await?, "fallback");
    Ok(())
}

#[tokio::test]
async fn connect_timeout_ends_attempts_on_silent_servers() -> Result<()> {
    let silent = SilentServer::start().await?;
    let began = Instant::now();
    let error = refusal(&ports(&[silent.port()], "connect_timeout=1")).await?;
    assert!(error.contains("no answer from the server for 1.0 s"), "{error}");
    assert!(began.elapsed() >= Duration::from_secs(1));
    Ok(())
}

#[tokio::test]
async fn long_connect_timeout_reaches_slow_servers() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let slow = SlowServer::start(&database.url(), Duration::from_secs(3)).await?;
    let url = with(&slow.url(&database.url()), "connect_timeout=25");
    let db = Db::new(&url, DbSettings { pool: PoolSettings::sized(1, 0), ..DbSettings::default() })?;
    db.read(&READ, async |conn| setting(conn, "port").await).await?;
    Ok(())
}

#[tokio::test]
async fn hostaddr_skips_name_resolution() -> Result<()> {
    let server = writable().await?;
    let url = format!("postgres://postgres@harbour.invalid:{}/postgres", server.port());
    assert_eq!(port_reached(&with(&url, "hostaddr=127.0.0.1")).await?, server.port());
    Ok(())
}

#[tokio::test]
async fn accepts_key_value_strings() -> Result<()> {
    let server = writable().await?;
    let port = server.port();
    let text =
        format!("host=127.0.0.1 port={port} user=postgres dbname='postgres' application_name='a \\' b'");
    let mut conn = establish(&text).await?;
    assert_eq!(setting(&mut conn, "application_name").await?, "a ' b");
    Ok(())
}

#[tokio::test]
async fn refused_host_fails_over_to_next() -> Result<()> {
    let server = writable().await?;
    let refusing = refusing_port().await?;
    assert_eq!(port_reached(&ports(&[refusing, server.port()], "")).await?, server.port());
    Ok(())
}

#[tokio::test]
async fn error_names_all_failed_hosts() -> Result<()> {
    let refusing = refusing_port().await?;
    let silent = SilentServer::start().await?;
    let error = refusal(&ports(&[refusing, silent.port()], "connect_timeout=1")).await?;
    assert!(error.contains(&format!("127.0.0.1:{refusing}: Connection refused")), "{error}");
    let silence = format!("127.0.0.1:{}: no answer from the server for 1.0 s", silent.port());
    assert!(error.contains(&silence), "{error}");
    Ok(())
}

#[tokio::test]
async fn refused_login_is_not_retried_on_other_hosts() -> Result<()> {
    let server = writable().await?;
    let url = ports(&[server.port(), refusing_port().await?], "").replace("postgres?", "no_such_database?");
    let error = refusal(&url).await?;
    assert!(error.ends_with("database \"no_such_database\" does not exist (SQLSTATE 3D000)"), "{error}");
    Ok(())
}

#[tokio::test]
async fn concurrent_sessions_avoid_silent_host() -> Result<()> {
    let server = writable().await?;
    let silent = SilentServer::start().await?;
    let url = ports(&[silent.port(), server.port()], "connect_timeout=1");
    let db = Db::new(&url, DbSettings { pool: PoolSettings::sized(4, 0), ..DbSettings::default() })?;
    let port = db.read(&READ, async |conn| setting(conn, "port").await).await?;
    assert_eq!(port, server.port().to_string());
    let asked = silent.accepted();
    let sleep = || db.read(&READ, async |conn| sql_query("SELECT pg_sleep(0.1)").execute(conn).await);
    futures_util::future::try_join_all((0..4).map(|_| sleep())).await?;
    assert_eq!(db.health().pool.open, 4);
    assert_eq!(silent.accepted(), asked, "sessions of the same moment avoid the host that was silent");
    Ok(())
}

#[tokio::test]
async fn target_session_attrs_select_host() -> Result<()> {
    let (reader, writer) = (read_only().await?, writable().await?);
    let both = [reader.port(), writer.port()];
    for (attributes, expected) in [
        ("any", reader.port()),
        ("read-write", writer.port()),
        ("read-only", reader.port()),
        ("primary", reader.port()),
        ("prefer-standby", reader.port()),
    ] {
        let url = ports(&both, &format!("target_session_attrs={attributes}"));
        assert_eq!(port_reached(&url).await?, expected, "{attributes}");
    }
    for (port, attributes, cause) in [
        (reader.port(), "read-write", "the session is read-only"),
        (writer.port(), "read-only", "the session is not read-only"),
        (writer.port(), "standby", "the server is not a standby"),
    ] {
        let error = refusal(&ports(&[port], &format!("target_session_attrs={attributes}"))).await?;
        let expected = format!("127.0.0.1:{port}: {cause}, but target_session_attrs={attributes}");
        assert!(error.contains(&expected), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn distinguishes_standby_from_primary() -> Result<()> {
    let (standby, primary) = (writable().await?, writable().await?);
    standby.write_data_file("standby.signal", "")?;
    let standby = spawn_blocking(move || standby.restart().map(|()| standby)).await??;
    let both = [standby.port(), primary.port()];
    for (attributes, expected) in [
        ("primary", primary.port()),
        ("read-write", primary.port()),
        ("standby", standby.port()),
        ("read-only", standby.port()),
        ("prefer-standby", standby.port()),
    ] {
        let url = ports(&both, &format!("target_session_attrs={attributes}"));
        assert_eq!(port_reached(&url).await?, expected, "{attributes}");
    }
    Ok(())
}

/// Starts a server where the role `guest` needs its password.
async fn guarded() -> Result<Server> {
    let server = writable().await?;
    client(&server).await?.batch_execute("CREATE ROLE guest LOGIN PASSWORD 'pa:ss\\word'").await?;
    let rules = std::fs::read_to_string(server.data_folder().join("pg_hba.conf"))?;
    server.write_data_file("pg_hba.conf", &format!("host all guest all scram-sha-256\n{rules}"))?;
    Ok(spawn_blocking(move || server.restart().map(|()| server)).await??)
}

/// Creates a password file for `guest` with these permissions in the server's folder.
fn passfile(server: &Server, mode: u32) -> Result<String> {
    let path = server.data_folder().join(format!("passfile-{mode:o}"));
    std::fs::write(&path, format!("127.0.0.1:{}:*:guest:pa\\:ss\\\\word\n", server.port()))?;
    std::fs::set_permissions(&path, Permissions::from_mode(mode))?;
    Ok(path.display().to_string())
}

#[tokio::test]
async fn passfile_must_not_be_readable_by_others() -> Result<()> {
    let server = guarded().await?;
    let url = format!("postgres://guest@127.0.0.1:{}/postgres", server.port());
    let closed = passfile(&server, 0o600)?;
    assert_eq!(port_reached(&format!("{url}?passfile={closed}")).await?, server.port());
    let open = passfile(&server, 0o640)?;
    let error = refusal(&format!("{url}?passfile={open}")).await?;
    assert!(error.contains("passfile cannot be used") && error.contains("run chmod 0600 on it"), "{error}");
    assert!(!error.contains("pa:ss"), "{error}");
    Ok(())
}

/// Runs itself in a child process with the variables, since a process cannot safely set its own.
#[tokio::test]
async fn environment_variables_complete_url() -> Result<()> {
    const CHILD: &str = "STEADFAST_DIALLING_CHILD";
    if let Ok(port) = std::env::var(CHILD) {
        let mut conn = establish("postgres://").await?;
        let who = sql_query("SELECT current_user || ' ' || current_database() AS value");
        assert_eq!(who.get_result::<Value>(&mut conn).await?.value, "guest postgres");
        for (name, value) in [("port", port.as_str()), ("application_name", "tender"), ("work_mem", "9MB")] {
            assert_eq!(setting(&mut conn, name).await?, value);
        }
        return Ok(());
    }
    let server = guarded().await?;
    let port = server.port().to_string();
    let mut child = tokio::process::Command::new(std::env::current_exe()?);
    child.args(["--exact", "environment_variables_complete_url"]).env(CHILD, &port);
    child.env("PGPASSFILE", passfile(&server, 0o600)?);
    child.envs([("PGHOST", "127.0.0.1"), ("PGPORT", &port), ("PGUSER", "guest"), ("PGDATABASE", "postgres")]);
    child.envs([("PGAPPNAME", "tender"), ("PGOPTIONS", "-c work_mem=9MB")]);
    let output = child.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

#[tokio::test]
async fn random_load_balancing_reaches_all_hosts() -> Result<()> {
    let (one, other) = (writable().await?, writable().await?);
    let url = ports(&[one.port(), other.port()], "load_balance_hosts=random");
    let began = Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2 {
        ensure!(began.elapsed() < PATIENCE, "only {seen:?} in {PATIENCE:?}");
        seen.insert(port_reached(&url).await?);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_request_goes_to_host_of_session() -> Result<()> {
    let (reader, writer) = (read_only().await?, writable().await?);
    // Without this option the server would detect the cancelled caller itself.
    let query = "target_session_attrs=read-write&options=-c%20client_connection_check_interval%3D0";
    let url = ports(&[reader.port(), writer.port()], query);
    let db = Db::new(&url, DbSettings { pool: PoolSettings::sized(1, 0), ..DbSettings::default() })?;
    let looker = client(&writer).await?;
    let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(25)%' \
                  AND state = 'active' AND pid <> pg_backend_pid()";
    let count = async || -> Result<i64> { Ok(looker.query_one(active, &[]).await?.get(0)) };
    let sleeping = tokio::spawn({
        let db = db.clone();
        async move { db.read(&READ, async |conn| sql_query("SELECT pg_sleep(25)").execute(conn).await).await }
    });
    while count().await? == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sleeping.abort();
    let left = Instant::now();
    while count().await? > 0 {
        ensure!(left.elapsed() < Duration::from_secs(15), "the server still runs the abandoned statement");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
