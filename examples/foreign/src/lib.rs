//! A catalogue of stars: a program of somebody else, who knows diesel-async and nothing of how its queries are verified.

mod schema;
pub mod sightings;
pub mod stars;

/// The statements that make the tables.
pub const MIGRATION: &str = include_str!("../migrations/create_catalogue.sql");
