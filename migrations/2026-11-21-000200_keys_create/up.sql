CREATE TABLE pidms_keys (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    keyname               varchar(255) NOT NULL CONSTRAINT ix_pidms_keys_keyname UNIQUE,
    keyname_with_dash     varchar(255) NOT NULL,
    prd                   varchar(255) NOT NULL,
    eid                   varchar(255),
    is_key_type           varchar(50),
    is_retail             int,
    sub                   varchar(255),
    remaining             int          NOT NULL DEFAULT 0,
    blocked               int          NOT NULL DEFAULT -1,
    errorcode             varchar(255),
    had_occurred          int,
    invalid               int,
    datetime_checked_done varchar(255),
    checked_at            timestamptz,
    created_at            timestamptz  NOT NULL DEFAULT now(),
    updated_at            timestamptz,
    CONSTRAINT pidms_keys_blocked_is_known CHECK (blocked IN (-1, 1)),
    CONSTRAINT pidms_keys_remaining_is_known CHECK (remaining >= -1)
);

-- A search walks one of three indexes in its own order, product by product, so that the first page costs the same
-- wherever the product stands and however many keys there are: all keys, the usable ones, the blocked ones.
CREATE INDEX idx_pidms_keys_prd ON pidms_keys (prd, remaining DESC, id);
CREATE INDEX idx_pidms_keys_available ON pidms_keys (prd, remaining DESC, id) WHERE blocked = -1;
CREATE INDEX idx_pidms_keys_blocked ON pidms_keys (prd, remaining DESC, id) WHERE blocked = 1;
-- Named by the requirements.
CREATE INDEX idx_pidms_keys_remaining ON pidms_keys (remaining);

COMMENT ON TABLE pidms_keys IS 'Product keys as PIDKey.com knew them when they were last checked.';
COMMENT ON COLUMN pidms_keys.id IS 'Row id.';
COMMENT ON COLUMN pidms_keys.keyname IS 'The key, 25 characters without dashes.';
COMMENT ON COLUMN pidms_keys.keyname_with_dash IS 'The key in five groups of five.';
COMMENT ON COLUMN pidms_keys.prd IS 'Product code, e.g. `Office16_ProPlusVL_MAK`.';
COMMENT ON COLUMN pidms_keys.eid IS 'Extended product id.';
COMMENT ON COLUMN pidms_keys.is_key_type IS 'Type of the key; upstream does not document it.';
COMMENT ON COLUMN pidms_keys.is_retail IS '1 retail, 2 volume.';
COMMENT ON COLUMN pidms_keys.sub IS 'Sub type, e.g. `X21-74564`.';
COMMENT ON COLUMN pidms_keys.remaining IS 'Activations left; -1 when not applicable or not known.';
COMMENT ON COLUMN pidms_keys.blocked IS '1 blocked, -1 not.';
COMMENT ON COLUMN pidms_keys.errorcode IS 'Upstream''s code, e.g. `0xC004C060`.';
COMMENT ON COLUMN pidms_keys.had_occurred IS 'Upstream''s own flag that something went wrong.';
COMMENT ON COLUMN pidms_keys.invalid IS '1 when upstream holds the key for invalid.';
COMMENT ON COLUMN pidms_keys.datetime_checked_done IS 'When upstream checked the key, in its own words.';
COMMENT ON COLUMN pidms_keys.checked_at IS 'The same moment, where the words could be read.';
COMMENT ON COLUMN pidms_keys.created_at IS 'When the key was first stored.';
COMMENT ON COLUMN pidms_keys.updated_at IS 'When it was last checked again; null since it was first stored.';
