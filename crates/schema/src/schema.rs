//! The tables as the catalogue has them; written by `cargo xtask schema`, never by hand.

diesel::table! {
    /// API keys of programs that call the server. Only their hashes are stored.
    api_keys (id) {
        /// Row id, which identifies the caller in logs.
        id -> Int8,
        /// SHA-256 of the key.
        key_hash -> Bytea,
        /// Purpose of the key, in its owner's words.
        name -> Text,
        /// First characters of the key, to tell keys apart.
        key_prefix -> Text,
        /// Scopes that the key grants: `area:verb` each, or `*`.
        scopes -> Array<Text>,
        /// Time of the creation.
        created_at -> Timestamptz,
        /// Time from which on the key is refused; null if it does not expire.
        expires_at -> Nullable<Timestamptz>,
        /// Time of the revocation; null if the key was not revoked.
        revoked_at -> Nullable<Timestamptz>,
        /// Number of the changes of the key, from 1.
        version -> Int4,
        /// Caller that created the key, such as `user:7`; null if unknown.
        created_by -> Nullable<Text>,
        /// Time of the last use, to the minute; null if the key was not used.
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Appointments of clients with providers. They are cancelled, never deleted.
    appointments (id) {
        /// Id, a UUID of version 7.
        id -> Uuid,
        /// The client.
        client_id -> Uuid,
        /// The provider.
        provider_id -> Uuid,
        /// Planned beginning.
        scheduled_start -> Timestamptz,
        /// Planned end.
        scheduled_end -> Timestamptz,
        /// Time at which the appointment began.
        actual_start -> Nullable<Timestamptz>,
        /// Time at which the appointment ended.
        actual_end -> Nullable<Timestamptz>,
        /// Kind of appointment.
        appointment_type -> Text,
        /// State of the appointment.
        status -> Text,
        /// Number of units to bill.
        billable_units -> Int4,
        /// Place.
        location -> Nullable<Text>,
        /// True if the appointment takes place online.
        is_telehealth -> Bool,
        /// Address of the online meeting.
        meeting_link -> Nullable<Text>,
        /// Reason, in the words of the client.
        reason_for_visit -> Nullable<Text>,
        /// Notes of the administration.
        appointment_notes -> Nullable<Text>,
        /// Reason for the cancellation.
        cancellation_reason -> Nullable<Text>,
        /// Time at which a reminder was sent.
        reminder_sent_at -> Nullable<Timestamptz>,
        /// Time at which a confirmation was sent.
        confirmation_sent_at -> Nullable<Timestamptz>,
        /// Share of the client, in dollars.
        copay_amount -> Nullable<Numeric>,
        /// Authorization of the insurance.
        insurance_authorization -> Nullable<Text>,
        /// Time of the creation.
        created_at -> Timestamptz,
        /// Time of the last change.
        updated_at -> Timestamptz,
        /// Number of the changes of the appointment, from 1.
        version -> Int4,
    }
}

diesel::table! {
    /// Changes, audited reads and logins, one row each, stored in the transaction of the effect.
    audit_log (id, created_at) {
        /// Row id, in the order of the writes.
        id -> Int8,
        /// Time of the write.
        created_at -> Timestamptz,
        /// Id of the request, as in the log of the server.
        correlation_id -> Text,
        /// Row id of the user; null if the caller was no user.
        user_id -> Nullable<Int8>,
        /// Row id of the user's session.
        session_id -> Nullable<Int8>,
        /// Row id of the API key; null if the caller had none.
        api_key_id -> Nullable<Int8>,
        /// Kind of effect, such as `create`, `update` or `read`.
        action -> Text,
        /// Kind of resource, such as `client`.
        resource_type -> Text,
        /// Id of the resource; null if there was none.
        resource_id -> Nullable<Text>,
        /// The resource before the change; null for a creation and a read.
        old_values -> Nullable<Jsonb>,
        /// The resource after the change; null for a deletion and a read.
        new_values -> Nullable<Jsonb>,
        /// Further facts about the effect.
        details -> Nullable<Jsonb>,
        /// False if the request was refused.
        success -> Bool,
        /// Reason for the refusal.
        error_message -> Nullable<Text>,
        /// Address from which the request came.
        ip_address -> Nullable<Inet>,
        /// Header User-Agent of the request, cut to 512 characters.
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    /// Chain of hashes over the rows of audit_log, by which changed, removed and inserted rows are found.
    audit_seals (number) {
        /// Number of the seal, from 1 without gaps.
        number -> Int8,
        /// First row id that the seal covers, one above the last id of the seal before.
        first_id -> Int8,
        /// Last row id that the seal covers. Ids of the range that are not in row_ids were never stored.
        last_id -> Int8,
        /// Ids of the sealed rows, ascending.
        row_ids -> Array<Int8>,
        /// Times (created_at) of the sealed rows.
        row_times -> Array<Timestamptz>,
        /// SHA-256 of each sealed row.
        row_hashes -> Array<Bytea>,
        /// Time of the seal, by the clock of the server that computed it.
        sealed_at -> Timestamptz,
        /// SHA-256 of all other columns and of the hash of the seal before.
        hash -> Bytea,
    }
}

diesel::table! {
    /// Attempts to log in since the last success, by address.
    auth_login_attempts (login_hash) {
        /// SHA-256 of the e-mail address or phone number.
        login_hash -> Bytea,
        /// Number of the attempts. The sixth is refused.
        attempts -> Int4,
        /// Time at which the attempts are forgotten.
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    /// Sessions of users. Only the hashes of their tokens are stored.
    auth_session (id) {
        /// Row id, which identifies the session in logs.
        id -> Int8,
        /// Row id of the user.
        user_id -> Int8,
        /// SHA-256 of the token.
        session_token_hash -> Bytea,
        /// Time of the login.
        created_at -> Timestamptz,
        /// Time of the last request, to the minute.
        last_activity_at -> Timestamptz,
        /// Time at which the session ends, however much it is used.
        expires_at -> Timestamptz,
        /// Time of the revocation; null if the session was not revoked.
        revoked_at -> Nullable<Timestamptz>,
        /// Header User-Agent of the login, cut to 512 characters.
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    /// Balances of the clients with posted entries in the ledger, maintained by triggers.
    client_balances (client_id) {
        /// The client.
        client_id -> Uuid,
        /// Sum of the signed amounts: what the client owes, negative if the client has credit.
        balance -> Numeric,
    }
}

diesel::table! {
    /// Clients of the practice. They are never deleted.
    clients (id) {
        /// Id, a UUID of version 7.
        id -> Uuid,
        /// First name.
        first_name -> Text,
        /// Last name.
        last_name -> Text,
        /// Middle name.
        middle_name -> Nullable<Text>,
        /// E-mail address.
        email -> Nullable<Text>,
        /// Phone number, in any notation.
        phone -> Nullable<Text>,
        /// First line of the address.
        address_line1 -> Nullable<Text>,
        /// Second line of the address.
        address_line2 -> Nullable<Text>,
        /// City.
        city -> Nullable<Text>,
        /// State.
        state -> Nullable<Text>,
        /// Postal code.
        zip_code -> Nullable<Text>,
        /// Date of birth.
        date_of_birth -> Nullable<Date>,
        /// Gender, in the client's words.
        gender -> Nullable<Text>,
        /// Insurance company.
        insurance_provider -> Nullable<Text>,
        /// Number of the insurance.
        insurance_id -> Nullable<Text>,
        /// Name of the person to call in an emergency.
        emergency_contact_name -> Nullable<Text>,
        /// Phone number of that person.
        emergency_contact_phone -> Nullable<Text>,
        /// Relationship of that person to the client.
        emergency_contact_relationship -> Nullable<Text>,
        /// Primary diagnosis: a code of ICD-10-CM.
        primary_diagnosis -> Nullable<Text>,
        /// Further diagnoses.
        secondary_diagnoses -> Nullable<Text>,
        /// Medication that the client takes.
        medications -> Nullable<Text>,
        /// Allergies.
        allergies -> Nullable<Text>,
        /// False if the client has left the practice.
        is_active -> Bool,
        /// Language that the client prefers.
        preferred_language -> Text,
        /// Ways in which the client wants to be contacted.
        communication_preferences -> Nullable<Text>,
        /// Notes of the intake.
        intake_notes -> Nullable<Text>,
        /// Notes of the administration.
        administrative_notes -> Nullable<Text>,
        /// Time of the creation.
        created_at -> Timestamptz,
        /// Time of the last change.
        updated_at -> Timestamptz,
        /// Number of the changes of the client, from 1.
        version -> Int4,
        /// Texts in which the search looks for parts: the names and the e-mail address, in lower case.
        search_text -> Text,
        /// Pairs of neighbouring characters of `search_text`, by which the search finds parts.
        search_pairs -> Array<Int4>,
    }
}

diesel::table! {
    /// Imported releases of ICD-10-CM. Two of them are stored, one is in use.
    icd10_releases (id) {
        /// Row id; the column `release` of the view `icd10_codes`.
        id -> Int8,
        /// Schema that contains the release.
        slot -> Text,
        /// Name of the release, by default that of its file.
        name -> Text,
        /// SHA-256 of the rows, by which a repeated import is recognised.
        digest -> Bytea,
        /// Number of codes, without those carried over from the release before.
        codes -> Int4,
        /// Time at which the import began.
        imported_at -> Timestamptz,
        /// True if the slot still contains the release.
        is_stored -> Bool,
        /// True if the views show the release.
        is_current -> Bool,
    }
}

diesel::table! {
    /// Answers to requests with an Idempotency-Key, stored with their effect.
    idempotency_records (principal, key) {
        /// Caller: `api_key:` and its row id.
        principal -> Text,
        /// Value of the header Idempotency-Key.
        key -> Text,
        /// Operation that the request ran.
        route -> Text,
        /// SHA-256 of method, path and body.
        request_hash -> Bytea,
        /// Id of the resource that was created.
        resource_id -> Text,
        /// JSON of the resource when it was created.
        body -> Text,
        /// Time of the request.
        created_at -> Timestamptz,
        /// Time from which on the key can be used for another request.
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    /// Charges and payments of clients. Posted entries are never deleted, reconciled ones never changed.
    ledger (id) {
        /// Id, a UUID of version 7.
        id -> Uuid,
        /// The client.
        client_id -> Uuid,
        /// Kind of transaction.
        transaction_type -> Text,
        /// Amount in dollars; only an adjustment can be negative.
        amount -> Numeric,
        /// Amount by which the transaction changes the balance that the client owes.
        signed_amount -> Numeric,
        /// Description.
        description -> Text,
        /// Day of the service or of the payment.
        service_date -> Date,
        /// Billing code (CPT).
        billing_code -> Nullable<Text>,
        /// Code of ICD-10-CM, without dot.
        diagnosis_code -> Nullable<Text>,
        /// Means of payment.
        payment_method -> Nullable<Text>,
        /// Reference number.
        reference_number -> Nullable<Text>,
        /// Number of the check.
        check_number -> Nullable<Text>,
        /// Number of the insurance claim.
        insurance_claim_number -> Nullable<Text>,
        /// Authorization of the insurance.
        insurance_authorization -> Nullable<Text>,
        /// True if the entry counts in the balance.
        is_posted -> Bool,
        /// True if the entry was reconciled.
        is_reconciled -> Bool,
        /// Day of the reconciliation; null if the entry was not reconciled.
        reconciliation_date -> Nullable<Date>,
        /// Notes.
        notes -> Nullable<Text>,
        /// Time of the creation.
        created_at -> Timestamptz,
        /// Time of the last change.
        updated_at -> Timestamptz,
        /// Number of the changes of the entry, from 1.
        version -> Int4,
    }
}

diesel::table! {
    /// Clinical notes. They are neither changed nor deleted after they were signed or locked.
    notes (id) {
        /// Id, a UUID of version 7.
        id -> Uuid,
        /// The client.
        client_id -> Uuid,
        /// The provider who wrote the note.
        provider_id -> Uuid,
        /// Appointment that the note is about.
        appointment_id -> Nullable<Uuid>,
        /// Kind of note.
        note_type -> Text,
        /// Title.
        title -> Text,
        /// Text of the note.
        content -> Text,
        /// Codes of ICD-10-CM, without dot.
        diagnosis_codes -> Array<Text>,
        /// Goals of the treatment.
        treatment_goals -> Nullable<Text>,
        /// Interventions.
        interventions -> Nullable<Text>,
        /// Response of the client.
        client_response -> Nullable<Text>,
        /// Plan.
        plan -> Nullable<Text>,
        /// True if the provider has signed the note.
        is_signed -> Bool,
        /// Time of the signature.
        signed_at -> Nullable<Timestamptz>,
        /// User who signed the note; null if a program did.
        signed_by -> Nullable<Int8>,
        /// True if the note was locked.
        is_locked -> Bool,
        /// True if the note is to be reviewed.
        requires_review -> Bool,
        /// True if the note can be billed.
        billable -> Bool,
        /// Billing code (CPT).
        billing_code -> Nullable<Text>,
        /// Time of the creation.
        created_at -> Timestamptz,
        /// Time of the last change.
        updated_at -> Timestamptz,
        /// Number of the changes of the note, from 1.
        version -> Int4,
    }
}

diesel::table! {
    /// Product keys with their state at PIDKey.com when they were last checked.
    pidms_keys (id) {
        /// Row id.
        id -> Int8,
        /// Key, 25 characters without dashes.
        keyname -> Varchar,
        /// Key in five groups of five characters.
        keyname_with_dash -> Varchar,
        /// Product code, such as `Office16_ProPlusVL_MAK`.
        prd -> Varchar,
        /// Extended product id.
        eid -> Nullable<Varchar>,
        /// Type of the key, which PIDKey.com does not document.
        is_key_type -> Nullable<Varchar>,
        /// 1 for retail, 2 for volume.
        is_retail -> Nullable<Int4>,
        /// Subtype, such as `X21-74564`.
        sub -> Nullable<Varchar>,
        /// Remaining activations; -1 if not applicable or not known.
        remaining -> Int4,
        /// 1 if the key is blocked, otherwise -1.
        blocked -> Int4,
        /// Error code of PIDKey.com, such as `0xC004C060`.
        errorcode -> Nullable<Varchar>,
        /// Error flag of PIDKey.com.
        had_occurred -> Nullable<Int4>,
        /// 1 if PIDKey.com considers the key invalid.
        invalid -> Nullable<Int4>,
        /// Time of the check as text of PIDKey.com.
        datetime_checked_done -> Nullable<Varchar>,
        /// Time of the check; null if the text could not be parsed.
        checked_at -> Nullable<Timestamptz>,
        /// Time at which the key was first stored.
        created_at -> Timestamptz,
        /// Time of the last check; null if the key was checked once.
        updated_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Totals of the stored product keys by product, maintained by triggers.
    pidms_products (prd) {
        /// Product code.
        prd -> Text,
        /// Number of keys.
        key_count -> Int8,
        /// Number of keys with a known number of remaining activations.
        known_count -> Int8,
        /// Remaining activations of those keys.
        total_remaining -> Int8,
    }
}

diesel::table! {
    /// Clinicians and other providers of the practice. They are never deleted.
    providers (id) {
        /// Id, a UUID of version 7.
        id -> Uuid,
        /// First name.
        first_name -> Text,
        /// Last name.
        last_name -> Text,
        /// Middle name.
        middle_name -> Nullable<Text>,
        /// Title.
        title -> Nullable<Text>,
        /// Credentials, such as PhD.
        credentials -> Nullable<Text>,
        /// Specialty.
        specialty -> Nullable<Text>,
        /// Number of the license.
        license_number -> Nullable<Text>,
        /// State that granted the license.
        license_state -> Nullable<Text>,
        /// E-mail address.
        email -> Text,
        /// Phone number.
        phone -> Nullable<Text>,
        /// Phone number of the office.
        office_phone -> Nullable<Text>,
        /// First line of the address of the office.
        office_address_line1 -> Nullable<Text>,
        /// Second line of the address of the office.
        office_address_line2 -> Nullable<Text>,
        /// City of the office.
        office_city -> Nullable<Text>,
        /// State of the office.
        office_state -> Nullable<Text>,
        /// Postal code of the office.
        office_zip_code -> Nullable<Text>,
        /// National Provider Identifier: ten digits.
        npi_number -> Nullable<Text>,
        /// Tax id.
        tax_id -> Nullable<Text>,
        /// Usual duration of an appointment, in minutes.
        default_appointment_minutes -> Int4,
        /// True if the provider accepts new clients.
        accepts_new_patients -> Bool,
        /// False if the provider has left the practice.
        is_active -> Bool,
        /// Description for clients.
        bio -> Nullable<Text>,
        /// Notes of the administration.
        administrative_notes -> Nullable<Text>,
        /// Time of the creation.
        created_at -> Timestamptz,
        /// Time of the last change.
        updated_at -> Timestamptz,
        /// Number of the changes of the provider, from 1.
        version -> Int4,
    }
}

diesel::table! {
    /// Searches of the terminology, stored for three months.
    search_logs (id, created_at) {
        /// Row id.
        id -> Int8,
        /// Row id of the caller's API key; null if it is not known.
        user_id -> Nullable<Int8>,
        /// Query in lower case; null if it found nothing or may contain personal data.
        query -> Nullable<Text>,
        /// Number of codes found.
        results_count -> Int4,
        /// Duration of the search in milliseconds.
        response_time_ms -> Float8,
        /// True if the answer came from the cache.
        cache_hit -> Bool,
        /// Time of the answer.
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// Daily totals of the searches of the terminology, without queries and callers. Stored permanently.
    search_stats_daily (day) {
        /// Day in UTC.
        day -> Date,
        /// Number of logged searches.
        searches -> Int8,
        /// Number of searches that found nothing.
        without_results -> Int8,
        /// Number of searches answered from the cache.
        cache_hits -> Int8,
        /// Total duration of the searches in milliseconds.
        response_time_ms -> Float8,
    }
}

diesel::table! {
    /// People who call the server. They log in with an e-mail address or a phone number.
    users (id) {
        /// Row id, which identifies the user in logs.
        id -> Int8,
        /// E-mail address in lower case; null if there is none.
        email -> Nullable<Text>,
        /// Phone number as in E.164; null if there is none.
        phone_number -> Nullable<Text>,
        /// Name as it is shown.
        display_name -> Text,
        /// Argon2id hash of the password in PHC format; null if the user has none.
        password_hash -> Nullable<Text>,
        /// True if the user has a password.
        has_password -> Bool,
        /// Roles, each of which gives scopes.
        roles -> Array<Text>,
        /// False if the user was deactivated and cannot log in.
        is_active -> Bool,
        /// Degree of trust: `new`, `standard` or `trusted`.
        trust_level -> Text,
        /// Token of the link by which the user refers others; null if there is none.
        referral_share_token -> Nullable<Text>,
        /// Place where the user signed up; null if unknown.
        signup_source -> Nullable<Text>,
        /// Time of the creation.
        created_at -> Timestamptz,
        /// Time of the last change.
        updated_at -> Timestamptz,
        /// Number of the changes of the user, from 1.
        version -> Int4,
    }
}

diesel::joinable!(appointments -> clients (client_id));
diesel::joinable!(appointments -> providers (provider_id));
diesel::joinable!(auth_session -> users (user_id));
diesel::joinable!(client_balances -> clients (client_id));
diesel::joinable!(ledger -> clients (client_id));
diesel::joinable!(notes -> appointments (appointment_id));
diesel::joinable!(notes -> clients (client_id));
diesel::joinable!(notes -> providers (provider_id));

diesel::allow_tables_to_appear_in_same_query! {
    api_keys,
    appointments,
    audit_log,
    audit_seals,
    auth_login_attempts,
    auth_session,
    client_balances,
    clients,
    icd10_releases,
    idempotency_records,
    ledger,
    notes,
    pidms_keys,
    pidms_products,
    providers,
    search_logs,
    search_stats_daily,
    users,
}
