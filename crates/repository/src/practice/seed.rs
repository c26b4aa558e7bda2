//! A practice as it is seeded: a tenth of its clients have left, and some share an address or a phone number. Each client
//! has about ten entries in the ledger of three years, and a busy one 400.

use crate::cases::{Rows, Table};
use steadfast_domain::practice::{AppointmentId, ClientId, LedgerEntryId, NoteId, ProviderId};
use uuid::Uuid;

/// The tables of the area.
pub(crate) const TABLES: &[Table] = &[CLIENTS, PROVIDERS, APPOINTMENTS, NOTES, LEDGER];

const CLIENTS: Table = Table {
    name: "clients",
    columns: "id, first_name, last_name, email, phone, date_of_birth, is_active, administrative_notes, created_at, \
        updated_at",
    per_mille: 95,
    at_most: u64::MAX,
    // Syllables, so that pairs of characters are as frequent as in names.
    rows: Rows::Selected(
        "SELECT id, first_name, last_name, CASE WHEN n BETWEEN 240 AND 440 AND n % 2 = 0 THEN 'family@example.com' \
                ELSE lower(first_name || '.' || last_name || n || '@example.com') END, \
            CASE WHEN n BETWEEN 240 AND 440 AND n % 2 = 1 THEN '555-0000000' \
                ELSE '555-' || lpad((n::bigint * 7919 % 10000000)::text, 7, '0') END, date '1930-01-01' + (n * 97 % 32000)::int, \
            n / 240 % 10 > 0, repeat('Prefers mornings. ', 1 + n % 20), made, made \
         FROM (SELECT n, lpad(to_hex(n), 32, '0')::uuid AS id, \
            (ARRAY['Ada', 'Ben', 'Carla', 'David', 'Elena', 'Frank', 'Grace', 'Hugo', 'Ines', 'John', 'Karen', 'Liam', \
                'Maria', 'Noah', 'Olga', 'Peter', 'Quinn', 'Rosa', 'Sven', 'Tara', 'Uma', 'Victor', 'Wanda', 'Yusuf'])\
                [1 + n % 24] AS first_name, \
            initcap((ARRAY['an', 'ber', 'cor', 'dal', 'el', 'fis', 'gar', 'hof', 'jen', 'kra', 'lin', 'mor', 'nor', 'ol', \
                'pet', 'ros', 'smi', 'tor', 'vin', 'wei'])[1 + n * 7 % 20] || \
                (ARRAY['an', 'der', 'e', 'in', 'la', 'li', 'man', 'ne', 'o', 'ri', 'son', 'ta', 'the'])[1 + n * 3 % 13] || \
                (ARRAY['', 'berg', 'er', 'ez', 'ler', 's', 'sen', 'son', 'stein', 'ton', 'witz'])[1 + n * 5 % 11]) \
                AS last_name, \
            timestamptz '2020-01-01 00:00:00+00' + interval '20 minutes' * n AS made \
            FROM generate_series(1, $count) AS n) AS numbered",
    ),
};

