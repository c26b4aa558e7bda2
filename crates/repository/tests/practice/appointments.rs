//! Concurrent bookings, changes and cancellations: no two appointments of a provider overlap, and every success is stored.

use crate::support::Fixture;
use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join_all;
use serde_json::json;
use std::collections::BTreeMap;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{Appointment, AppointmentDetails, AppointmentId, StatusChange};
use steadfast_domain::version::Expected;
use steadfast_repository::{Error, Store, practice};

/// Number of tasks that book at the same time.
const TASKS: u64 = 8;

/// Number of requests of each task.
const REQUESTS: u64 = 60;

/// Sequence of pseudorandom numbers.
struct Numbers(u64);

impl Numbers {
    /// Returns the next number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Returns an appointment with one of two providers, on one day, of 10 to 60 minutes. One in eight is for a group.
    fn details(&mut self) -> Valid<AppointmentDetails> {
        let day: DateTime<Utc> = "2030-06-03T08:00:00Z".parse().expect("a time");
        let start = day + TimeDelta::minutes(self.below(60) as i64 * 10);
        let end = start + TimeDelta::minutes(10 + self.below(6) as i64 * 10);
        let kind = if self.below(8) == 0 { "group_therapy" } else { "therapy_session" };
        let body = json!({
            "client_id": uuid(1), "provider_id": uuid(1 + self.below(2)), "scheduled_start": start,
            "scheduled_end": end, "appointment_type": kind,
        });
        Valid::of(serde_json::from_value(body).expect("a body")).expect("valid details")
    }
}

fn uuid(number: u64) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

fn to_status(status: &str) -> Valid<StatusChange> {
    let body = json!({ "status": status });
    Valid::of(serde_json::from_value(body).expect("a body")).expect("a valid change")
}

/// Sends random requests about appointments that no other task changes. Returns the last known state of each.
async fn work(store: &Store, seed: u64) -> Result<BTreeMap<AppointmentId, Appointment>, Error> {
    let (origin, mut numbers) = (Origin::operator("test"), Numbers(seed));
    let mut own: BTreeMap<AppointmentId, Appointment> = BTreeMap::new();
    for _ in 0..REQUESTS {
        let at = numbers.below(own.len().max(1) as u64) as usize;
        let chosen = own.keys().nth(at).copied();
        let outcome = match (numbers.below(4), chosen) {
            (0, Some(id)) => {
                practice::update_appointment(store, &origin, (id, Expected::Any), &numbers.details()).await
            }
            (1, Some(id)) => {
                let next = ["cancelled", "no_show", "scheduled", "in_progress"][numbers.below(4) as usize];
                practice::change_status(store, &origin, (id, Expected::Any), &to_status(next)).await
            }
            _ => match practice::create_appointment(store, &origin, &numbers.details()).await {
                Ok(created) => {
                    practice::appointment(store, AppointmentId(created.id.parse().expect("an id"))).await
                }
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(appointment) => drop(own.insert(appointment.id, appointment)),
            // Of another one, which may be called off before it is looked up, or of a state that cannot follow.
            Err(Error::Overlap(_) | Error::Conflict { .. } | Error::State(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(own)
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_bookings_never_overlap() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let people = "INSERT INTO clients (id, first_name, last_name) VALUES ('00000000-0000-0000-0000-000000000001', 'Ada', 'King'); \
        INSERT INTO providers (id, first_name, last_name, email) \
            SELECT lpad(n::text, 32, '0')::uuid, 'Grace', 'Hopper', n || '@example.com' FROM generate_series(1, 2) AS n";
    client.batch_execute(people).await?;
    let known = try_join_all((0..TASKS).map(|seed| work(&fixture.store, seed))).await?;
    let known: Vec<Appointment> = known.into_iter().flat_map(BTreeMap::into_values).collect();
    assert!(known.len() > 20, "{} appointments", known.len());
    for appointment in &known {
        assert_eq!(&practice::appointment(&fixture.store, appointment.id).await?, appointment);
    }
    let stored: i64 = client.query_one("SELECT count(*) FROM appointments", &[]).await?.get(0);
    assert_eq!(stored as usize, known.len(), "no refused request has stored anything");
    let overlapping = "SELECT count(*) FROM appointments a JOIN appointments b ON a.provider_id = b.provider_id \
            AND a.id < b.id AND a.scheduled_start < b.scheduled_end AND b.scheduled_start < a.scheduled_end \
        WHERE a.appointment_type <> 'group_therapy' AND b.appointment_type <> 'group_therapy' \
            AND a.status IN ('scheduled', 'confirmed', 'in_progress') \
            AND b.status IN ('scheduled', 'confirmed', 'in_progress')";
    let overlapping: i64 = client.query_one(overlapping, &[]).await?.get(0);
    let audited: i64 = client
        .query_one("SELECT count(*) FROM audit_log WHERE resource_type = 'appointment'", &[])
        .await?
        .get(0);
    let versions = "SELECT sum(version)::bigint FROM appointments";
    let versions: i64 = client.query_one(versions, &[]).await?.get(0);
    assert_eq!((overlapping, audited), (0, versions), "each version has an entry in the audit trail");
    Ok(())
}
