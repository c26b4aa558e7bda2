DROP INDEX idx_pidms_keys_remaining;
CREATE INDEX idx_pidms_keys_remaining ON pidms_keys (remaining);
