//! Stars and their constellations.

use crate::schema::{constellations, stars};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

/// A star.
#[derive(Debug, Queryable, Selectable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Star {
    /// Id.
    pub id: i64,
    /// Name, e.g. `HD 48915`.
    pub designation: String,
    /// Apparent magnitude; lower is brighter.
    pub magnitude: f64,
}

/// Returns the star with this name.
pub async fn by_designation(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<Option<Star>> {
    let named = stars::table.filter(stars::designation.eq(name)).select(Star::as_select());
    named.first(conn).await.optional()
}

/// Returns the brightest stars of a constellation, at most ten.
pub async fn brightest(conn: &mut AsyncPgConnection, constellation: i64) -> QueryResult<Vec<Star>> {
    let stars = stars::table.filter(stars::constellation_id.eq(constellation)).select(Star::as_select());
    stars.order(stars::magnitude).limit(10).load(conn).await
}

/// Returns the brightest stars of a constellation that await review, at most ten.
pub async fn candidates(conn: &mut AsyncPgConnection, constellation: i64) -> QueryResult<Vec<Star>> {
    // A constant, because the generic plan of the prepared statement must match the partial index.
    let waiting = stars::table.filter(diesel::dsl::sql::<Bool>("state = 'candidate'"));
    let waiting = waiting.filter(stars::constellation_id.eq(constellation)).select(Star::as_select());
    waiting.order(stars::magnitude).limit(10).load(conn).await
}

/// Does the same as [`candidates`], with a common fault: the constant is sent as a value.
pub async fn candidates_by_value(conn: &mut AsyncPgConnection, constellation: i64) -> QueryResult<Vec<Star>> {
    let waiting = stars::table.filter(stars::state.eq("candidate"));
    let waiting = waiting.filter(stars::constellation_id.eq(constellation)).select(Star::as_select());
    waiting.order(stars::magnitude).limit(10).load(conn).await
}

/// Adds a star that awaits review, and its constellation if that is missing. Returns the id of the star.
pub async fn add(conn: &mut AsyncPgConnection, constellation: &str, designation: &str) -> QueryResult<i64> {
    conn.transaction(async |conn| {
        let (id, name) = (constellations::id, constellations::name);
        let added = diesel::insert_into(constellations::table).values(name.eq(constellation));
        let added = added.on_conflict(name).do_update().set(name.eq(constellation)).returning(id);
        let constellation: i64 = added.get_result(conn).await?;
        let star = (
            stars::constellation_id.eq(constellation),
            stars::designation.eq(designation),
            stars::magnitude.eq(6.0),
            stars::state.eq("candidate"),
        );
        diesel::insert_into(stars::table).values(star).returning(stars::id).get_result(conn).await
    })
    .await
}

/// Removes a constellation with its stars and their sightings. Returns false if there is none.
pub async fn dissolve(conn: &mut AsyncPgConnection, constellation: i64) -> QueryResult<bool> {
    let one = constellations::table.find(constellation);
    Ok(diesel::delete(one).execute(conn).await? == 1)
}
