//! Tests of concurrent processes, and of leftovers of killed ones.
//!
//! The other process is this test program, run for one test with a role in its environment. Without a role, that test
//! does nothing.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test whose set-up fails has failed")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use steadfast_testkit::{SERVER_VARIABLE, Server, ServerOptions, TestDatabase, sweep_private_servers};
use tokio_postgres::{Client, NoTls};

const ROLE: &str = "STEADFAST_TESTKIT_ROLE";
const FOLDER: &str = "STEADFAST_TESTKIT_FOLDER";
/// Prefix of the lines of the other process; the test harness prints other lines.
const SIGN: &str = "line: ";

fn say(text: &str) {
    println!("\n{SIGN}{text}");
}

#[tokio::test]
async fn the_other_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    match role.as_str() {
        "start a server" => {
            let server = Server::start(ServerOptions::at(std::env::var(FOLDER).unwrap())).unwrap();
            say(&format!("{} {}", server.pid().unwrap(), server.port()));
        }
        "start a private server and hang" => {
            let server = Server::private().unwrap();
            say(&server.data_folder().display().to_string());
            std::future::pending::<()>().await;
        }
        "hang in a migration" => {
            let hang = async |url: &str| {
                connect(url).await.batch_execute("CREATE TABLE half ()").await?;
                say("half");
                std::future::pending::<Result<(), tokio_postgres::Error>>().await
            };
            TestDatabase::from_template("killed", 1, hang).await.unwrap();
        }
        "take a database" => say(TestDatabase::empty().await.unwrap().name()),
        _ => panic!("no such role: {role}"),
    }
}

struct Other {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Other {
    fn run(role: &str, variable: &str, value: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_other_process", "--nocapture"]).env(ROLE, role).env(variable, value);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Returns the next line of the process.
    fn next_line(&mut self) -> String {
        let mut lines = self.lines.by_ref().lines().map(Result::unwrap);
        lines
            .find_map(|line| line.strip_prefix(SIGN).map(str::to_owned))
            .expect("a line of the other process")
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn names(server: &Server, pattern: &str) -> Vec<String> {
    let query = "SELECT datname::text FROM pg_database WHERE datname LIKE $1 ORDER BY 1";
    let rows = connect(&server.url("postgres")).await.query(query, &[&pattern]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn concurrent_starts_share_one_server() {
    let folder = steadfast_testkit::scratch_folder("steadfast-race", &std::env::current_exe().unwrap());
    let folder_text = folder.to_str().unwrap();
    let mut others: Vec<_> = (0..3).map(|_| Other::run("start a server", FOLDER, folder_text)).collect();
    let said: Vec<_> = others.iter_mut().map(Other::next_line).collect();
    let server = Server::running(&folder).expect("it outlives those who started it");
    let expected = format!("{} {}", server.pid().unwrap(), server.port());
    for mut other in others {
        assert!(other.child.wait().unwrap().success());
    }
    server.delete().unwrap();
    assert_eq!(said, [expected.clone(), expected.clone(), expected]);
}

#[tokio::test]
async fn killed_build_leaves_no_template() {
    let server = Server::private().unwrap();
    let mut other = Other::run("hang in a migration", SERVER_VARIABLE, &server.url("postgres"));
    assert_eq!(other.next_line(), "half");
    other.kill();
    assert_eq!(names(&server, "killed%").await, ["killed_unfinished"]);

    let migrate = async |url: &str| connect(url).await.batch_execute("CREATE TABLE whole ()").await;
    let database = TestDatabase::from_template_on(&server, "killed", 1, migrate).await.unwrap();
    let tables = "SELECT string_agg(relname, ' ') FROM pg_stat_user_tables";
    let tables: String = connect(&database.url()).await.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(tables, "whole");
    assert_eq!(names(&server, "killed%").await.len(), 1, "the unfinished one is gone");
}

#[tokio::test]
async fn sweep_drops_databases_of_dead_processes_only() {
    let server = Server::private().unwrap();
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let [dead, live] = [ended.id(), std::process::id()].map(|pid| format!("t_{pid}_0_0badcafe"));
    for name in [&dead, &live, &"t_shirts".to_owned()] {
        connect(&server.url("postgres"))
            .await
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
    }

    let mut other = Other::run("take a database", SERVER_VARIABLE, &server.url("postgres"));
    other.next_line();
    assert!(other.child.wait().unwrap().success());
    assert_eq!(names(&server, "t\\_%").await, [live, "t_shirts".to_owned()]);
}

#[test]
fn sweep_deletes_private_servers_of_killed_processes() {
    let mut other = Other::run("start a private server and hang", FOLDER, "");
    let data = std::path::PathBuf::from(other.next_line());
    let folder = data.parent().unwrap();
    other.kill();
    assert!(Server::running(folder).is_some());
    assert!(sweep_private_servers() >= 1);
    assert!(!folder.exists());
}