/// Half of them are psychologists, an eighth has left, and one in a hundred is a hypnotherapist.
const PROVIDERS: Table = Table {
    name: "providers",
    columns: "id, first_name, last_name, specialty, email, npi_number, accepts_new_patients, is_active, bio, created_at, \
        updated_at",
    per_mille: 60,
    at_most: 1_000,
    rows: Rows::Selected(
        "SELECT lpad(to_hex(n), 32, '0')::uuid, (ARRAY['Ada', 'Ben', 'Carla', 'David', 'Elena'])[1 + n % 5], \
            'Name ' || n * 7 % 100, CASE WHEN n % 100 = 9 THEN 'Hypnotherapy' WHEN n % 2 = 0 THEN 'Psychology' \
                ELSE (ARRAY['Psychiatry', 'Counseling', 'Social work'])[1 + n % 3] END, \
            'provider-' || n || '@example.com', lpad(n::text, 10, '0'), n % 3 > 0, n % 8 > 0, \
            repeat('Speaks two languages. ', 5 + n % 20), timestamptz '2020-01-01 00:00:00+00', \
            timestamptz '2020-01-01 00:00:00+00' FROM generate_series(1, $count) AS n",
    ),
};
/// Three notes for each client, and 400 by one provider about a busy one. Every fiftieth is not signed yet.
const NOTES: Table = Table {
    name: "notes",
    columns: "id, client_id, provider_id, note_type, title, content, diagnosis_codes, is_signed, signed_at, billable, \
        created_at, updated_at",
    per_mille: 285,
    at_most: u64::MAX,
    rows: Rows::Selected(
        "SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(CASE WHEN n % greatest($count / 400, 1) = 0 \
                THEN least(12, clients) ELSE 1 + n * 7919 % clients END), 32, '0')::uuid, \
            lpad(to_hex(CASE WHEN n % greatest($count / 400, 1) = 0 THEN least(9, providers) ELSE 1 + n * 31 % providers END), \
                32, '0')::uuid, \
            CASE WHEN n % 400 = 7 THEN 'discharge_summary' WHEN n % 100 = 9 THEN 'billing' WHEN n % 10 = 1 THEN 'assessment' \
                WHEN n % 10 = 2 THEN 'treatment_plan' ELSE 'progress_note' END, \
            'Session ' || n, repeat('The client reports better sleep. ', 3 + (n % 30)::int), \
            CASE WHEN n % 4 = 0 THEN '{}' ELSE ARRAY['F411'] END, n % 50 > 0, \
            CASE WHEN n % 50 > 0 THEN made + interval '1 day' END, n % 20 > 0, made, made \
         FROM (SELECT n, (SELECT count(*) FROM clients) AS clients, (SELECT count(*) FROM providers) AS providers, \
            timestamptz '2023-01-02 00:00:00+00' + interval '3 years' * (n / $count::float) AS made \
            FROM generate_series(1, $count::bigint) AS n) AS numbered",
    ),
};

/// Ten entries for each client. Old ones are reconciled, but one in a hundred; one in 200 is a draft.
const LEDGER: Table = Table {
    name: "ledger",
    columns: "id, client_id, transaction_type, amount, description, service_date, billing_code, payment_method, \
        is_posted, reconciliation_date, notes, created_at, updated_at",
    per_mille: 950,
    at_most: u64::MAX,
    rows: Rows::Selected(
        "SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(client), 32, '0')::uuid, kind, \
            CASE WHEN kind = 'adjustment' AND n % 2 = 0 THEN -amount ELSE amount END, 'Session ' || n, day, \
            CASE WHEN kind = 'charge' THEN '9083' || n % 10 END, \
            CASE kind WHEN 'payment' THEN 'credit_card' WHEN 'copay' THEN 'cash' WHEN 'insurance_payment' THEN 'insurance' END, \
            n % 200 <> 3, CASE WHEN n % 200 <> 3 AND n % 100 <> 1 AND n < $count * 9 / 10 THEN day + 30 END, \
            CASE WHEN n % 3 = 0 THEN repeat('Statement sent. ', 1 + n % 8) END, made, made \
         FROM (SELECT n, CASE WHEN n % greatest($count / 400, 1) = 0 THEN least(12, greatest($count / 10, 1)) \
                ELSE 1 + n::bigint * 7919 % greatest($count / 10, 1) END AS client, \
            (ARRAY['charge', 'charge', 'payment', 'charge', 'charge', 'insurance_payment', 'charge', 'copay', 'charge', \
                'payment', 'charge', 'insurance_payment', 'charge', 'payment', 'charge', 'deductible', 'charge', 'copay', \
                'adjustment', CASE n / 140 % 4 WHEN 0 THEN 'refund' WHEN 1 THEN 'write_off' ELSE 'payment' END])\
                [1 + n / 7 % 20] AS kind, \
            (5 + n::bigint * 7919 % 30000) / 100.0 + 1 AS amount, \
            date '2023-01-02' + (n::bigint * 1095 / $count)::int - n % 5 AS day, \
            timestamptz '2023-01-02 00:00:00+00' + interval '3 years' * (n / $count::float) AS made \
            FROM generate_series(1, $count) AS n) AS numbered",
    ),
};

