-- What the keys of each product add up to, kept by triggers, so that showing it reads no keys.
CREATE TABLE pidms_products (
    prd             text CONSTRAINT pidms_products_pkey PRIMARY KEY,
    key_count       bigint NOT NULL,
    known_count     bigint NOT NULL,
    total_remaining bigint NOT NULL
);

-- With its owner's rights: the service's user needs to read the sums, not to change them.
CREATE FUNCTION pidms_products_upkeep() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- Rows that came count up, rows that went count down; an update is both.
    came    CONSTANT text := 'SELECT prd, remaining, 1 AS sign FROM new_keys';
    went    CONSTANT text := 'SELECT prd, remaining, -1 AS sign FROM old_keys';
    changed CONSTANT text :=
        CASE TG_OP WHEN 'INSERT' THEN came WHEN 'DELETE' THEN went ELSE came || ' UNION ALL ' || went END;
BEGIN
    -- Sums are changed by one transaction at a time. It waits for nobody after that, so writers that lock their keys in
    -- order never wait in a circle.
    PERFORM pg_advisory_xact_lock(hashtextextended('pidms_products', 0));
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM pidms_products;
        RETURN NULL;
    END IF;
    EXECUTE 'MERGE INTO pidms_products AS stored USING (
            SELECT prd, sum(sign) AS key_count, coalesce(sum(sign) FILTER (WHERE remaining >= 0), 0) AS known_count,
                   coalesce(sum(sign * remaining::bigint) FILTER (WHERE remaining >= 0), 0) AS total_remaining
            FROM (' || changed || ') AS keys GROUP BY prd
        ) AS change ON stored.prd = change.prd
        WHEN MATCHED AND stored.key_count + change.key_count = 0 THEN DELETE
        WHEN MATCHED AND (change.key_count, change.known_count, change.total_remaining) <> (0, 0, 0) THEN
            UPDATE SET key_count = stored.key_count + change.key_count,
                known_count = stored.known_count + change.known_count,
                total_remaining = stored.total_remaining + change.total_remaining
        WHEN NOT MATCHED AND change.key_count > 0 THEN
            INSERT VALUES (change.prd, change.key_count, change.known_count, change.total_remaining)';
    RETURN NULL;
END
$$;

-- The triggers come first: they keep others from writing keys until the sums of those that are there are in.
CREATE TRIGGER pidms_products_insert AFTER INSERT ON pidms_keys
    REFERENCING NEW TABLE AS new_keys FOR EACH STATEMENT EXECUTE FUNCTION pidms_products_upkeep();
CREATE TRIGGER pidms_products_update AFTER UPDATE ON pidms_keys
    REFERENCING OLD TABLE AS old_keys NEW TABLE AS new_keys FOR EACH STATEMENT EXECUTE FUNCTION pidms_products_upkeep();
CREATE TRIGGER pidms_products_delete AFTER DELETE ON pidms_keys
    REFERENCING OLD TABLE AS old_keys FOR EACH STATEMENT EXECUTE FUNCTION pidms_products_upkeep();
CREATE TRIGGER pidms_products_truncate AFTER TRUNCATE ON pidms_keys
    FOR EACH STATEMENT EXECUTE FUNCTION pidms_products_upkeep();

INSERT INTO pidms_products (prd, key_count, known_count, total_remaining)
SELECT prd, count(*), count(*) FILTER (WHERE remaining >= 0), coalesce(sum(remaining) FILTER (WHERE remaining >= 0), 0)
FROM pidms_keys GROUP BY prd;

COMMENT ON TABLE pidms_products IS 'What the stored product keys of each product add up to; kept by triggers.';
COMMENT ON COLUMN pidms_products.prd IS 'Product code.';
COMMENT ON COLUMN pidms_products.key_count IS 'Number of keys.';
COMMENT ON COLUMN pidms_products.known_count IS 'Number of keys whose activations left are known.';
COMMENT ON COLUMN pidms_products.total_remaining IS 'Activations left on those keys.';
