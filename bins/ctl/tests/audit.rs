//! `audit verify` on a real database whose trail was altered.

use anyhow::{Result, ensure};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use steadfast_repository::Store;
use steadfast_repository::audit::{Sealing, mark_horizon, seal};
use steadfast_testkit::TestDatabase;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls, connect};

struct Trail {
    database: TestDatabase,
    client: Client,
}

impl Trail {
    /// Creates a trail of 2,300 rows with ids from 1, of which 2,200 are in three seals. Some ids have no row.
    async fn new() -> Result<Self> {
        let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
        let database =
            TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await?;
        let (client, connection) = connect(&database.url(), NoTls).await?;
        tokio::spawn(connection);
        let trail = Self { database, client };
        trail.insert(1_500).await?;
        trail.client.batch_execute("SELECT setval('audit_log_ids', 1600)").await?;
        trail.insert(700).await?;
        trail.seal().await?;
        trail.insert(100).await?;
        Ok(trail)
    }

    async fn insert(&self, rows: i64) -> Result<()> {
        let insert = "INSERT INTO audit_log (correlation_id, user_id, action, resource_type, resource_id, new_values) \
            SELECT 'a-request', 7, 'update', 'client', n, jsonb_build_object('balance', n) FROM generate_series(1, $1::bigint) n";
        self.client.execute(insert, &[&rows]).await?;
        Ok(())
    }

