ALTER TABLE api_keys ADD COLUMN version integer NOT NULL DEFAULT 1;

-- The API shows times with a year of four digits. A key that expires later does not expire.
UPDATE api_keys SET expires_at = NULL WHERE expires_at >= '10000-01-01 00:00:00+00';
ALTER TABLE api_keys ADD CONSTRAINT api_keys_expires_in_range
    CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00');

COMMENT ON COLUMN api_keys.version IS 'Number of the changes of the key, from 1.';
COMMENT ON COLUMN api_keys.scopes IS 'Scopes that the key grants: `area:verb` each, or `*`.';
COMMENT ON COLUMN api_keys.expires_at IS 'Time from which on the key is refused; null if it does not expire.';
COMMENT ON COLUMN api_keys.revoked_at IS 'Time of the revocation; null if the key was not revoked.';
COMMENT ON COLUMN api_keys.created_at IS 'Time of the creation.';
COMMENT ON COLUMN api_keys.name IS 'Purpose of the key, in its owner''s words.';
COMMENT ON COLUMN api_keys.key_prefix IS 'First characters of the key, to tell keys apart.';
COMMENT ON COLUMN api_keys.id IS 'Row id, which identifies the caller in logs.';
COMMENT ON TABLE api_keys IS 'API keys of programs that call the server. Only their hashes are stored.';
