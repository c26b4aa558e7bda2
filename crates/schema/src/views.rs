//! Views of the terminology, declared by hand: the catalogue does not know which of their columns can be null.

diesel::table! {
    /// Codes of the release in use, and inactive ones of earlier releases.
    icd10_codes (code) {
        /// The code, without dot.
        code -> Text,
        /// Meaning of the code.
        term -> Text,
        /// Number and title of the chapter.
        chapter -> Text,
        /// Parent of the code; null for a category.
        parent_code -> Nullable<Text>,
        /// True if the release in use has the code.
        active -> Bool,
        /// True if the code is valid for billing.
        billable -> Bool,
        /// Row id of the release.
        release -> Int8,
    }
}

diesel::table! {
    /// Chapters of the release in use.
    icd10_chapters (number) {
        /// Number of the chapter, from 1.
        number -> Int2,
        /// Number and title.
        chapter -> Text,
        /// First code, in code order.
        first_code -> Text,
        /// Last code, in code order.
        last_code -> Text,
        /// Number of codes.
        total_codes -> Int4,
        /// Number of codes in use.
        active_codes -> Int4,
        /// Number of codes in use that are valid for billing.
        billable_codes -> Int4,
    }
}

diesel::table! {
    /// Queries of the last 30 days with at least five searches, as of the last refresh.
    mv_popular_searches (query) {
        /// The query in lower case.
        query -> Text,
        /// Number of searches.
        search_count -> Int8,
        /// Average duration in milliseconds.
        avg_response_time -> Float8,
        /// Average number of results.
        avg_results -> Float8,
        /// Time of the last search.
        last_searched -> Timestamptz,
    }
}
