//! Clinical notes.

use super::{AppointmentId, ClientId, DiagnosisCode, ProviderId};

use crate::Invalid;
use crate::fields::{Line, Prose, fields, id, names, recorded};
use crate::page::PageLimits;
use crate::version::Version;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Page sizes of the list of notes.
pub const NOTES_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

/// Maximum number of diagnosis codes of a note.
const CODES_MAX: usize = 20;

id! {
    /// Id of a note.
    NoteId
}

names! {
    /// Kind of a note.
    #[derive(Default)]
    pub enum NoteType {
        /// Progress of a treatment.
        #[default]
        ProgressNote = "progress_note",
        /// First meeting.
        IntakeNote = "intake_note",
        /// Assessment.
        Assessment = "assessment",
        /// Plan of a treatment.
        TreatmentPlan = "treatment_plan",
        /// End of a treatment.
        DischargeSummary = "discharge_summary",
        /// Administrative matter.
        Administrative = "administrative",
        /// Billing.
        Billing = "billing",
        /// Anything else.
        Other = "other",
    }
}

fields! {
    /// Content of a note.
    pub struct NoteDetails {
        /// The client.
        pub client_id: ClientId,
        /// The provider who writes the note.
        pub provider_id: ProviderId,
        /// Appointment that the note is about.
        pub appointment_id: Option<AppointmentId>,
        /// Kind of note.
        #[serde(default)]
        pub note_type: NoteType,
        /// Title.
        pub title: Line<255>,
        /// Text of the note.
        pub content: Prose<50000>,
        /// Codes of ICD-10-CM, which the terminology must have.
        #[serde(default)]
        #[schema(max_items = 20)]
        pub diagnosis_codes: Vec<DiagnosisCode>,
        /// Goals of the treatment.
        pub treatment_goals: Option<Prose<10000>>,
        /// Interventions.
        pub interventions: Option<Prose<10000>>,
        /// Response of the client.
        pub client_response: Option<Prose<10000>>,
        /// Plan.
        pub plan: Option<Prose<10000>>,
        /// True if a colleague is to review the note.
        #[serde(default)]
        pub requires_review: bool,
        /// False for a note that is not billed.
        #[serde(default = "billable")]
        pub billable: bool,
        /// Billing code (CPT).
        pub billing_code: Option<Line<20>>,
    }
    rules = |note, checks| {
        if note.diagnosis_codes.len() > CODES_MAX {
            checks.add("diagnosis_codes", format!("must have at most {CODES_MAX} codes"));
        }
    }
}

fn billable() -> bool {
    true
}

recorded! {
    /// A note, as the practice has recorded it.
    pub struct Note: NoteDetails {
        /// Id of the note.
        pub id: NoteId,
        /// True after the signature. The note can then only be locked.
        pub is_signed: bool,
        /// Time of the signature.
        pub signed_at: Option<DateTime<Utc>>,
        /// Row id of the user who signed; null if a program did.
        pub signed_by: Option<i64>,
        /// True if the note can no longer be changed.
        pub is_locked: bool,
        /// Time of the creation.
        pub created_at: DateTime<Utc>,
        /// Time of the last change.
        pub updated_at: DateTime<Utc>,
        /// Number of changes, from 1. The `ETag` of the note.
        pub version: Version,
    }
}

/// A note in a list, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoteSummary {
    /// Id of the note.
    pub id: NoteId,
    /// The client.
    pub client_id: ClientId,
    /// The provider who wrote the note.
    pub provider_id: ProviderId,
    /// Appointment that the note is about.
    pub appointment_id: Option<AppointmentId>,
    /// Kind of note.
    pub note_type: NoteType,
    /// Title.
    pub title: String,
    /// True after the signature.
    pub is_signed: bool,
    /// True if the note can no longer be changed.
    pub is_locked: bool,
    /// True if a colleague is to review the note.
    pub requires_review: bool,
    /// False for a note that is not billed.
    pub billable: bool,
    /// Time of the creation.
    pub created_at: DateTime<Utc>,
}

/// Conditions of the list of notes. They can be combined with a client or a provider; otherwise one of them is allowed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct NoteFilter {
    /// Notes about this client.
    #[param(value_type = Option<uuid::Uuid>)]
    pub client_id: Option<ClientId>,
    /// Notes by this provider.
    #[param(value_type = Option<uuid::Uuid>)]
    pub provider_id: Option<ProviderId>,
    /// Notes of this kind.
    pub note_type: Option<NoteType>,
    /// True for notes that are signed, false for those that are not.
    pub is_signed: Option<bool>,
    /// True for notes that are billed, false for those that are not.
    pub billable: Option<bool>,
    /// Notes created at this time or later. Can be combined with all conditions.
    pub from: Option<DateTime<Utc>>,
    /// Notes created before this time. Can be combined with all conditions.
    pub to: Option<DateTime<Utc>>,
}

impl NoteFilter {
    /// Validates the combination.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming the second of two conditions that can be combined only with a client or a provider.
    pub fn parse(self) -> Result<Self, Invalid> {
        let given = [
            ("note_type", self.note_type.is_some()),
            ("is_signed", self.is_signed.is_some()),
            ("billable", self.billable.is_some()),
        ];
        let mut given = given.iter().filter(|(_, is_given)| *is_given);
        match (given.next(), given.next()) {
            (Some((first, _)), Some((second, _)))
                if self.client_id.is_none() && self.provider_id.is_none() =>
            {
                Err(Invalid::field(*second, format!("needs client_id or provider_id together with {first}")))
            }
            _ => Ok(self),
        }
    }
}

/// Sort key of the list of notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteCursor {
    /// Time of the creation.
    pub created_at: DateTime<Utc>,
    /// Id of the note.
    pub id: NoteId,
}

/// A change of the state of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteStep {
    /// The provider signs the note.
    Sign,
    /// The note is closed for good.
    Lock,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_combined_with_a_client_or_a_provider() {
        let filter = NoteFilter {
            note_type: Some(NoteType::Billing),
            is_signed: Some(false),
            ..NoteFilter::default()
        };
        assert_eq!(filter.clone().parse().expect_err("refused").fields()[0].field, "is_signed");
        let provider_id = Some(ProviderId::generate());
        assert!(NoteFilter { provider_id, ..filter.clone() }.parse().is_ok());
        assert!(NoteFilter { client_id: Some(ClientId::generate()), ..filter.clone() }.parse().is_ok());
        assert!(NoteFilter { note_type: None, ..filter }.parse().is_ok());
    }
}
