CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE appointments (
    id                      uuid          PRIMARY KEY,
    client_id               uuid          NOT NULL REFERENCES clients,
    provider_id             uuid          NOT NULL REFERENCES providers,
    scheduled_start         timestamptz   NOT NULL,
    scheduled_end           timestamptz   NOT NULL,
    actual_start            timestamptz,
    actual_end              timestamptz,
    appointment_type        text          NOT NULL DEFAULT 'follow_up',
    status                  text          NOT NULL DEFAULT 'scheduled',
    billable_units          integer       NOT NULL DEFAULT 1,
    location                text,
    is_telehealth           boolean       NOT NULL DEFAULT false,
    meeting_link            text,
    reason_for_visit        text,
    appointment_notes       text,
    cancellation_reason     text,
    reminder_sent_at        timestamptz,
    confirmation_sent_at    timestamptz,
    copay_amount            numeric(10,2),
    insurance_authorization text,
    created_at              timestamptz   NOT NULL DEFAULT now(),
    updated_at              timestamptz   NOT NULL DEFAULT now(),
    version                 integer       NOT NULL DEFAULT 1,
    CONSTRAINT appointments_type_is_known CHECK (appointment_type IN (
        'initial_consultation', 'follow_up', 'therapy_session', 'medication_management', 'group_therapy',
        'family_therapy', 'crisis_intervention', 'assessment', 'other')),
    CONSTRAINT appointments_status_is_known CHECK (status IN (
        'scheduled', 'confirmed', 'in_progress', 'completed', 'cancelled', 'no_show', 'rescheduled')),
    CONSTRAINT appointments_end_after_start CHECK (
        scheduled_end > scheduled_start AND scheduled_end <= scheduled_start + interval '24 hours'),
    CONSTRAINT appointments_units_are_plausible CHECK (billable_units BETWEEN 0 AND 100),
    CONSTRAINT appointments_copay_is_positive CHECK (copay_amount > 0),
    CONSTRAINT appointments_reason_is_of_cancellation CHECK (cancellation_reason IS NULL OR status = 'cancelled'),
    CONSTRAINT appointments_do_not_overlap EXCLUDE USING gist (
        provider_id WITH =, tstzrange(scheduled_start, scheduled_end) WITH &&)
        WHERE (status IN ('scheduled', 'confirmed', 'in_progress') AND appointment_type <> 'group_therapy')
);

-- The list: of a client, of a provider, of a status, and of a range of times. Their conditions read nothing else.
CREATE INDEX idx_appointments_client_date_status ON appointments (client_id, scheduled_start, id)
    INCLUDE (status, provider_id);
CREATE INDEX idx_appointments_provider_date_status ON appointments (provider_id, scheduled_start, id) INCLUDE (status);
CREATE INDEX idx_appointments_status_date ON appointments (status, scheduled_start, id);
CREATE INDEX idx_appointments_date_range ON appointments (scheduled_start, id);
-- The calendar of a provider, and the appointment with which another one overlaps.
CREATE INDEX idx_appointments_upcoming ON appointments (provider_id, scheduled_start, id)
    WHERE status IN ('scheduled', 'confirmed', 'in_progress');
-- Reminders that are due.
CREATE INDEX idx_appointments_unreminded ON appointments (scheduled_start, id)
    WHERE status IN ('scheduled', 'confirmed') AND reminder_sent_at IS NULL;

COMMENT ON TABLE appointments IS 'Appointments of clients with providers. They are cancelled, never deleted.';
COMMENT ON COLUMN appointments.id IS 'Id, a UUID of version 7.';
COMMENT ON COLUMN appointments.client_id IS 'The client.';
COMMENT ON COLUMN appointments.provider_id IS 'The provider.';
COMMENT ON COLUMN appointments.scheduled_start IS 'Planned beginning.';
COMMENT ON COLUMN appointments.scheduled_end IS 'Planned end.';
COMMENT ON COLUMN appointments.actual_start IS 'Time at which the appointment began.';
COMMENT ON COLUMN appointments.actual_end IS 'Time at which the appointment ended.';
COMMENT ON COLUMN appointments.appointment_type IS 'Kind of appointment.';
COMMENT ON COLUMN appointments.status IS 'State of the appointment.';
COMMENT ON COLUMN appointments.billable_units IS 'Number of units to bill.';
COMMENT ON COLUMN appointments.location IS 'Place.';
COMMENT ON COLUMN appointments.is_telehealth IS 'True if the appointment takes place online.';
COMMENT ON COLUMN appointments.meeting_link IS 'Address of the online meeting.';
COMMENT ON COLUMN appointments.reason_for_visit IS 'Reason, in the words of the client.';
COMMENT ON COLUMN appointments.appointment_notes IS 'Notes of the administration.';
COMMENT ON COLUMN appointments.cancellation_reason IS 'Reason for the cancellation.';
COMMENT ON COLUMN appointments.reminder_sent_at IS 'Time at which a reminder was sent.';
COMMENT ON COLUMN appointments.confirmation_sent_at IS 'Time at which a confirmation was sent.';
COMMENT ON COLUMN appointments.copay_amount IS 'Share of the client, in dollars.';
COMMENT ON COLUMN appointments.insurance_authorization IS 'Authorization of the insurance.';
COMMENT ON COLUMN appointments.created_at IS 'Time of the creation.';
COMMENT ON COLUMN appointments.updated_at IS 'Time of the last change.';
COMMENT ON COLUMN appointments.version IS 'Number of the changes of the appointment, from 1.';
