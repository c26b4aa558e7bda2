CREATE TABLE users (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email                text        CONSTRAINT users_email_key UNIQUE,
    phone_number         text        CONSTRAINT users_phone_number_key UNIQUE,
    display_name         text        NOT NULL,
    password_hash        text,
    has_password         boolean     NOT NULL GENERATED ALWAYS AS (password_hash IS NOT NULL) STORED,
    roles                text[]      NOT NULL,
    is_active            boolean     NOT NULL DEFAULT true,
    trust_level          text        NOT NULL DEFAULT 'new',
    referral_share_token text,
    signup_source        text,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    version              integer     NOT NULL DEFAULT 1,
    CONSTRAINT users_have_an_address CHECK (email IS NOT NULL OR phone_number IS NOT NULL),
    CONSTRAINT users_email_is_ascii_in_lower_case CHECK (
        email = lower(email) AND octet_length(email) <= 254 AND octet_length(email) = length(email)),
    CONSTRAINT users_phone_number_is_e164 CHECK (phone_number ~ '^\+[1-9][0-9]{6,14}$'),
    CONSTRAINT users_password_hash_is_argon2id CHECK (password_hash LIKE '$argon2id$%'),
    CONSTRAINT users_roles_are_known CHECK (
        cardinality(roles) > 0 AND array_position(roles, NULL) IS NULL
        AND roles <@ ARRAY['admin', 'clinician', 'biller', 'front_desk', 'user']),
    CONSTRAINT users_trust_level_is_known CHECK (trust_level IN ('new', 'standard', 'trusted'))
);

COMMENT ON TABLE users IS 'People who call the server. They log in with an e-mail address or a phone number.';
COMMENT ON COLUMN users.id IS 'Row id, which identifies the user in logs.';
COMMENT ON COLUMN users.email IS 'E-mail address in lower case; null if there is none.';
COMMENT ON COLUMN users.phone_number IS 'Phone number as in E.164; null if there is none.';
COMMENT ON COLUMN users.display_name IS 'Name as it is shown.';
COMMENT ON COLUMN users.password_hash IS 'Argon2id hash of the password in PHC format; null if the user has none.';
COMMENT ON COLUMN users.has_password IS 'True if the user has a password.';
COMMENT ON COLUMN users.roles IS 'Roles, each of which gives scopes.';
COMMENT ON COLUMN users.is_active IS 'False if the user was deactivated and cannot log in.';
COMMENT ON COLUMN users.trust_level IS 'Degree of trust: `new`, `standard` or `trusted`.';
COMMENT ON COLUMN users.referral_share_token IS 'Token of the link by which the user refers others; null if there is none.';
COMMENT ON COLUMN users.signup_source IS 'Place where the user signed up; null if unknown.';
COMMENT ON COLUMN users.created_at IS 'Time of the creation.';
COMMENT ON COLUMN users.updated_at IS 'Time of the last change.';
COMMENT ON COLUMN users.version IS 'Number of the changes of the user, from 1.';
