DROP FUNCTION popular_searches_refresh();
CREATE OR REPLACE FUNCTION search_logs_upkeep() RETURNS boolean
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
COMMENT ON MATERIALIZED VIEW mv_popular_searches IS 'The queries of the last 30 days with five searches and more; made anew by search_logs_upkeep.';
