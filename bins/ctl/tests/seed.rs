//! `seed` as a process on a real database.

use anyhow::Result;
use std::process::{Command, Output, Stdio};
use steadfast_testkit::TestDatabase;
use tokio_postgres::{Client, NoTls, connect};

fn seed(url: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast-ctl"));
    Ok(command.arg("seed").args(arguments).env("DATABASE_URL", url).stdin(Stdio::null()).output()?)
}

async fn migrated() -> Result<(TestDatabase, Client)> {
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    let database = TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await?;
    let (client, connection) = connect(&database.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok((database, client))
}

async fn keys(client: &Client) -> Result<i64> {
    Ok(client.query_one("SELECT count(*) FROM pidms_keys", &[]).await?.get(0))
}

#[tokio::test]
async fn seeds_marked_databases_only() -> Result<()> {
    let (database, client) = migrated().await?;
    let refused = seed(&database.url(), &[])?;
    let said = String::from_utf8(refused.stderr)?;
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert_eq!(keys(&client).await?, 0);

    let remedy = said.split('`').nth(1).expect("a statement to run");
    client.batch_execute(remedy).await?;
    let seeded = seed(&database.url(), &["--rows", "2000"])?;
    assert!(seeded.status.success(), "{}", String::from_utf8(seeded.stderr)?);
    assert!(String::from_utf8(seeded.stdout)?.contains("pidms_keys: 2000 rows\n"));
    assert_eq!(keys(&client).await?, 2_000);
    Ok(())
}

#[test]
fn rejects_invalid_numbers_of_rows() -> Result<()> {
    for rows in ["0", "999", "10000001", "many"] {
        let refused = seed("postgres://app@127.0.0.1:1/d", &["--rows", rows])?;
        let said = String::from_utf8(refused.stderr)?;
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("--rows"), "{said}");
    }
    Ok(())
}
