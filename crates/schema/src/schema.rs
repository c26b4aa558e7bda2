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
    }
}

diesel::table! {
    /// Releases of ICD-10-CM that were imported; two of them are stored, one is in use.
    icd10_releases (id) {
        /// Row id; stands in the column `release` of the view `icd10_codes`.
        id -> Int8,
        /// The schema that it was imported into.
        slot -> Text,
        /// What it is called, mostly after its file.
        name -> Text,
        /// SHA-256 of its rows: the same table is not imported twice.
        digest -> Bytea,
        /// How many codes it has, without those that were carried over.
        codes -> Int4,
        /// When the import began.
        imported_at -> Timestamptz,
        /// Whether its slot still holds it.
        is_stored -> Bool,
        /// Whether the views show it.
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
    /// Product keys as PIDKey.com knew them when they were last checked.
    pidms_keys (id) {
        /// Row id.
        id -> Int8,
        /// The key, 25 characters without dashes.
        keyname -> Varchar,
        /// The key in five groups of five.
        keyname_with_dash -> Varchar,
        /// Product code, e.g. `Office16_ProPlusVL_MAK`.
        prd -> Varchar,
        /// Extended product id.
        eid -> Nullable<Varchar>,
        /// Type of the key; upstream does not document it.
        is_key_type -> Nullable<Varchar>,
        /// 1 retail, 2 volume.
        is_retail -> Nullable<Int4>,
        /// Sub type, e.g. `X21-74564`.
        sub -> Nullable<Varchar>,
        /// Activations left; -1 when not applicable or not known.
        remaining -> Int4,
        /// 1 blocked, -1 not.
        blocked -> Int4,
        /// Upstream's code, e.g. `0xC004C060`.
        errorcode -> Nullable<Varchar>,
        /// Upstream's own flag that something went wrong.
        had_occurred -> Nullable<Int4>,
        /// 1 when upstream holds the key for invalid.
        invalid -> Nullable<Int4>,
        /// When upstream checked the key, in its own words.
        datetime_checked_done -> Nullable<Varchar>,
        /// The same moment, where the words could be read.
        checked_at -> Nullable<Timestamptz>,
        /// When the key was first stored.
        created_at -> Timestamptz,
        /// When it was last checked again; null since it was first stored.
        updated_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// What the stored product keys of each product add up to; kept by triggers.
    pidms_products (prd) {
        /// Product code.
        prd -> Text,
        /// Number of keys.
        key_count -> Int8,
        /// Number of keys whose activations left are known.
        known_count -> Int8,
        /// Activations left on those keys.
        total_remaining -> Int8,
    }
}

diesel::table! {
    /// Searches of the terminology, a row each, kept for three months.
    search_logs (id, created_at) {
        /// Row id.
        id -> Int8,
        /// Row id of the caller's API key; null when it is not known.
        user_id -> Nullable<Int8>,
        /// The query in lower case; null when it found nothing or may name a person.
        query -> Nullable<Text>,
        /// How many codes were found.
        results_count -> Int4,
        /// How long the search took, in milliseconds.
        response_time_ms -> Float8,
        /// Whether the answer came from the cache.
        cache_hit -> Bool,
        /// When the search was answered.
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// Searches of the terminology added up by day (UTC); names no query and no caller, kept for good.
    search_stats_daily (day) {
        /// The day, UTC.
        day -> Date,
        /// Searches that were logged.
        searches -> Int8,
        /// Of those, the ones that found nothing.
        without_results -> Int8,
        /// Of those, the ones that the cache answered.
        cache_hits -> Int8,
        /// What they took together, in milliseconds.
        response_time_ms -> Float8,
    }
}

diesel::allow_tables_to_appear_in_same_query! {
    api_keys,
    icd10_releases,
    idempotency_records,
    pidms_keys,
    pidms_products,
    search_logs,
    search_stats_daily,
}
