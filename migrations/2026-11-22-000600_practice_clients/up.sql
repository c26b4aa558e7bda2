-- Pairs of neighbouring characters, each as a number. A text contains a part only if its pairs contain those of the part.
CREATE FUNCTION text_pairs(value text) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT DISTINCT (ascii(substr(value, n, 1)) << 10) # ascii(substr(value, n + 1, 1))
    FROM generate_series(1, length(value) - 1) AS n);

CREATE TABLE clients (
    id                             uuid        PRIMARY KEY,
    first_name                     text        NOT NULL,
    last_name                      text        NOT NULL,
    middle_name                    text,
    email                          text,
    phone                          text,
    address_line1                  text,
    address_line2                  text,
    city                           text,
    state                          text,
    zip_code                       text,
    date_of_birth                  date,
    gender                         text,
    insurance_provider             text,
    insurance_id                   text,
    emergency_contact_name         text,
    emergency_contact_phone        text,
    emergency_contact_relationship text,
    primary_diagnosis              text,
    secondary_diagnoses            text,
    medications                    text,
    allergies                      text,
    is_active                      boolean     NOT NULL DEFAULT true,
    preferred_language             text        NOT NULL DEFAULT 'English',
    communication_preferences      text,
    intake_notes                   text,
    administrative_notes           text,
    created_at                     timestamptz NOT NULL DEFAULT now(),
    updated_at                     timestamptz NOT NULL DEFAULT now(),
    version                        integer     NOT NULL DEFAULT 1,
    -- A part of a search has no white space, so it cannot span two of the texts.
    search_text                    text        NOT NULL GENERATED ALWAYS AS (
        lower(last_name || E'\n' || first_name || E'\n' || coalesce(email, ''))) STORED,
    search_pairs                   integer[]   NOT NULL GENERATED ALWAYS AS (text_pairs(
        lower(last_name || E'\n' || first_name || E'\n' || coalesce(email, '')))) STORED,
    CONSTRAINT clients_texts_are_bounded CHECK (
        length(first_name) BETWEEN 1 AND 100 AND length(last_name) BETWEEN 1 AND 100 AND length(email) <= 255
        AND length(phone) <= 20 AND length(preferred_language) BETWEEN 1 AND 50),
    CONSTRAINT clients_birth_is_plausible CHECK (date_of_birth >= '1850-01-01' AND date_of_birth < '2100-01-01')
);

-- The list: of clients who are active, and of all. It reads nothing else.
CREATE INDEX idx_clients_active_only ON clients (last_name, first_name, id)
    INCLUDE (email, phone, date_of_birth, is_active, created_at) WHERE is_active = true;
CREATE INDEX idx_clients_name_search ON clients (last_name, first_name, id)
    INCLUDE (email, phone, date_of_birth, is_active, created_at);
-- The search.
CREATE INDEX idx_clients_text_pairs ON clients USING gin (search_pairs) WITH (fastupdate = off);
CREATE INDEX idx_clients_last_name ON clients ((lower(last_name)) COLLATE "C", (lower(first_name)) COLLATE "C", id);
CREATE INDEX idx_clients_email_active ON clients ((lower(email)) COLLATE "C", id) INCLUDE (is_active);
CREATE INDEX idx_clients_phone_active ON clients ((reverse(regexp_replace(phone, '\D', '', 'g'))) COLLATE "C", id)
    INCLUDE (is_active);

COMMENT ON TABLE clients IS 'Clients of the practice. They are never deleted.';
COMMENT ON COLUMN clients.id IS 'Id, a UUID of version 7.';
COMMENT ON COLUMN clients.first_name IS 'First name.';
COMMENT ON COLUMN clients.last_name IS 'Last name.';
COMMENT ON COLUMN clients.middle_name IS 'Middle name.';
COMMENT ON COLUMN clients.email IS 'E-mail address.';
COMMENT ON COLUMN clients.phone IS 'Phone number, in any notation.';
COMMENT ON COLUMN clients.address_line1 IS 'First line of the address.';
COMMENT ON COLUMN clients.address_line2 IS 'Second line of the address.';
COMMENT ON COLUMN clients.city IS 'City.';
COMMENT ON COLUMN clients.state IS 'State.';
COMMENT ON COLUMN clients.zip_code IS 'Postal code.';
COMMENT ON COLUMN clients.date_of_birth IS 'Date of birth.';
COMMENT ON COLUMN clients.gender IS 'Gender, in the client''s words.';
COMMENT ON COLUMN clients.insurance_provider IS 'Insurance company.';
COMMENT ON COLUMN clients.insurance_id IS 'Number of the insurance.';
COMMENT ON COLUMN clients.emergency_contact_name IS 'Name of the person to call in an emergency.';
COMMENT ON COLUMN clients.emergency_contact_phone IS 'Phone number of that person.';
COMMENT ON COLUMN clients.emergency_contact_relationship IS 'Relationship of that person to the client.';
COMMENT ON COLUMN clients.primary_diagnosis IS 'Primary diagnosis: a code of ICD-10-CM.';
COMMENT ON COLUMN clients.secondary_diagnoses IS 'Further diagnoses.';
COMMENT ON COLUMN clients.medications IS 'Medication that the client takes.';
COMMENT ON COLUMN clients.allergies IS 'Allergies.';
COMMENT ON COLUMN clients.is_active IS 'False if the client has left the practice.';
COMMENT ON COLUMN clients.preferred_language IS 'Language that the client prefers.';
COMMENT ON COLUMN clients.communication_preferences IS 'Ways in which the client wants to be contacted.';
COMMENT ON COLUMN clients.intake_notes IS 'Notes of the intake.';
COMMENT ON COLUMN clients.administrative_notes IS 'Notes of the administration.';
COMMENT ON COLUMN clients.created_at IS 'Time of the creation.';
COMMENT ON COLUMN clients.updated_at IS 'Time of the last change.';
COMMENT ON COLUMN clients.version IS 'Number of the changes of the client, from 1.';
COMMENT ON COLUMN clients.search_text IS 'Texts in which the search looks for parts: the names and the e-mail address, in lower case.';
COMMENT ON COLUMN clients.search_pairs IS 'Pairs of neighbouring characters of `search_text`, by which the search finds parts.';
