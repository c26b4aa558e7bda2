//! Tables for diesel.

diesel::table! {
    constellations (id) {
        id -> BigInt,
        name -> Text,
    }
}

diesel::table! {
    stars (id) {
        id -> BigInt,
        constellation_id -> BigInt,
        designation -> Text,
        magnitude -> Double,
        state -> Text,
    }
}

diesel::table! {
    sightings (star_id, night) {
        star_id -> BigInt,
        night -> Integer,
        observer -> BigInt,
    }
}

diesel::joinable!(sightings -> stars (star_id));
diesel::allow_tables_to_appear_in_same_query!(sightings, stars);
