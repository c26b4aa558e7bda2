CREATE TABLE api_keys (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_hash    bytea       NOT NULL CONSTRAINT api_keys_key_hash_key UNIQUE,
    name        text        NOT NULL,
    key_prefix  text        NOT NULL,
    scopes      text[]      NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz,
    CONSTRAINT api_keys_key_hash_is_sha256 CHECK (octet_length(key_hash) = 32),
    CONSTRAINT api_keys_scopes_are_some CHECK (cardinality(scopes) > 0 AND array_position(scopes, NULL) IS NULL)
);

COMMENT ON TABLE api_keys IS 'API keys of programs that call the server. The keys themselves are not kept.';
COMMENT ON COLUMN api_keys.id IS 'Row id; stands in logs for the caller.';
COMMENT ON COLUMN api_keys.key_hash IS 'SHA-256 of the key.';
COMMENT ON COLUMN api_keys.name IS 'What the key is for, in its owner''s words.';
COMMENT ON COLUMN api_keys.key_prefix IS 'The key''s first characters, to tell keys apart.';
COMMENT ON COLUMN api_keys.scopes IS 'What the bearer may do: `area:verb` each, or `*`.';
COMMENT ON COLUMN api_keys.created_at IS 'When the key was made.';
COMMENT ON COLUMN api_keys.expires_at IS 'From when on the key is refused; never when null.';
COMMENT ON COLUMN api_keys.revoked_at IS 'When the key was withdrawn; in use when null.';
