DROP TABLE audit_log;
DROP FUNCTION audit_log_refuse_change;
DROP FUNCTION audit_log_next_id;
DROP SEQUENCE audit_log_ids;
