//! A catalogue of stars: a program that uses diesel-async and does not know how its queries are verified.

mod schema;
pub mod sightings;
pub mod stars;

/// SQL that creates the tables.
pub const MIGRATION: &str = include_str!("../migrations/create_catalogue.sql");
