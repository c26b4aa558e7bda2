-- One row per seal, at most one per second and 1,000 rows of the log. A seal outlives the rows that it covers.
CREATE TABLE audit_seals (
    number     bigint        NOT NULL,
    first_id   bigint        NOT NULL,
    last_id    bigint        NOT NULL,
    row_ids    bigint[]      NOT NULL,
    row_times  timestamptz[] NOT NULL,
    row_hashes bytea[]       NOT NULL,
    sealed_at  timestamptz   NOT NULL,
    hash       bytea         NOT NULL,
    CONSTRAINT audit_seals_pkey PRIMARY KEY (number),
    CONSTRAINT audit_seals_rows_are_in_range CHECK (
        number > 0 AND cardinality(row_ids) BETWEEN 1 AND 1000 AND octet_length(hash) = 32
        AND cardinality(row_times) = cardinality(row_ids) AND cardinality(row_hashes) = cardinality(row_ids)
        AND first_id <= row_ids[1] AND row_ids[cardinality(row_ids)] <= last_id)
);

CREATE TRIGGER audit_seals_is_append_only BEFORE UPDATE OR DELETE ON audit_seals
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuse_change();

COMMENT ON TABLE audit_seals IS 'Chain of hashes over the rows of audit_log, by which changed, removed and inserted rows are found.';
COMMENT ON COLUMN audit_seals.number IS 'Number of the seal, from 1 without gaps.';
COMMENT ON COLUMN audit_seals.first_id IS 'First row id that the seal covers, one above the last id of the seal before.';
COMMENT ON COLUMN audit_seals.last_id IS 'Last row id that the seal covers. Ids of the range that are not in row_ids were never stored.';
COMMENT ON COLUMN audit_seals.row_ids IS 'Ids of the sealed rows, ascending.';
COMMENT ON COLUMN audit_seals.row_times IS 'Times (created_at) of the sealed rows.';
COMMENT ON COLUMN audit_seals.row_hashes IS 'SHA-256 of each sealed row.';
COMMENT ON COLUMN audit_seals.sealed_at IS 'Time of the seal, by the clock of the server that computed it.';
COMMENT ON COLUMN audit_seals.hash IS 'SHA-256 of all other columns and of the hash of the seal before.';
