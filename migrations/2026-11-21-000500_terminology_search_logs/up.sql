-- One row a search, by month, so that an old month goes in one step. Rows outlive the keys of their callers: no foreign key.
CREATE TABLE search_logs (
    id               bigint      GENERATED ALWAYS AS IDENTITY,
    user_id          bigint,
    query            text,
    results_count    integer     NOT NULL,
    response_time_ms float8      NOT NULL,
    cache_hit        bool        NOT NULL,
    created_at       timestamptz NOT NULL,
    CONSTRAINT search_logs_pkey PRIMARY KEY (id, created_at),
    CONSTRAINT search_logs_query_is_short CHECK (length(query) <= 100)
) PARTITION BY RANGE (created_at);

-- Takes what no month takes: nothing is lost when the upkeep is late.
CREATE TABLE search_logs_default PARTITION OF search_logs DEFAULT;

CREATE INDEX idx_search_logs_user_time ON search_logs (user_id, created_at DESC);
CREATE INDEX idx_search_logs_query_hash ON search_logs (md5(query), created_at DESC) WHERE query IS NOT NULL;

-- What the statistics read: a row a day, however many searches there were.
CREATE TABLE search_stats_daily (
    day               date   PRIMARY KEY,
    searches          bigint NOT NULL,
    without_results   bigint NOT NULL,
    cache_hits        bigint NOT NULL,
    response_time_ms  float8 NOT NULL
);

-- A query that fewer than five searches asked for says more of a person than of the searches.
CREATE MATERIALIZED VIEW mv_popular_searches AS
    SELECT query, count(*) AS search_count, avg(response_time_ms) AS avg_response_time,
           avg(results_count)::float8 AS avg_results, max(created_at) AS last_searched
    FROM search_logs
    WHERE query IS NOT NULL AND created_at >= now() - interval '30 days'
    GROUP BY query
    HAVING count(*) >= 5
    ORDER BY search_count DESC, query
    LIMIT 1000;

CREATE UNIQUE INDEX mv_popular_searches_query ON mv_popular_searches (query);
CREATE INDEX idx_popular_searches_count ON mv_popular_searches (search_count DESC, query);

-- Makes the months from this one to six later, drops those before the last three, and adds up the popular queries anew.
-- One caller at a time; says false when another one is at it. With its owner's rights, because the service's user may have
-- none to make tables, and without arguments, because everybody may call it.
CREATE FUNCTION search_logs_upkeep() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    months_ahead CONSTANT integer := 6;
    months_kept  CONSTANT integer := 3;
    this_month CONSTANT date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    oldest     CONSTANT date := this_month - make_interval(months => months_kept);
    first_day  date;
    partition  text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('search_logs_upkeep', 0)) THEN
        RETURN false;
    END IF;
    FOR n IN 0..months_ahead LOOP
        first_day := this_month + make_interval(months => n);
        partition := 'search_logs_' || to_char(first_day, 'YYYY_MM');
        -- A month that the default took rows of stays there: they would have to be moved under a lock.
        CONTINUE WHEN to_regclass(partition) IS NOT NULL OR EXISTS (
            SELECT FROM search_logs_default
            WHERE created_at >= first_day::timestamp AT TIME ZONE 'UTC'
              AND created_at < (first_day + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TABLE %I PARTITION OF search_logs FOR VALUES FROM (%L) TO (%L)', partition,
            first_day::timestamp AT TIME ZONE 'UTC', (first_day + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
    FOR partition IN
        SELECT relid::text FROM pg_partition_tree('search_logs')
        WHERE isleaf AND relid::text ~ '^search_logs_\d{4}_\d{2}$'
          AND to_date(right(relid::text, 7), 'YYYY_MM') < oldest
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
    END LOOP;
    DELETE FROM search_logs_default WHERE created_at < oldest::timestamp AT TIME ZONE 'UTC';
    REFRESH MATERIALIZED VIEW CONCURRENTLY mv_popular_searches;
    ANALYZE mv_popular_searches;
    RETURN true;
END
$$;

SELECT search_logs_upkeep();

COMMENT ON TABLE search_logs IS 'Searches of the terminology, a row each, kept for three months.';
COMMENT ON COLUMN search_logs.id IS 'Row id.';
COMMENT ON COLUMN search_logs.user_id IS 'Row id of the caller''s API key; null when it is not known.';
COMMENT ON COLUMN search_logs.query IS 'The query in lower case; null when it found nothing or may name a person.';
COMMENT ON COLUMN search_logs.results_count IS 'How many codes were found.';
COMMENT ON COLUMN search_logs.response_time_ms IS 'How long the search took, in milliseconds.';
COMMENT ON COLUMN search_logs.cache_hit IS 'Whether the answer came from the cache.';
COMMENT ON COLUMN search_logs.created_at IS 'When the search was answered.';
COMMENT ON TABLE search_stats_daily IS 'Searches of the terminology added up by day (UTC); names no query and no caller, kept for good.';
COMMENT ON COLUMN search_stats_daily.day IS 'The day, UTC.';
COMMENT ON COLUMN search_stats_daily.searches IS 'Searches that were logged.';
COMMENT ON COLUMN search_stats_daily.without_results IS 'Of those, the ones that found nothing.';
COMMENT ON COLUMN search_stats_daily.cache_hits IS 'Of those, the ones that the cache answered.';
COMMENT ON COLUMN search_stats_daily.response_time_ms IS 'What they took together, in milliseconds.';
COMMENT ON MATERIALIZED VIEW mv_popular_searches IS 'The queries of the last 30 days with five searches and more; made anew by search_logs_upkeep.';