    async fn seal(&self) -> Result<()> {
        let store = Store::connect(&self.database.application_url())?;
        let Some(horizon) = mark_horizon(&store, -1).await? else { return Ok(()) };
        loop {
            match seal(&store, &horizon).await? {
                Sealing::Complete => return Ok(()),
                // Transactions of other tests on the same server.
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Does what the owner of the table can do: without the trigger.
    async fn alter(&self, sql: &str) -> Result<()> {
        let sql = format!("SET session_replication_role = replica; {sql}; RESET session_replication_role");
        Ok(self.client.batch_execute(&sql).await?)
    }

    fn verify(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast-ctl"));
        command.args(["audit", "verify"]).args(arguments).stdin(Stdio::null());
        Ok(command.env("DATABASE_URL", self.database.application_url()).output()?)
    }

    /// Verifies the trail, which must have been altered, and returns the findings.
    fn findings(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let output = self.verify(arguments)?;
        let (printed, errors) = (text(&output.stdout), text(&output.stderr));
        ensure!(output.status.code() == Some(1), "{:?}: {printed} {errors}", output.status);
        let is_finding = |line: &&str| line.starts_with("row ") || line.starts_with("seal");
        let findings: Vec<String> = printed.lines().filter(is_finding).map(str::to_owned).collect();
        assert_eq!(errors, format!("error: the audit trail was altered: {} findings", findings.len()));
        Ok(findings)
    }

    /// Returns id and time of a row, as they are printed.
    async fn row(&self, id: i64) -> Result<String> {
        let sql = "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM audit_log WHERE id = $1";
        Ok(format!("row {id} of {}", self.client.query_one(sql, &[&id]).await?.get::<_, String>(0)))
    }

    /// Returns the seal `number` as servers log it.
    async fn noted(&self, number: i64) -> Result<String> {
        let sql = "SELECT number || ':' || encode(hash, 'hex') FROM audit_seals WHERE number = $1";
        Ok(self.client.query_one(sql, &[&number]).await?.get(0))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[tokio::test]
async fn intact_trail_is_verified() -> Result<()> {
    let trail = Trail::new().await?;
    let last = trail.noted(3).await?;
    let expected =
        format!("2200 rows are as they were sealed\n100 rows are not sealed yet\nlast seal: {last}");
    for arguments in [&[][..], &["--expect", &last], &["--expect", &trail.noted(1).await?]] {
        let output = trail.verify(arguments)?;
        assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
        assert!(output.status.success());
    }
    trail.seal().await?;
    assert!(
        text(&trail.verify(&[])?.stdout).starts_with("2300 rows are as they were sealed\n0 rows are not")
    );
    assert_eq!(trail.verify(&["--expect", "3:abc"])?.status.code(), Some(2));
    Ok(())
}

#[tokio::test]
async fn altered_rows_are_named() -> Result<()> {
    let trail = Trail::new().await?;
    let (changed, removed, last) = (trail.row(7).await?, trail.row(8).await?, trail.row(2_300).await?);
    let (one, other, moved) = (trail.row(900).await?, trail.row(1_700).await?, trail.row(1_000).await?);
    trail.alter("UPDATE audit_log SET new_values = '{\"balance\": 0}' WHERE id = 7").await?;
    assert_eq!(trail.findings(&[])?, [format!("{changed} was changed")]);
    trail.alter("DELETE FROM audit_log WHERE id = 8").await?;
    trail
        .alter("INSERT INTO audit_log (id, correlation_id, action, resource_type) VALUES (1550, 'x', 'read', 'client')")
        .await?;
    let inserted = trail.row(1_550).await?;
    let swap = "UPDATE audit_log SET new_values = (SELECT new_values FROM audit_log WHERE id = CASE changed.id WHEN 900 THEN 1700 ELSE 900 END) \
        FROM (VALUES (900), (1700)) AS changed (id) WHERE audit_log.id = changed.id";
    trail.alter(swap).await?;
    trail.alter("UPDATE audit_log SET created_at = created_at + interval '40 days' WHERE id = 1000").await?;
    trail.alter("DELETE FROM audit_log WHERE id = 2300").await?;
    let expected = [
        format!("{changed} was changed"),
        format!("{removed} was removed"),
        format!("{one} was changed"),
        format!("{moved} was changed"),
        format!("{inserted} was inserted"),
        format!("{other} was changed"),
        format!("{last} was removed"),
    ];
    assert_eq!(trail.findings(&[])?, expected);
    Ok(())
}

#[tokio::test]
async fn altered_seals_are_named() -> Result<()> {
    let trail = Trail::new().await?;
    let last = trail.noted(3).await?;
    let does_not_follow =
        |number| format!("seal {number} does not follow from the seal before it: one of the two was changed");
    // A row is changed, and its hash in the seal, too.
    trail.alter("UPDATE audit_log SET action = 'read' WHERE id = 1200").await?;
    trail.alter("UPDATE audit_seals SET row_hashes[200] = sha256('x') WHERE number = 2").await?;
    assert_eq!(
        trail.findings(&[])?,
        [does_not_follow(2), format!("{} was changed", trail.row(1_200).await?)]
    );
    trail.alter("UPDATE audit_seals SET hash = sha256('x') WHERE number = 2").await?;
    assert_eq!(trail.findings(&[])?[..2], [does_not_follow(2), does_not_follow(3)]);
    trail.alter("DELETE FROM audit_seals WHERE number = 2").await?;
    assert_eq!(trail.findings(&[])?, ["seal 2 was removed: its rows cannot be verified"]);
    // With all later ones, and the rows, which only a seal from the log reveals.
    trail.alter("DELETE FROM audit_seals; DELETE FROM audit_log WHERE id > 1000").await?;
    assert!(trail.verify(&[])?.status.success());
    assert_eq!(
        trail.findings(&["--expect", &last])?,
        ["seals 1 to 3 were removed: their rows cannot be verified"]
    );
    trail.seal().await?;
    let noted = last.replace("3:", "1:");
    let hash = &noted[2..];
    assert_eq!(
        trail.findings(&["--expect", &noted])?,
        [format!("seal 1 has another hash than {hash}: it or a seal before it was changed")]
    );
    Ok(())
}

#[tokio::test]
async fn rows_of_detached_partitions_are_skipped() -> Result<()> {
    let trail = Trail::new().await?;
    let old = "CREATE TABLE audit_log_2020_05 PARTITION OF audit_log FOR VALUES FROM ('2020-05-01Z') TO ('2020-06-01Z'); \
        INSERT INTO audit_log (created_at, correlation_id, action, resource_type) \
        SELECT '2020-05-07Z', 'x', 'read', 'client' FROM generate_series(1, 20)";
    trail.client.batch_execute(old).await?;
    trail.seal().await?;
    assert!(text(&trail.verify(&[])?.stdout).starts_with("2320 rows"));
    trail.client.batch_execute("SELECT audit_log_upkeep(2000); DROP TABLE audit_log_2020_05").await?;
    let output = trail.verify(&[])?;
    let printed = text(&output.stdout);
    assert!(output.status.success() && printed.starts_with("2300 rows"), "{printed}");
    assert!(
        printed.contains("\n20 rows from before ") && printed.contains(" were skipped: detached\n1 rows"),
        "{printed}"
    );
    Ok(())
}
