-- The table, its sequence and its indexes are dropped together.
ALTER SEQUENCE audit_log_ids OWNED BY audit_log.id;

-- Creates the partitions from this month to six later, and detaches those whose rows are all older than the retention.
-- Never drops one. Returns the tables that were detached and still exist, or NULL if another session is running it. Waits
-- at most 1 s for transactions that use the log. Runs with the rights of its owner, because the role of the servers may
-- not create tables. The lower limit of the retention keeps that role from detaching what it has just written.
CREATE FUNCTION audit_log_upkeep(retention_days integer) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    months_ahead CONSTANT integer := 6;
    least_days   CONSTANT integer := 30;
    today      CONSTANT date := (now() AT TIME ZONE 'UTC')::date;
    this_month CONSTANT date := date_trunc('month', today)::date;
    first_day  date;
    partition  text;
BEGIN
    IF retention_days IS NULL OR retention_days < least_days THEN
        RAISE EXCEPTION 'the retention must be at least % days', least_days USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('audit_log_upkeep', 0)) THEN
        RETURN NULL;
    END IF;
    FOR n IN 0..months_ahead LOOP
        first_day := this_month + make_interval(months => n);
        partition := 'audit_log_' || to_char(first_day, 'YYYY_MM');
        -- A month of which the default partition has rows stays there: they cannot be moved without deleting them.
        CONTINUE WHEN to_regclass(partition) IS NOT NULL OR EXISTS (
            SELECT FROM audit_log_default
            WHERE created_at >= first_day::timestamp AT TIME ZONE 'UTC'
              AND created_at < (first_day + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TABLE %I PARTITION OF audit_log FOR VALUES FROM (%L) TO (%L)', partition,
            first_day::timestamp AT TIME ZONE 'UTC', (first_day + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
    FOR partition IN
        SELECT relid::text FROM pg_partition_tree('audit_log')
        WHERE isleaf AND relid::text ~ '^audit_log_\d{4}_\d{2}$'
          AND to_date(right(relid::text, 7), 'YYYY_MM') + interval '1 month' <= today - retention_days
        ORDER BY relid::text
    LOOP
        EXECUTE format('ALTER TABLE audit_log DETACH PARTITION %I', partition);
        -- A detached partition loses the trigger of its table.
        EXECUTE format('CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE ON %I '
            'FOR EACH ROW EXECUTE FUNCTION audit_log_refuse_change()', partition);
        INSERT INTO audit_log (correlation_id, action, resource_type, resource_id, details)
        VALUES ('audit_log_upkeep', 'detach', 'audit_log', partition,
            jsonb_build_object('retention_days', retention_days));
    END LOOP;
    RETURN ARRAY(
        SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relispartition
          AND relname ~ '^audit_log_\d{4}_\d{2}$'
        ORDER BY relname);
END
$$;

SELECT audit_log_upkeep(2555);
