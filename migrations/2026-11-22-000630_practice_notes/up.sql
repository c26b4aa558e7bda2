CREATE TABLE notes (
    id              uuid        PRIMARY KEY,
    client_id       uuid        NOT NULL REFERENCES clients,
    provider_id     uuid        NOT NULL REFERENCES providers,
    appointment_id  uuid        REFERENCES appointments,
    note_type       text        NOT NULL DEFAULT 'progress_note',
    title           text        NOT NULL,
    content         text        NOT NULL,
    diagnosis_codes text[]      NOT NULL DEFAULT '{}',
    treatment_goals text,
    interventions   text,
    client_response text,
    plan            text,
    is_signed       boolean     NOT NULL DEFAULT false,
    signed_at       timestamptz,
    signed_by       bigint,
    is_locked       boolean     NOT NULL DEFAULT false,
    requires_review boolean     NOT NULL DEFAULT false,
    billable        boolean     NOT NULL DEFAULT true,
    billing_code    text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    version         integer     NOT NULL DEFAULT 1,
    CONSTRAINT notes_type_is_known CHECK (note_type IN (
        'progress_note', 'intake_note', 'assessment', 'treatment_plan', 'discharge_summary', 'administrative',
        'billing', 'other')),
    CONSTRAINT notes_signature_has_time CHECK (
        is_signed = (signed_at IS NOT NULL) AND (is_signed OR signed_by IS NULL)),
    CONSTRAINT notes_texts_are_bounded CHECK (
        length(title) BETWEEN 1 AND 255 AND length(content) BETWEEN 1 AND 50000
        AND cardinality(diagnosis_codes) <= 20),
    CONSTRAINT notes_diagnosis_codes_are_some CHECK (array_position(diagnosis_codes, NULL) IS NULL)
);

-- The lists: of a client, of a provider, and of one kind; all notes are those that are billed and the others.
CREATE INDEX idx_notes_client_type_date ON notes (client_id, created_at, id)
    INCLUDE (note_type, provider_id, is_signed, billable);
CREATE INDEX idx_notes_provider_type_date ON notes (provider_id, created_at, id)
    INCLUDE (note_type, is_signed, billable);
CREATE INDEX idx_notes_type_date ON notes (note_type, created_at, id);
CREATE INDEX idx_notes_signed_date ON notes (is_signed, created_at, id);
CREATE INDEX idx_notes_billable_date ON notes (billable, created_at, id);
-- The foreign key. Appointments are never deleted, so that no statement needs it.
CREATE INDEX idx_notes_appointment_signed ON notes (appointment_id, is_signed) WHERE appointment_id IS NOT NULL;

-- What was signed or locked stays as it is. A signed note can still be locked.
CREATE FUNCTION notes_keep_signed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT OLD.is_locked AND NEW.is_locked AND (to_jsonb(NEW) - '{is_locked,updated_at,version}'::text[])
        = (to_jsonb(OLD) - '{is_locked,updated_at,version}'::text[]) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a note that was signed or locked cannot be changed'
        USING ERRCODE = 'check_violation', TABLE = 'notes', CONSTRAINT = 'notes_keep_signed';
END $$;

CREATE TRIGGER notes_keep_signed BEFORE UPDATE OR DELETE ON notes
    FOR EACH ROW WHEN (OLD.is_signed OR OLD.is_locked) EXECUTE FUNCTION notes_keep_signed();

COMMENT ON TABLE notes IS 'Clinical notes. They are neither changed nor deleted after they were signed or locked.';
COMMENT ON COLUMN notes.id IS 'Id, a UUID of version 7.';
COMMENT ON COLUMN notes.client_id IS 'The client.';
COMMENT ON COLUMN notes.provider_id IS 'The provider who wrote the note.';
COMMENT ON COLUMN notes.appointment_id IS 'Appointment that the note is about.';
COMMENT ON COLUMN notes.note_type IS 'Kind of note.';
COMMENT ON COLUMN notes.title IS 'Title.';
COMMENT ON COLUMN notes.content IS 'Text of the note.';
COMMENT ON COLUMN notes.diagnosis_codes IS 'Codes of ICD-10-CM, without dot.';
COMMENT ON COLUMN notes.treatment_goals IS 'Goals of the treatment.';
COMMENT ON COLUMN notes.interventions IS 'Interventions.';
COMMENT ON COLUMN notes.client_response IS 'Response of the client.';
COMMENT ON COLUMN notes.plan IS 'Plan.';
COMMENT ON COLUMN notes.is_signed IS 'True if the provider has signed the note.';
COMMENT ON COLUMN notes.signed_at IS 'Time of the signature.';
COMMENT ON COLUMN notes.signed_by IS 'User who signed the note; null if a program did.';
COMMENT ON COLUMN notes.is_locked IS 'True if the note was locked.';
COMMENT ON COLUMN notes.requires_review IS 'True if the note is to be reviewed.';
COMMENT ON COLUMN notes.billable IS 'True if the note can be billed.';
COMMENT ON COLUMN notes.billing_code IS 'Billing code (CPT).';
COMMENT ON COLUMN notes.created_at IS 'Time of the creation.';
COMMENT ON COLUMN notes.updated_at IS 'Time of the last change.';
COMMENT ON COLUMN notes.version IS 'Number of the changes of the note, from 1.';
