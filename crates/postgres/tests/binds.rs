//! The record of NULL parameters in a separate process.

use anyhow::{Result, ensure};
use std::process::Command;
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::{Integer, Nullable};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Conn, Db, DbSettings, Operation, Read, cached};
use steadfast_testkit::TestDatabase;

const LOOK: Operation<Read> = Operation::read("meadow.look").statements(3);

// A test, so that `records_null_parameters_of_process` can run it in a process with the variable.
#[tokio::test]
async fn sending_process() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let db = Db::new(&database.url(), DbSettings::default())?;
    let work = async |conn: &mut Conn| {
        for value in [None, Some(1), None] {
            let select =
                sql_query("SELECT  $1,\n $2").bind::<Integer, _>(7).bind::<Nullable<Integer>, _>(value);
            cached(select).execute(conn).await?;
        }
        Ok(())
    };
    Ok(db.read(&LOOK, work).await?)
}

#[test]
fn records_null_parameters_of_process() -> Result<()> {
    let file = std::env::temp_dir().join(format!("steadfast-recorded-{}", std::process::id()));
    let mut process = Command::new(std::env::current_exe()?);
    let status = process.args(["--exact", "sending_process"]).env("STEADFAST_BINDS", &file).status()?;
    ensure!(status.success(), "{status}");
    let text = std::fs::read_to_string(&file)?;
    std::fs::remove_file(&file)?;
    let of_the_test: Vec<&str> = text.lines().filter(|line| line.ends_with("\tSELECT $1, $2")).collect();
    assert_eq!(of_the_test, ["01\tSELECT $1, $2", "00\tSELECT $1, $2"]);
    Ok(())
}
