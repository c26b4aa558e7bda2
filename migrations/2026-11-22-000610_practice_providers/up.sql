CREATE TABLE providers (
    id                          uuid        PRIMARY KEY,
    first_name                  text        NOT NULL,
    last_name                   text        NOT NULL,
    middle_name                 text,
    title                       text,
    credentials                 text,
    specialty                   text,
    license_number              text,
    license_state               text,
    email                       text        NOT NULL,
    phone                       text,
    office_phone                text,
    office_address_line1        text,
    office_address_line2        text,
    office_city                 text,
    office_state                text,
    office_zip_code             text,
    npi_number                  text        CONSTRAINT providers_npi_number_key UNIQUE,
    tax_id                      text,
    default_appointment_minutes integer     NOT NULL DEFAULT 50,
    accepts_new_patients        boolean     NOT NULL DEFAULT true,
    is_active                   boolean     NOT NULL DEFAULT true,
    bio                         text,
    administrative_notes        text,
    created_at                  timestamptz NOT NULL DEFAULT now(),
    updated_at                  timestamptz NOT NULL DEFAULT now(),
    version                     integer     NOT NULL DEFAULT 1,
    CONSTRAINT providers_texts_are_bounded CHECK (
        length(first_name) BETWEEN 1 AND 100 AND length(last_name) BETWEEN 1 AND 100 AND length(email) <= 255
        AND length(specialty) BETWEEN 1 AND 200),
    CONSTRAINT providers_npi_has_ten_digits CHECK (npi_number ~ '^[0-9]{10}$'),
    CONSTRAINT providers_minutes_are_plausible CHECK (default_appointment_minutes BETWEEN 5 AND 480)
);

CREATE UNIQUE INDEX providers_email_key ON providers (lower(email));

COMMENT ON TABLE providers IS 'Clinicians and other providers of the practice. They are never deleted.';
COMMENT ON COLUMN providers.id IS 'Id, a UUID of version 7.';
COMMENT ON COLUMN providers.first_name IS 'First name.';
COMMENT ON COLUMN providers.last_name IS 'Last name.';
COMMENT ON COLUMN providers.middle_name IS 'Middle name.';
COMMENT ON COLUMN providers.title IS 'Title.';
COMMENT ON COLUMN providers.credentials IS 'Credentials, such as PhD.';
COMMENT ON COLUMN providers.specialty IS 'Specialty.';
COMMENT ON COLUMN providers.license_number IS 'Number of the license.';
COMMENT ON COLUMN providers.license_state IS 'State that granted the license.';
COMMENT ON COLUMN providers.email IS 'E-mail address.';
COMMENT ON COLUMN providers.phone IS 'Phone number.';
COMMENT ON COLUMN providers.office_phone IS 'Phone number of the office.';
COMMENT ON COLUMN providers.office_address_line1 IS 'First line of the address of the office.';
COMMENT ON COLUMN providers.office_address_line2 IS 'Second line of the address of the office.';
COMMENT ON COLUMN providers.office_city IS 'City of the office.';
COMMENT ON COLUMN providers.office_state IS 'State of the office.';
COMMENT ON COLUMN providers.office_zip_code IS 'Postal code of the office.';
COMMENT ON COLUMN providers.npi_number IS 'National Provider Identifier: ten digits.';
COMMENT ON COLUMN providers.tax_id IS 'Tax id.';
COMMENT ON COLUMN providers.default_appointment_minutes IS 'Usual duration of an appointment, in minutes.';
COMMENT ON COLUMN providers.accepts_new_patients IS 'True if the provider accepts new clients.';
COMMENT ON COLUMN providers.is_active IS 'False if the provider has left the practice.';
COMMENT ON COLUMN providers.bio IS 'Description for clients.';
COMMENT ON COLUMN providers.administrative_notes IS 'Notes of the administration.';
COMMENT ON COLUMN providers.created_at IS 'Time of the creation.';
COMMENT ON COLUMN providers.updated_at IS 'Time of the last change.';
COMMENT ON COLUMN providers.version IS 'Number of the changes of the provider, from 1.';
