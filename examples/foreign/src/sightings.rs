//! Sightings of stars by observers.

use crate::schema::{sightings, stars};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Records that `observer` saw a star in a night. Returns true if the sighting is new.
pub async fn record(conn: &mut AsyncPgConnection, star: i64, night: i32, observer: i64) -> QueryResult<bool> {
    let sighting =
        (sightings::star_id.eq(star), sightings::night.eq(night), sightings::observer.eq(observer));
    let new = diesel::insert_into(sightings::table).values(sighting);
    Ok(new.on_conflict((sightings::star_id, sightings::night)).do_nothing().execute(conn).await? == 1)
}

/// Returns the names of all stars that `observer` has seen, with the nights.
pub async fn of_observer(conn: &mut AsyncPgConnection, observer: i64) -> QueryResult<Vec<(String, i32)>> {
    let seen = sightings::table.inner_join(stars::table).filter(sightings::observer.eq(observer));
    seen.select((stars::designation, sightings::night)).load(conn).await
}
