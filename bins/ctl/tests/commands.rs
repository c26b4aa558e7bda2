//! The tool as its users run it: as a process, on a database, sometimes killed.

use anyhow::Result;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use steadfast_testkit::TestDatabase;
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
async fn a_database_is_migrated_once_and_asking_again_changes_nothing() -> Result<()> {
    let database = TestDatabase::empty().await?;
    assert_eq!(text(&run(&database.application_url(), &["migrate"])?.stdout), "3 migrations applied");
    assert_eq!(text(&run(&database.application_url(), &["migrate"])?.stdout), "0 migrations applied");
    Ok(())
}

#[tokio::test]
async fn an_import_that_is_killed_again_and_again_is_completed_by_the_next_one() -> Result<()> {
    let (database, client) = migrated().await?;
    let mut progress = vec![0];
    for _ in 0..3 {
        let mut child = ctl(&database.application_url(), &["import", "icd10cm", TABLE]).stdout(Stdio::null()).spawn()?;
        let before = *progress.last().expect("at least the start");
        // The kill falls between two batches or inside one, wherever it is when the next rows have appeared.
        while child.try_wait()?.is_none() && stored(&client).await?.0 <= before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill()?;
        child.wait()?;
        progress.push(stored(&client).await?.0);
    }
    assert!(progress.is_sorted() && progress[1] > 0 && progress[1] < 98_147, "{progress:?}");
    let completed = run(&database.application_url(), &["import", "icd10cm", TABLE])?;
    assert!(completed.status.success(), "{}", text(&completed.stderr));
    assert_eq!(stored(&client).await?, (98_147, 74_714, 0));
    assert_eq!(
        text(&run(&database.application_url(), &["import", "icd10cm", TABLE])?.stdout),
        "98147 rows: 0 written, 0 retired"
    );
    Ok(())
}

#[tokio::test]
async fn an_api_key_is_made_accepted_and_withdrawn() -> Result<()> {
    let (database, _) = migrated().await?;
    let created = run(&database.application_url(), &["api-key", "create", "--name", "till", "--scope", "keys:read"])?;
    let printed = text(&created.stdout);
    let key = printed.lines().last().expect("the key");
    let verify =
        |key: &str| ctl(&database.application_url(), &["api-key", "verify"]).env("STEADFAST_API_KEY", key).output();
    assert_eq!(text(&verify(key)?.stdout), "key 1 is accepted");
    assert_eq!(verify("sf_none")?.status.code(), Some(1));
    assert!(run(&database.application_url(), &["api-key", "revoke", "1"])?.status.success());
    assert_eq!(text(&verify(key)?.stderr), "error: the key is not accepted");
    Ok(())
}

#[test]
fn bad_settings_name_the_variable_and_exit_with_2() -> Result<()> {
    let unset = Command::new(env!("CARGO_BIN_EXE_steadfast-ctl"))
        .arg("migrate")
        .env_remove("DATABASE_URL")
        .output()?;
    assert_eq!(unset.status.code(), Some(2));
    assert!(text(&unset.stderr).contains("DATABASE_URL"), "{}", text(&unset.stderr));
    let secret = "postgres://app:s3cret@one,two/d";
    for command in [&["migrate"][..], &["api-key", "verify"], &["import", "icd10cm", TABLE]] {
        for url in [secret, "no-url s3cret", "mysql://app:s3cret@one/d"] {
            let refused = run(url, command)?;
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{command:?}: {said}");
            assert!(said.contains("DATABASE_URL") && !said.contains("s3cret"), "{command:?}: {said}");
        }
    }
    let scope =
        run("postgres://app@127.0.0.1:1/d", &["api-key", "create", "--name", "x", "--scope", "everything"])?;
    assert_eq!(scope.status.code(), Some(2), "{}", text(&scope.stderr));
    Ok(())
}

#[test]
fn a_file_that_is_not_the_table_is_refused_by_line_before_anything_is_stored() -> Result<()> {
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
