//! A timetable written for diesel-async and bb8. Two lines were changed: the type of the pool and its construction.
//!
//! Run it with `cargo run --example port -- postgres://user@host/database`. It creates a table.

use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SaveChangesDsl, SimpleAsyncConnection};

// Was: type Pool = diesel_async::pooled_connection::bb8::Pool<diesel_async::AsyncPgConnection>;
type Pool = steadfast_postgres::Pool;
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

diesel::table! {
    /// Daily trains.
    trains (number) {
        /// Number in the timetable.
        number -> Int4,
        /// Destination.
        destination -> Text,
        /// Number of free seats.
        free_seats -> Int4,
    }
}

/// A train of the timetable.
#[derive(Debug, PartialEq, Queryable, Selectable, Insertable, AsChangeset, Identifiable)]
#[diesel(primary_key(number))]
pub(crate) struct Train {
    number: i32,
    destination: String,
    free_seats: i32,
}

async fn lay_tracks(pool: &Pool) -> Outcome<()> {
    let mut conn = pool.get().await?;
    conn.batch_execute(
        "CREATE TABLE trains (number int4 PRIMARY KEY, destination text NOT NULL, \
         free_seats int4 NOT NULL CHECK (free_seats >= 0))",
    )
    .await?;
    let train = |number, destination: &str, free_seats| Train {
        number,
        destination: destination.to_owned(),
        free_seats,
    };
    let first = [train(401, "Trondheim", 2), train(402, "Bergen", 80)];
    diesel::insert_into(trains::table).values(&first[..]).execute(&mut conn).await?;
    Ok(())
}

async fn departures(pool: &Pool) -> Outcome<Vec<Train>> {
    let mut conn = pool.get().await?;
    let trains = trains::table.order(trains::number).select(Train::as_select()).load(&mut conn).await?;
    Ok(trains)
}

/// Books seats in both trains or in neither.
async fn book(pool: &Pool, outward: i32, back: i32, seats: i32) -> Outcome<i32> {
    let mut conn = pool.get().await?;
    let left = conn
        .transaction(async |conn| {
            let mut left = 0;
            for number in [outward, back] {
                left = diesel::update(trains::table.find(number))
                    .set(trains::free_seats.eq(trains::free_seats - seats))
                    .returning(trains::free_seats)
                    .get_result(conn)
                    .await?;
            }
            Ok::<i32, diesel::result::Error>(left)
        })
        .await?;
    Ok(left)
}

async fn lengthen(pool: &Pool, mut train: Train, seats: i32) -> Outcome<Train> {
    let mut conn = pool.get().await?;
    train.free_seats += seats;
    Ok(train.save_changes(&mut conn).await?)
}

/// Runs the bookings of a day and returns the resulting timetable.
pub(crate) async fn day(pool: &Pool) -> Outcome<Vec<Train>> {
    lay_tracks(pool).await?;
    println!("{} seats left on the way back", book(pool, 402, 401, 1).await?);
    if let Err(error) = book(pool, 402, 401, 5).await {
        println!("the second group stays: {error}");
    }
    let express = departures(pool).await?.remove(0);
    println!("{:?}", lengthen(pool, express, 40).await?);
    departures(pool).await
}

/// Runs the example.
#[tokio::main]
pub(crate) async fn main() -> Outcome<()> {
    let url = std::env::args().nth(1).ok_or("give the address of a database")?;
    // Was: Pool::builder().build(AsyncDieselConnectionManager::new(url)).await?
    let pool = Pool::from_url(&url)?;
    for train in day(&pool).await? {
        println!("{} to {}: {} seats", train.number, train.destination, train.free_seats);
    }
    Ok(())
}
