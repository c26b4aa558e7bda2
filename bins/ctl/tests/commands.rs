//! The program as a process on a real database, killed during imports.

use anyhow::Result;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use steadfast_testkit::{RedisServer, Server, TestDatabase};
use tokio_postgres::{Client, NoTls, connect};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/icd10cm-2026-04.csv.gz");

fn ctl(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast-ctl"));
    command.args(arguments).env("DATABASE_URL", url).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn run(url: &str, arguments: &[&str]) -> Result<Output> {
    Ok(ctl(url, arguments).output()?)
}

async fn migrated() -> Result<(TestDatabase, Client)> {
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    let database = TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await?;
    let (client, connection) = connect(&database.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok((database, client))
}

async fn stored(client: &Client) -> Result<(i64, i64, i64)> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE billable), count(*) FILTER (WHERE NOT active) FROM icd10_codes";
    let row = client.query_one(sql, &[]).await?;
    Ok((row.get(0), row.get(1), row.get(2)))
}

#[tokio::test]
async fn migrations_are_applied_once() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations"))?.count();
    let applied = format!("{all} migrations applied");
    assert_eq!(text(&run(&database.application_url(), &["migrate"])?.stdout), applied);
    assert_eq!(text(&run(&database.application_url(), &["migrate"])?.stdout), "0 migrations applied");
    Ok(())
}

#[tokio::test]
async fn migrates_servers_that_require_tls() -> Result<()> {
    let server = Server::private()?;
    let issued = rcgen::generate_simple_self_signed([String::from("localhost")])?;
    server.write_data_file("server.crt", &issued.cert.pem())?;
    server.write_data_file("server.key", &issued.signing_key.serialize_pem())?;
    server.write_data_file("pg_hba.conf", "hostssl all all all trust\n")?;
    server.write_data_file("postgresql.auto.conf", "ssl = on\n")?;
    server.restart()?;
    let url = server.url("postgres");
    assert!(connect(&url, NoTls).await.is_err(), "the server accepted a plain session");
    let migrated = run(&url, &["migrate"])?;
    assert!(text(&migrated.stdout).ends_with("migrations applied"), "{}", text(&migrated.stderr));
    // With certificate authorities, the name of the server is verified.
    let authorities = server.data_folder().join("server.crt");
    for (host, is_accepted) in [("localhost", true), ("127.0.0.1", false)] {
        let url = format!("postgres://postgres@{host}:{}/postgres", server.port());
        let again = ctl(&url, &["migrate"]).env("DB_TLS_CA_FILE", &authorities).output()?;
        assert_eq!(again.status.success(), is_accepted, "{host}: {}", text(&again.stderr));
    }
    Ok(())
}

/// Returns true if an import is running.
async fn is_importing(client: &Client) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database \
        WHERE locktype = 'advisory' AND datname = current_database())";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

#[tokio::test]
async fn killed_imports_change_nothing() -> Result<()> {
    let (database, client) = migrated().await?;
    let url = database.application_url();
    for after in [0, 100, 400] {
        let mut child = ctl(&url, &["import", "icd10cm", TABLE]).stdout(Stdio::null()).spawn()?;
        while child.try_wait()?.is_none() && !is_importing(&client).await? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Readers see nothing at any point of the import.
        tokio::time::sleep(Duration::from_millis(after)).await;
        assert_eq!(stored(&client).await?.0, 0);
        child.kill()?;
        child.wait()?;
        assert_eq!(stored(&client).await?.0, 0);
    }
    let completed = run(&url, &["import", "icd10cm", TABLE])?;
    assert!(completed.status.success(), "{}", text(&completed.stderr));
    assert_eq!(text(&completed.stdout), "98147 rows in use, 0 former codes retained as inactive");
    assert_eq!(stored(&client).await?, (98_147, 74_714, 0));
    let repeated = run(&url, &["import", "icd10cm", TABLE])?;
    assert_eq!(text(&repeated.stdout), "98147 rows: already in use");
    Ok(())
}

