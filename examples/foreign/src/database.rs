//! The database: schema, seed, and planted faults.

use crate::fault::Fault;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use star_catalogue::MIGRATION;

/// Creates the schema in an empty database and fills it with 2,000 stars times `amount`. At any size the first
/// constellation has a third of the stars and every other one about seven, every hundredth star awaits review, and each
/// observer has ten sightings.
pub async fn build(url: &str, amount: u32, fault: Option<Fault>) -> anyhow::Result<()> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    conn.batch_execute(MIGRATION).await?;
    conn.batch_execute(&seed(2000 * amount)).await?;
    match fault {
        Some(Fault::MissingIndex) => conn.batch_execute("DROP INDEX sightings_observer").await?,
        Some(Fault::UnusedIndex) => conn.batch_execute("CREATE INDEX stars_state ON stars (state)").await?,
        Some(Fault::BindInPredicate) | None => {}
    }
    Ok(())
}

fn seed(stars: u32) -> String {
    let constellations = stars / 10;
    let observers = stars / 5;
    format!(
        "INSERT INTO constellations (name) SELECT 'C ' || i FROM generate_series(1, {constellations} + 1) i;
         INSERT INTO stars (constellation_id, designation, magnitude, state)
             SELECT CASE WHEN i % 3 = 0 THEN 1 ELSE 2 + i % {constellations} END, 'HD ' || i,
                 i::bigint * 7919 % 9000 / 1000.0, CASE WHEN i % 100 = 0 THEN 'candidate' ELSE 'confirmed' END
             FROM generate_series(1, {stars}) i;
         INSERT INTO sightings (star_id, night, observer)
             SELECT 1 + i % {stars}, i / {stars}, 1 + i::bigint * 7919 % {observers}
             FROM generate_series(0, {stars} * 2 - 1) i"
    )
}
