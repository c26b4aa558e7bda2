//! The tables as the catalogue has them; written by `cargo xtask schema`, never by hand.

diesel::table! {
    /// API keys of programs that call the server. The keys themselves are not kept.
    api_keys (id) {
        /// Row id; stands in logs for the caller.
        id -> Int8,
        /// SHA-256 of the key.
        key_hash -> Bytea,
        /// What the key is for, in its owner's words.
        name -> Text,
        /// The key's first characters, to tell keys apart.
        key_prefix -> Text,
        /// What the bearer may do: `area:verb` each, or `*`.
        scopes -> Array<Text>,
        /// When the key was made.
        created_at -> Timestamptz,
        /// From when on the key is refused; never when null.
        expires_at -> Nullable<Timestamptz>,
        /// When the key was withdrawn; in use when null.
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// ICD-10-CM codes of the release that was imported last, and those of earlier ones.
    icd10_codes (code) {
        /// The code, upper case, without dot.
        code -> Varchar,
        /// What it stands for.
        term -> Text,
        /// The three-character category.
        category -> Varchar,
        /// The code above it; null for a category. No foreign key: a release is imported in any order.
        parent_code -> Nullable<Varchar>,
        /// Block of categories, e.g. `A00-A09`.
        block -> Text,
        /// Number and title of the chapter.
        chapter -> Text,
        /// Whether it has no codes below it.
        billable -> Bool,
        /// Whether it is in the release that was imported last.
        active -> Bool,
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

diesel::allow_tables_to_appear_in_same_query!(api_keys, icd10_codes, pidms_keys);
