ALTER TABLE api_keys DROP CONSTRAINT api_keys_expires_in_range, DROP COLUMN version;
