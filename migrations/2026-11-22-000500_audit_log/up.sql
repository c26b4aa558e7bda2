-- Ids are drawn after the transaction has its number: once all transactions with lower numbers have ended, no row with a
-- lower id can appear. The seals of the log depend on it.
CREATE SEQUENCE audit_log_ids AS bigint;

CREATE FUNCTION audit_log_next_id() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_current_xact_id();
    RETURN nextval('audit_log_ids');
END
$$;

-- Rows outlive what they refer to: no foreign keys.
CREATE TABLE audit_log (
    id             bigint      NOT NULL DEFAULT audit_log_next_id(),
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    correlation_id text        NOT NULL,
    user_id        bigint,
    session_id     bigint,
    api_key_id     bigint,
    action         text        NOT NULL,
    resource_type  text        NOT NULL,
    resource_id    text,
    old_values     jsonb,
    new_values     jsonb,
    details        jsonb,
    success        boolean     NOT NULL DEFAULT true,
    error_message  text,
    ip_address     inet,
    user_agent     text,
    CONSTRAINT audit_log_pkey PRIMARY KEY (id, created_at),
    CONSTRAINT audit_log_texts_are_bounded CHECK (
        length(correlation_id) <= 255 AND length(action) <= 100 AND length(resource_type) <= 100
        AND length(user_agent) <= 512)
) PARTITION BY RANGE (created_at);

-- Takes rows of months without a partition, so that no request fails if the upkeep is late.
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;

CREATE INDEX idx_audit_log_user_action_date ON audit_log (user_id, action, created_at);
CREATE INDEX idx_audit_log_resource_action ON audit_log (resource_type, action, created_at);
CREATE INDEX idx_audit_log_correlation_date ON audit_log (correlation_id, created_at);
CREATE INDEX ix_audit_log_action_time ON audit_log (action, created_at DESC);
CREATE INDEX ix_audit_log_success ON audit_log (created_at DESC) WHERE NOT success;

CREATE FUNCTION audit_log_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'rows of % cannot be changed or deleted', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_refuse_change();

COMMENT ON TABLE audit_log IS 'Changes, audited reads and logins, one row each, stored in the transaction of the effect.';
COMMENT ON COLUMN audit_log.id IS 'Row id, in the order of the writes.';
COMMENT ON COLUMN audit_log.created_at IS 'Time of the write.';
COMMENT ON COLUMN audit_log.correlation_id IS 'Id of the request, as in the log of the server.';
COMMENT ON COLUMN audit_log.user_id IS 'Row id of the user; null if the caller was no user.';
COMMENT ON COLUMN audit_log.session_id IS 'Row id of the user''s session.';
COMMENT ON COLUMN audit_log.api_key_id IS 'Row id of the API key; null if the caller had none.';
COMMENT ON COLUMN audit_log.action IS 'Kind of effect, such as `create`, `update` or `read`.';
COMMENT ON COLUMN audit_log.resource_type IS 'Kind of resource, such as `client`.';
COMMENT ON COLUMN audit_log.resource_id IS 'Id of the resource; null if there was none.';
COMMENT ON COLUMN audit_log.old_values IS 'The resource before the change; null for a creation and a read.';
COMMENT ON COLUMN audit_log.new_values IS 'The resource after the change; null for a deletion and a read.';
COMMENT ON COLUMN audit_log.details IS 'Further facts about the effect.';
COMMENT ON COLUMN audit_log.success IS 'False if the request was refused.';
COMMENT ON COLUMN audit_log.error_message IS 'Reason for the refusal.';
COMMENT ON COLUMN audit_log.ip_address IS 'Address from which the request came.';
COMMENT ON COLUMN audit_log.user_agent IS 'Header User-Agent of the request, cut to 512 characters.';
