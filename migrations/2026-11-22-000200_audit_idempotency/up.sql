CREATE TABLE idempotency_records (
    principal     text        NOT NULL,
    key           text        NOT NULL,
    route         text        NOT NULL,
    request_hash  bytea       NOT NULL,
    resource_id   text        NOT NULL,
    body          text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    CONSTRAINT idempotency_records_pkey PRIMARY KEY (principal, key),
    CONSTRAINT idempotency_records_hash_is_sha256 CHECK (octet_length(request_hash) = 32)
);

CREATE INDEX idempotency_records_expires_at ON idempotency_records (expires_at);

COMMENT ON TABLE idempotency_records IS 'Answers to requests with an Idempotency-Key, stored with their effect.';
COMMENT ON COLUMN idempotency_records.principal IS 'Caller: `api_key:` and its row id.';
COMMENT ON COLUMN idempotency_records.key IS 'Value of the header Idempotency-Key.';
COMMENT ON COLUMN idempotency_records.route IS 'Operation that the request ran.';
COMMENT ON COLUMN idempotency_records.request_hash IS 'SHA-256 of method, path and body.';
COMMENT ON COLUMN idempotency_records.resource_id IS 'Id of the resource that was created.';
COMMENT ON COLUMN idempotency_records.body IS 'JSON of the resource when it was created.';
COMMENT ON COLUMN idempotency_records.created_at IS 'Time of the request.';
COMMENT ON COLUMN idempotency_records.expires_at IS 'Time from which on the key can be used for another request.';