/// Returns the id of the seeded entry `number` in the ledger, from 1.
pub(super) fn entry_id(number: u128) -> LedgerEntryId {
    LedgerEntryId(Uuid::from_u128(number))
}

/// Five for each client. A twentieth are groups of twenty clients with provider 11, every ten hours from 2026-03-02. Up to
/// 4,000 are with the busy provider 7, and up to 400 of the busy client 7, at all sizes of the data.
const APPOINTMENTS: Table = Table {
    name: "appointments",
    columns: "id, client_id, provider_id, scheduled_start, scheduled_end, appointment_type, status, reason_for_visit, \
        cancellation_reason, reminder_sent_at, created_at, updated_at",
    per_mille: 475,
    at_most: u64::MAX,
    rows: Rows::Selected(
        "SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(client), 32, '0')::uuid, lpad(to_hex(provider), 32, '0')::uuid, \
            start, start + interval '25 minutes', kind, status, repeat('Asks for advice. ', 1 + n % 10), \
            CASE WHEN status = 'cancelled' THEN 'Is ill.' END, \
            CASE WHEN n % 3 = 0 THEN start - interval '1 day' END, made, made \
         FROM (SELECT n, CASE WHEN n <= 8000 AND n % 20 = 1 THEN 7 ELSE 1 + n::bigint * 7919 % greatest($count / 5, 1) END AS client, \
            CASE WHEN n % 20 = 3 THEN 11 WHEN n <= 40000 AND n % 10 = 7 THEN 7 ELSE 12 + n % others END AS provider, \
            CASE WHEN n % 20 = 3 THEN timestamptz '2026-03-02 00:00:00+00' + n / 400 * interval '10 hours' \
                WHEN n <= 40000 AND n % 10 = 7 THEN timestamptz '2023-01-02 00:00:00+00' + n / 10 * interval '30 minutes' \
                ELSE timestamptz '2024-01-01 00:00:00+00' + n / others * interval '25 hours' END AS start, \
            CASE WHEN n % 20 = 3 THEN 'group_therapy' WHEN n % 3 = 0 THEN 'therapy_session' ELSE 'follow_up' END AS kind, \
            CASE WHEN n % 20 = 3 THEN (ARRAY['scheduled', 'confirmed'])[1 + n / 20 % 2] \
                WHEN n % 100 < 60 THEN 'completed' WHEN n % 100 < 75 THEN 'scheduled' WHEN n % 100 < 85 THEN 'confirmed' \
                WHEN n % 100 < 92 THEN 'cancelled' WHEN n % 100 < 97 THEN 'no_show' WHEN n % 100 < 99 THEN 'rescheduled' \
                ELSE 'in_progress' END AS status, \
            timestamptz '2022-12-01 00:00:00+00' AS made \
            FROM generate_series(1, $count) AS n, (SELECT greatest(count(*)::int - 11, 1) AS others FROM providers) AS counted) \
            AS numbered",
    ),
};

/// Returns the id of the seeded appointment `number`, from 1.
pub(super) fn appointment_id(number: u128) -> AppointmentId {
    AppointmentId(Uuid::from_u128(number))
}

/// Returns the id of the seeded client `number`, from 1.
pub(super) fn client_id(number: u128) -> ClientId {
    ClientId(Uuid::from_u128(number))
}

/// Returns the id of the seeded provider `number`, from 1.
pub(super) fn provider_id(number: u128) -> ProviderId {
    ProviderId(Uuid::from_u128(number))
}

/// Returns the id of the seeded note `number`, from 1.
pub(super) fn note_id(number: u128) -> NoteId {
    NoteId(Uuid::from_u128(number))
}
