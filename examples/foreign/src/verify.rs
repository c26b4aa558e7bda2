//! Verifies every query of the catalogue: the contract of each function, and its cases.

use crate::{database, fault::Fault};
use star_catalogue::{sightings, stars};
use steadfast_plans::{Contract, Error, Report, Verification};

/// Verifies the queries on databases that are created next to that of `url` and dropped again.
pub async fn verify(url: &str, fault: Option<Fault>) -> Result<Report, Error> {
    let build = async |url: &str, amount| database::build(url, amount, fault).await;
    let cases = async |verification: &mut Verification| {
        verification.ablate();
        of_stars(verification, fault).await?;
        of_sightings(verification).await
    };
    Verification::run(url, build, cases).await
}

async fn of_stars(catalogue: &mut Verification, fault: Option<Fault>) -> Result<(), Error> {
    let named = Contract::new("stars.by_designation").served_by(&["stars_designation_key"]);
    for (case, name) in [("one", "HD 77"), ("none", "Nowhere")] {
        catalogue.case(&named, case, async |conn| stars::by_designation(conn, name).await).await?;
    }
    let brightest = Contract::new("stars.brightest").served_by(&["stars_brightness"]);
    for (case, constellation) in [("many", 1), ("some", 7), ("none", 0)] {
        catalogue.case(&brightest, case, async |conn| stars::brightest(conn, constellation).await).await?;
    }
    let candidates = Contract::new("stars.candidates").served_by(&["stars_candidates"]);
    for (case, constellation) in [("many", 1), ("few", 2), ("none", 0)] {
        let find = async |conn: &mut _| match fault {
            Some(Fault::BindInPredicate) => stars::candidates_by_value(conn, constellation).await,
            _ => stars::candidates(conn, constellation).await,
        };
        catalogue.case(&candidates, case, find).await?;
    }
    let add = Contract::new("stars.add").statements(2).served_by(&["constellations_name_key"]);
    for (case, constellation) in [("old constellation", "C 7"), ("new constellation", "C new")] {
        catalogue.case(&add, case, async |conn| stars::add(conn, constellation, "HD new").await).await?;
    }
    let dissolve = Contract::new("stars.dissolve").served_by(&["constellations_pkey"]);
    let dissolve = dissolve.supports_fk(&["stars_brightness", "sightings_pkey"]);
    for (case, constellation) in [("one", 7), ("none", 0)] {
        catalogue.case(&dissolve, case, async |conn| stars::dissolve(conn, constellation).await).await?;
    }
    Ok(())
}

async fn of_sightings(catalogue: &mut Verification) -> Result<(), Error> {
    let record = Contract::new("sightings.record").served_by(&["sightings_pkey"]);
    for (case, night) in [("new", 5), ("seen before", 0)] {
        catalogue.case(&record, case, async |conn| sightings::record(conn, 77, night, 7).await).await?;
    }
    let seen = Contract::new("sightings.of_observer").served_by(&["sightings_observer", "stars_pkey"]);
    for (case, observer) in [("some", 7), ("none", 0)] {
        catalogue.case(&seen, case, async |conn| sightings::of_observer(conn, observer).await).await?;
    }
    Ok(())
}