/// Returns the generation of the servers' cached answers in Redis; empty before the first import.
fn generation(redis: &RedisServer) -> Result<String> {
    let mut stream = TcpStream::connect(redis.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(b"GET steadfast:icd10:search:generation\r\nQUIT\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[tokio::test]
async fn imports_replace_the_release_and_rollback_restores_it() -> Result<()> {
    let (database, client) = migrated().await?;
    let url = database.application_url();
    let none = run(&url, &["rollback", "icd10cm"])?;
    assert_eq!(none.status.code(), Some(1), "{}", text(&none.stderr));
    let redis = RedisServer::private()?;
    let url_of_redis = redis.url();
    let run = |url: &str, arguments: &[&str]| ctl(url, arguments).env("REDIS_URL", &url_of_redis).output();
    let mut generations = vec![generation(&redis)?];
    let header = "code,term,category,parent_code,block,chapter,chapter_title,billable\n";
    let folder = std::env::temp_dir().join(format!("icd10cm-releases-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    for (name, line) in [("one.csv", "A00,Cholera,A00,,b,1,c,1\n"), ("two.csv", "A01,Typhoid,A01,,b,1,c,1\n")]
    {
        std::fs::write(folder.join(name), format!("{header}{line}"))?;
        run(&url, &["import", "icd10cm", &folder.join(name).display().to_string()])?;
        generations.push(generation(&redis)?);
    }
    std::fs::remove_dir_all(&folder)?;
    assert_eq!(stored(&client).await?, (2, 2, 1), "the former code is retained as inactive");
    let back = run(&url, &["rollback", "icd10cm"])?;
    assert_eq!(text(&back.stdout), "one.csv with 1 codes is in use");
    generations.push(generation(&redis)?);
    generations.dedup();
    assert_eq!(generations.len(), 4, "each change reaches Redis: {generations:?}");
    redis.kill()?;
    let forward = run(&url, &["rollback", "icd10cm"])?;
    assert!(
        forward.status.success() && text(&forward.stderr).contains("Redis is unavailable"),
        "{forward:?}"
    );
    assert!(run(&url, &["rollback", "icd10cm"])?.status.success());
    assert_eq!(stored(&client).await?, (1, 1, 0));
    Ok(())
}

#[tokio::test]
async fn api_keys_are_created_verified_and_revoked() -> Result<()> {
    let (database, _) = migrated().await?;
    let created =
        run(&database.application_url(), &["api-key", "create", "--name", "till", "--scope", "keys:read"])?;
    let printed = text(&created.stdout);
    let key = printed.lines().last().expect("the key");
    let verify = |key: &str| {
        ctl(&database.application_url(), &["api-key", "verify"]).env("STEADFAST_API_KEY", key).output()
    };
    assert_eq!(text(&verify(key)?.stdout), "key 1 is accepted");
    for unknown in ["sf_none", "sf_UnknownKeyOfTheTestsKeyOfTheTestsKeyOfTheTe1sjVMo"] {
        assert_eq!(verify(unknown)?.status.code(), Some(1), "{unknown}");
    }
    assert!(run(&database.application_url(), &["api-key", "revoke", "1"])?.status.success());
    assert_eq!(text(&verify(key)?.stderr), "error: the key is not accepted");
    Ok(())
}

#[tokio::test]
async fn api_keys_are_listed_and_rotated() -> Result<()> {
    let (database, _) = migrated().await?;
    let url = database.application_url();
    let create =
        ["api-key", "create", "--name", "till", "--scope", "keys:read", "--expires", "2999-01-31T00:00:00Z"];
    assert!(run(&url, &create)?.status.success());
    let rotated = text(&run(&url, &["api-key", "rotate", "1"])?.stdout);
    let key = rotated.lines().last().expect("the key");
    let verified = ctl(&url, &["api-key", "verify"]).env("STEADFAST_API_KEY", key).output()?;
    assert_eq!(text(&verified.stdout), "key 2 is accepted");
    let listed = text(&run(&url, &["api-key", "list"])?.stdout);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].contains("\trevoked ") && !lines[1].contains("\trevoked "),
        "{listed}"
    );
    assert!(lines.iter().all(|line| line.contains("till\tkeys:read\texpires 2999-01-31")), "{listed}");
    assert_eq!(run(&url, &["api-key", "rotate", "1"])?.status.code(), Some(1), "revoked");
    Ok(())
}

#[tokio::test]
async fn users_are_created_listed_and_deactivated() -> Result<()> {
    let (database, client) = migrated().await?;
    let url = database.application_url();
    let create = ["user", "create", "--name", "Grace", "--email", "Grace@Example.com", "--role", "admin"];
    assert!(run(&url, &create)?.status.success());
    let set = |password: &str| {
        ctl(&url, &["user", "set-password", "1"]).env("STEADFAST_PASSWORD", password).output()
    };
    assert_eq!(set("short")?.status.code(), Some(2));
    assert!(set("correct horse battery staple")?.status.success());
    let list = || anyhow::Ok(text(&run(&url, &["user", "list"])?.stdout));
    assert_eq!(list()?, "1\tgrace@example.com\tGrace\tadmin\tactive");
    assert!(run(&url, &["user", "revoke-sessions", "1"])?.status.success());
    assert!(run(&url, &["user", "deactivate", "1"])?.status.success());
    assert_eq!(list()?, "1\tgrace@example.com\tGrace\tadmin\tinactive");
    for command in ["set-password", "deactivate", "revoke-sessions"] {
        let absent =
            ctl(&url, &["user", command, "2"]).env("STEADFAST_PASSWORD", "correct horse").output()?;
        assert_eq!(text(&absent.stderr), "error: no user has the id 2");
    }
    let hash: String = client.query_one("SELECT password_hash FROM users", &[]).await?.get(0);
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    Ok(())
}

#[test]
fn invalid_settings_name_the_variable() -> Result<()> {
    let unset = Command::new(env!("CARGO_BIN_EXE_steadfast-ctl"))
        .arg("migrate")
        .env_remove("DATABASE_URL")
        .output()?;
    assert_eq!(unset.status.code(), Some(2));
    assert!(text(&unset.stderr).contains("DATABASE_URL"), "{}", text(&unset.stderr));
    let secret = "postgres://app:s3cret@one/d?service=s3cret";
    for command in [&["migrate"][..], &["api-key", "verify"], &["import", "icd10cm", TABLE]] {
        for url in [secret, "no-url s3cret", "mysql://app:s3cret@one/d"] {
            let refused = run(url, command)?;
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{command:?}: {said}");
            assert!(said.contains("DATABASE_URL") && !said.contains("s3cret"), "{command:?}: {said}");
        }
    }
    for (variable, value) in [("REDIS_URL", "s3cret:6379"), ("REDIS_PORT", "none")] {
        let mut rollback = ctl("postgres://app@127.0.0.1:1/d", &["rollback", "icd10cm"]);
        let refused = rollback.env(variable, value).output()?;
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{variable}: {said}");
        assert!(said.contains(variable) && !said.contains("s3cret"), "{said}");
    }
    Ok(())
}

#[test]
fn unknown_scopes_are_rejected_with_the_nearest_name() -> Result<()> {
    for (scope, nearest) in
        [("keys:raed", "keys:read"), ("key:write", "keys:write"), ("terminolgy:read", "terminology:read")]
    {
        let create = ["api-key", "create", "--name", "x", "--scope", "keys:read", "--scope", scope];
        let refused = run("postgres://app@127.0.0.1:1/d", &create)?;
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(
            said.contains(scope) && said.contains(&format!("similar value exists: '{nearest}'")),
            "{said}"
        );
    }
    let refused =
        run("postgres://app@127.0.0.1:1/d", &["api-key", "create", "--name", "x", "--scope", "everything"])?;
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("[possible values: *, audit:read, "), "{}", text(&refused.stderr));
    Ok(())
}

#[test]
fn warns_about_unknown_settings() -> Result<()> {
    let mut revoke = ctl("postgres://app@127.0.0.1:1/d", &["api-key", "revoke", "1"]);
    let said = text(&revoke.env("DB_LOCK_TIMOUT", "1").output()?.stderr);
    assert!(said.contains("warning: DB_LOCK_TIMOUT") && said.contains("DB_LOCK_TIMEOUT"), "{said}");
    Ok(())
}

#[test]
fn invalid_files_are_rejected_before_the_import() -> Result<()> {
    let file = std::env::temp_dir().join(format!("icd10cm-{}.csv", std::process::id()));
    std::fs::write(
        &file,
        "code,term,category,parent_code,block,chapter,chapter_title,billable\nA_0,x,A00,,b,1,c,0\n",
    )?;
    let refused = run("postgres://app@127.0.0.1:1/d", &["import", "icd10cm", &file.display().to_string()]);
    std::fs::remove_file(&file)?;
    let refused = refused?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("line 2: code:"), "{}", text(&refused.stderr));
    Ok(())
}
