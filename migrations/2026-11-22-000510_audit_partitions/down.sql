-- Partitions remain; they are part of the log.
DROP FUNCTION audit_log_upkeep(integer);
ALTER SEQUENCE audit_log_ids OWNED BY NONE;
