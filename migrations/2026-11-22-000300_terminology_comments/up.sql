COMMENT ON TABLE icd10_releases IS 'Imported releases of ICD-10-CM. Two of them are stored, one is in use.';
COMMENT ON COLUMN icd10_releases.id IS 'Row id; the column `release` of the view `icd10_codes`.';
COMMENT ON COLUMN icd10_releases.slot IS 'Schema that contains the release.';
COMMENT ON COLUMN icd10_releases.name IS 'Name of the release, by default that of its file.';
COMMENT ON COLUMN icd10_releases.digest IS 'SHA-256 of the rows, by which a repeated import is recognised.';
COMMENT ON COLUMN icd10_releases.codes IS 'Number of codes, without those carried over from the release before.';
COMMENT ON COLUMN icd10_releases.imported_at IS 'Time at which the import began.';
COMMENT ON COLUMN icd10_releases.is_stored IS 'True if the slot still contains the release.';
COMMENT ON COLUMN icd10_releases.is_current IS 'True if the views show the release.';

COMMENT ON TABLE search_logs IS 'Searches of the terminology, stored for three months.';
COMMENT ON COLUMN search_logs.user_id IS 'Row id of the caller''s API key; null if it is not known.';
COMMENT ON COLUMN search_logs.query IS 'Query in lower case; null if it found nothing or may contain personal data.';
COMMENT ON COLUMN search_logs.results_count IS 'Number of codes found.';
COMMENT ON COLUMN search_logs.response_time_ms IS 'Duration of the search in milliseconds.';
COMMENT ON COLUMN search_logs.cache_hit IS 'True if the answer came from the cache.';
COMMENT ON COLUMN search_logs.created_at IS 'Time of the answer.';

COMMENT ON TABLE search_stats_daily IS
    'Daily totals of the searches of the terminology, without queries and callers. Stored permanently.';
COMMENT ON COLUMN search_stats_daily.day IS 'Day in UTC.';
COMMENT ON COLUMN search_stats_daily.searches IS 'Number of logged searches.';
COMMENT ON COLUMN search_stats_daily.without_results IS 'Number of searches that found nothing.';
COMMENT ON COLUMN search_stats_daily.cache_hits IS 'Number of searches answered from the cache.';
COMMENT ON COLUMN search_stats_daily.response_time_ms IS 'Total duration of the searches in milliseconds.';
