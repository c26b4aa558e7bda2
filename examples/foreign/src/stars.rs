//! Stars and their constellations.

use crate::schema::{constellations, stars};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

/// A star.
#[derive(Debug, Queryable, Selectable)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Star {
    /// Its number.
    pub id: i64,
    /// Its name, e.g. `HD 48915`.
    pub designation: String,
    /// How bright it looks; less is brighter.
    pub magnitude: f64,
}

/// The star of that name.
pub async fn by_designation(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<Option<Star>> {
    let named = stars::table.filter(stars::designation.eq(name)).select(Star::as_select());
    named.first(conn).await.optional()
}

/// The brightest stars of a constellation, at most ten.
pub async fn brightest(conn: &mut AsyncPgConnection, constellation: i64) -> QueryResult<Vec<Star>> {
    let stars = stars::table.filter(stars::constellation_id.eq(constellation)).select(Star::as_select());
    stars.order(stars::magnitude).limit(10).load(conn).await
}

/// The brightest stars of a constellation that wait for a review, at most ten.
pub async fn candidates(conn: &mut AsyncPgConnection, constellation: i64) -> QueryResult<Vec<Star>> {
    // As a constant: the plan of a prepared statement has to fit the index whatever the values are.
    let waiting = stars::table.filter(diesel::dsl::sql::<Bool>("state = 'candidate'"));
    let waiting = waiting.filter(stars::constellation_id.eq(constellation)).select(Star::as_select());
    waiting.order(stars::magnitude).limit(10).load(conn).await
}

/// As [`candidates`], with the fault that is easily made: the constant is sent as a value.
pub async fn candidates_by_value(conn: &mut AsyncPgConnection, constellation: i64) -> QueryResult<Vec<Star>> {
    let waiting = stars::table.filter(stars::state.eq("candidate"));
    let waiting = waiting.filter(stars::constellation_id.eq(constellation)).select(Star::as_select());
    waiting.order(stars::magnitude).limit(10).load(conn).await
}

/// A new star, which waits for a review, in a constellation that is made when it is not there.
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

/// Removes a constellation with its stars and what was seen of them. Whether it was there.
pub async fn dissolve(conn: &mut AsyncPgConnection, constellation: i64) -> QueryResult<bool> {
    let one = constellations::table.find(constellation);
    Ok(diesel::delete(one).execute(conn).await? == 1)
}
