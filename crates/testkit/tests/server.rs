//! Tests of private PostgreSQL servers.
#![expect(clippy::unwrap_used, reason = "a test whose set-up fails has failed")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Duration;
use steadfast_testkit::{Account, Process, Server, ServerOptions, StopMode, scratch_folder};
use tokio_postgres::{Client, NoTls};

async fn connect(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url("postgres"), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn show(client: &Client, setting: &str) -> String {
    client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn restart_preserves_data_and_port() {
    let server = Server::private().unwrap();
    connect(&server).await.batch_execute("CREATE TABLE sevens AS SELECT 7 AS seven").await.unwrap();
    let (port, pid) = (server.port(), server.pid());

    server.stop(StopMode::Fast).unwrap();
    assert_eq!(server.pid(), None);
    assert!(tokio_postgres::connect(&server.url("postgres"), NoTls).await.is_err());
    server.stop(StopMode::Fast).unwrap();

    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    let seven: i32 = connect(&server).await.query_one("SELECT seven FROM sevens", &[]).await.unwrap().get(0);
    assert_eq!(seven, 7);
}

#[tokio::test]
async fn durable_server_recovers_commits_after_crash() {
    let server = Server::start(ServerOptions::private().durable()).unwrap();
    let client = connect(&server).await;
    assert_eq!(show(&client, "fsync").await, "on");
    client.batch_execute("CREATE TABLE sevens AS SELECT 7 AS seven").await.unwrap();

    server.crash().unwrap();
    assert_eq!(server.pid(), None);
    server.restart().unwrap();
    let seven: i32 = connect(&server).await.query_one("SELECT seven FROM sevens", &[]).await.unwrap().get(0);
    assert_eq!(seven, 7);
}

#[tokio::test]
async fn starts_despite_pid_file_of_another_program() {
    let server = Server::start(ServerOptions::private().durable()).unwrap();
    let file = server.data_folder().join("postmaster.pid");
    let left = std::fs::read_to_string(&file).unwrap();
    let own = left.replacen(&server.pid().unwrap().to_string(), &std::process::id().to_string(), 1);
    server.crash().unwrap();
    std::fs::write(&file, own).unwrap();

    assert_eq!(server.pid(), None, "this test is no server");
    server.restart().unwrap();
    connect(&server).await;
}

#[tokio::test]
async fn starts_despite_truncated_pid_file() {
    let server = Server::private().unwrap();
    server.stop(StopMode::Fast).unwrap();
    std::fs::write(server.data_folder().join("postmaster.pid"), "").unwrap();
    server.restart().unwrap();
    connect(&server).await;
}

#[tokio::test]
async fn frozen_server_responds_after_thaw() {
    let server = Server::private().unwrap();
    let client = connect(&server).await;
    server.freeze().unwrap();
    let query = client.query_one("SELECT 1", &[]);
    let mut query = std::pin::pin!(query);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut query).await.is_err());

    server.thaw().unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), query).await.unwrap();
    assert_eq!(answer.unwrap().get::<_, i32>(0), 1);
}

#[test]
fn frozen_server_can_be_stopped() {
    let server = Server::private().unwrap();
    server.freeze().unwrap();
    server.stop(StopMode::Fast).unwrap();
    assert_eq!(server.pid(), None);
}

#[test]
fn drop_deletes_private_server() {
    let server = Server::private().unwrap();
    let (data, pid) = (server.data_folder(), server.pid().and_then(Process::new).unwrap());
    assert!(pid.runs("postgres", data.to_str()));
    drop(server);
    assert!(!pid.runs("postgres", None));
    assert!(!data.parent().unwrap().exists());
}

#[test]
fn server_runs_unprivileged_with_closed_data() {
    let server = Server::private().unwrap();
    let owner = std::fs::metadata(server.data_folder()).unwrap();
    assert_eq!(owner.permissions().mode() & 0o777, 0o700);
    assert_ne!(owner.uid(), 0);
    assert_eq!(owner.uid(), Account::for_children().unwrap().uid());
    if let Ok(process) = std::fs::metadata(format!("/proc/{}", server.pid().unwrap())) {
        assert_eq!(process.uid(), owner.uid());
    }
}

#[tokio::test]
async fn listens_on_loopback_and_socket_only() {
    let server = Server::private().unwrap();
    let client = connect(&server).await;
    assert_eq!(show(&client, "listen_addresses").await, "127.0.0.1");
    let socket = server.socket_folder();
    assert_eq!(show(&client, "unix_socket_directories").await, socket.display().to_string());
    let address = format!("host={} port={} user=postgres dbname=postgres", socket.display(), server.port());
    if std::fs::read_dir(&socket).is_ok() {
        drop(tokio_postgres::connect(&address, NoTls).await.unwrap());
    }
}

#[tokio::test]
async fn settings_override_defaults() {
    let options =
        ServerOptions::private().setting("max_connections", "7").setting("cluster_name", "it's a \\ test");
    let server = Server::start(options).unwrap();
    let client = connect(&server).await;
    assert_eq!(show(&client, "max_connections").await, "7");
    assert_eq!(show(&client, "cluster_name").await, "it's a \\ test");
    assert_eq!(show(&client, "fsync").await, "off");
    assert_eq!(show(&client, "server_encoding").await, "UTF8");
}

#[test]
fn failed_start_has_reason_and_leaves_nothing() {
    let options = ServerOptions::private().setting("no_such_setting", "1");
    let error = Server::start(options).unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
    let own = format!("steadfast-private-{}-", std::process::id());
    let mut left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let left = left.find(|entry| {
        entry.file_name().to_string_lossy().starts_with(&own)
            && std::fs::read_to_string(entry.path().join("postgres.log"))
                .is_ok_and(|log| log.contains("no_such_setting"))
    });
    assert!(left.is_none(), "{left:?}");
}

#[test]
fn names_port_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Server::start(ServerOptions::private().port(port)).unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
}

#[test]
fn second_start_finds_running_server() {
    let folder =
        scratch_folder("steadfast-twice", &std::env::temp_dir().join(std::process::id().to_string()));
    assert!(Server::running(&folder).is_none());
    let first = Server::start(ServerOptions::at(&folder)).unwrap();
    let second = Server::start(ServerOptions::at(&folder)).unwrap();
    let found = Server::running(&folder).unwrap();
    assert_eq!((first.port(), first.pid()), (second.port(), second.pid()));
    assert_eq!(found.url("a"), first.url("a"));
    drop(first);
    assert!(second.pid().is_some(), "a server of a named folder outlives its values");
    second.delete().unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn concurrent_callers_create_one_database() {
    let server = Server::private().unwrap();
    let made = tokio::join!(server.ensure_database("one"), server.ensure_database("one"));
    assert!(made.0.unwrap() ^ made.1.unwrap());
    assert!(server.ensure_database("No\"Name").await.is_err());
}
