CREATE TABLE auth_session (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id            bigint      NOT NULL CONSTRAINT auth_session_user_id_fkey REFERENCES users (id),
    session_token_hash bytea       NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    last_activity_at   timestamptz NOT NULL DEFAULT now(),
    expires_at         timestamptz NOT NULL,
    revoked_at         timestamptz,
    user_agent         text,
    CONSTRAINT auth_session_token_hash_is_sha256 CHECK (octet_length(session_token_hash) = 32),
    CONSTRAINT auth_session_user_agent_is_bounded CHECK (length(user_agent) <= 512)
);

CREATE INDEX ix_auth_session_token_hash ON auth_session (session_token_hash);
-- Tokens of sessions in use: the look-up of every request.
CREATE UNIQUE INDEX ix_auth_session_token_active ON auth_session (session_token_hash) WHERE revoked_at IS NULL;
CREATE INDEX ix_auth_session_revoked_at ON auth_session (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX ix_auth_session_created_at ON auth_session (created_at);
CREATE INDEX auth_session_user_id ON auth_session (user_id, id);

COMMENT ON TABLE auth_session IS 'Sessions of users. Only the hashes of their tokens are stored.';
COMMENT ON COLUMN auth_session.id IS 'Row id, which identifies the session in logs.';
COMMENT ON COLUMN auth_session.user_id IS 'Row id of the user.';
COMMENT ON COLUMN auth_session.session_token_hash IS 'SHA-256 of the token.';
COMMENT ON COLUMN auth_session.created_at IS 'Time of the login.';
COMMENT ON COLUMN auth_session.last_activity_at IS 'Time of the last request, to the minute.';
COMMENT ON COLUMN auth_session.expires_at IS 'Time at which the session ends, however much it is used.';
COMMENT ON COLUMN auth_session.revoked_at IS 'Time of the revocation; null if the session was not revoked.';
COMMENT ON COLUMN auth_session.user_agent IS 'Header User-Agent of the login, cut to 512 characters.';

-- Attempts are counted for any text, so that the answers do not tell which users exist.
CREATE TABLE auth_login_attempts (
    login_hash bytea       NOT NULL CONSTRAINT auth_login_attempts_pkey PRIMARY KEY,
    attempts   integer     NOT NULL DEFAULT 1,
    expires_at timestamptz NOT NULL DEFAULT now() + interval '45 minutes',
    CONSTRAINT auth_login_attempts_hash_is_sha256 CHECK (octet_length(login_hash) = 32)
);

CREATE INDEX auth_login_attempts_expires_at ON auth_login_attempts (expires_at);

COMMENT ON TABLE auth_login_attempts IS 'Attempts to log in since the last success, by address.';
COMMENT ON COLUMN auth_login_attempts.login_hash IS 'SHA-256 of the e-mail address or phone number.';
COMMENT ON COLUMN auth_login_attempts.attempts IS 'Number of the attempts. The sixth is refused.';
COMMENT ON COLUMN auth_login_attempts.expires_at IS 'Time at which the attempts are forgotten.';

ALTER TABLE api_keys
    ADD COLUMN created_by text,
    ADD COLUMN last_used_at timestamptz;

COMMENT ON COLUMN api_keys.created_by IS 'Caller that created the key, such as `user:7`; null if unknown.';
COMMENT ON COLUMN api_keys.last_used_at IS 'Time of the last use, to the minute; null if the key was not used.';
