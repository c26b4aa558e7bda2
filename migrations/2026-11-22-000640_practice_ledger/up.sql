-- The sign of each kind of transaction: what increases the balance that a client owes is positive. Decision 0022.
CREATE FUNCTION ledger_signed(transaction_type text, amount numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN transaction_type IN ('payment', 'insurance_payment', 'copay', 'write_off') THEN -amount ELSE amount END;

CREATE TABLE ledger (
    id                      uuid          PRIMARY KEY,
    client_id               uuid          NOT NULL REFERENCES clients,
    transaction_type        text          NOT NULL,
    amount                  numeric(10,2) NOT NULL,
    signed_amount           numeric(10,2) NOT NULL GENERATED ALWAYS AS (ledger_signed(transaction_type, amount)) STORED,
    description             text          NOT NULL,
    service_date            date          NOT NULL,
    billing_code            text,
    diagnosis_code          text,
    payment_method          text,
    reference_number        text,
    check_number            text,
    insurance_claim_number  text,
    insurance_authorization text,
    is_posted               boolean       NOT NULL DEFAULT true,
    is_reconciled           boolean       NOT NULL GENERATED ALWAYS AS (reconciliation_date IS NOT NULL) STORED,
    reconciliation_date     date,
    notes                   text,
    created_at              timestamptz   NOT NULL DEFAULT now(),
    updated_at              timestamptz   NOT NULL DEFAULT now(),
    version                 integer       NOT NULL DEFAULT 1,
    CONSTRAINT ledger_type_is_known CHECK (transaction_type IN (
        'charge', 'payment', 'adjustment', 'refund', 'write_off', 'insurance_payment', 'copay', 'deductible')),
    CONSTRAINT ledger_method_is_known CHECK (payment_method IN (
        'cash', 'check', 'credit_card', 'debit_card', 'bank_transfer', 'insurance', 'other')),
    CONSTRAINT ledger_amount_has_sign CHECK (amount > 0 OR (transaction_type = 'adjustment' AND amount <> 0)),
    CONSTRAINT ledger_reconciled_is_posted CHECK (is_posted OR reconciliation_date IS NULL),
    CONSTRAINT ledger_date_is_plausible CHECK (service_date BETWEEN '1900-01-01' AND '2099-12-31'),
    CONSTRAINT ledger_texts_are_bounded CHECK (
        length(description) BETWEEN 1 AND 500 AND length(billing_code) <= 20 AND length(diagnosis_code) <= 7
        AND length(reference_number) <= 100 AND length(check_number) <= 50 AND length(insurance_claim_number) <= 100
        AND length(insurance_authorization) <= 100)
);

-- Lists find the ids of a page in an index alone. The first index serves the account of a client and its summary, too,
-- the last one the revenue.
CREATE INDEX idx_ledger_client_type_date ON ledger (client_id, service_date, id)
    INCLUDE (transaction_type, is_posted, is_reconciled, signed_amount);
CREATE INDEX idx_ledger_posted_reconciled ON ledger (service_date, id)
    INCLUDE (transaction_type, is_posted, is_reconciled) WHERE NOT is_reconciled;
CREATE INDEX idx_ledger_service_date_posted ON ledger (service_date, id)
    INCLUDE (transaction_type, is_posted, is_reconciled, signed_amount);

-- Changes that the history of an account does not permit, whatever sends them. The trigger's name is that of the rule.
CREATE FUNCTION ledger_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'entry % of the ledger violates the rule %', OLD.id, TG_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END
$$;

CREATE TRIGGER ledger_reconciled_is_final BEFORE UPDATE ON ledger
    FOR EACH ROW WHEN (OLD.is_reconciled) EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_posted_stays_posted BEFORE UPDATE ON ledger
    FOR EACH ROW WHEN (OLD.is_posted AND NOT NEW.is_posted) EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_posted_is_kept BEFORE DELETE ON ledger
    FOR EACH ROW WHEN (OLD.is_posted) EXECUTE FUNCTION ledger_refuse_change();

CREATE TABLE client_balances (
    client_id uuid          PRIMARY KEY REFERENCES clients,
    balance   numeric(20,2) NOT NULL
);

CREATE INDEX client_balances_highest ON client_balances (balance DESC, client_id) WHERE balance > 0;

-- With its owner's rights: the application's role needs to read the balances, not to change them.
CREATE FUNCTION client_balances_upkeep() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    came    CONSTANT text := 'SELECT client_id, signed_amount AS change FROM new_entries WHERE is_posted';
    went    CONSTANT text := 'SELECT client_id, -signed_amount AS change FROM old_entries WHERE is_posted';
    changed CONSTANT text :=
        CASE TG_OP WHEN 'INSERT' THEN came WHEN 'DELETE' THEN went ELSE came || ' UNION ALL ' || went END;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM client_balances;
        RETURN NULL;
    END IF;
    -- All statements lock the balances in the same order, so they never wait in a circle.
    EXECUTE 'INSERT INTO client_balances AS stored (client_id, balance)
        SELECT client_id, sum(change) FROM (' || changed || ') AS changes
        GROUP BY client_id HAVING sum(change) <> 0 ORDER BY client_id
        ON CONFLICT (client_id) DO UPDATE SET balance = stored.balance + excluded.balance';
    RETURN NULL;
END
$$;

CREATE TRIGGER client_balances_insert AFTER INSERT ON ledger
    REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION client_balances_upkeep();
CREATE TRIGGER client_balances_update AFTER UPDATE ON ledger
    REFERENCING OLD TABLE AS old_entries NEW TABLE AS new_entries
    FOR EACH STATEMENT EXECUTE FUNCTION client_balances_upkeep();
CREATE TRIGGER client_balances_delete AFTER DELETE ON ledger
    REFERENCING OLD TABLE AS old_entries FOR EACH STATEMENT EXECUTE FUNCTION client_balances_upkeep();
CREATE TRIGGER client_balances_truncate AFTER TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION client_balances_upkeep();

COMMENT ON TABLE ledger IS 'Charges and payments of clients. Posted entries are never deleted, reconciled ones never changed.';
COMMENT ON COLUMN ledger.id IS 'Id, a UUID of version 7.';
COMMENT ON COLUMN ledger.client_id IS 'The client.';
COMMENT ON COLUMN ledger.transaction_type IS 'Kind of transaction.';
COMMENT ON COLUMN ledger.amount IS 'Amount in dollars; only an adjustment can be negative.';
COMMENT ON COLUMN ledger.signed_amount IS 'Amount by which the transaction changes the balance that the client owes.';
COMMENT ON COLUMN ledger.description IS 'Description.';
COMMENT ON COLUMN ledger.service_date IS 'Day of the service or of the payment.';
COMMENT ON COLUMN ledger.billing_code IS 'Billing code (CPT).';
COMMENT ON COLUMN ledger.diagnosis_code IS 'Code of ICD-10-CM, without dot.';
COMMENT ON COLUMN ledger.payment_method IS 'Means of payment.';
COMMENT ON COLUMN ledger.reference_number IS 'Reference number.';
COMMENT ON COLUMN ledger.check_number IS 'Number of the check.';
COMMENT ON COLUMN ledger.insurance_claim_number IS 'Number of the insurance claim.';
COMMENT ON COLUMN ledger.insurance_authorization IS 'Authorization of the insurance.';
COMMENT ON COLUMN ledger.is_posted IS 'True if the entry counts in the balance.';
COMMENT ON COLUMN ledger.is_reconciled IS 'True if the entry was reconciled.';
COMMENT ON COLUMN ledger.reconciliation_date IS 'Day of the reconciliation; null if the entry was not reconciled.';
COMMENT ON COLUMN ledger.notes IS 'Notes.';
COMMENT ON COLUMN ledger.created_at IS 'Time of the creation.';
COMMENT ON COLUMN ledger.updated_at IS 'Time of the last change.';
COMMENT ON COLUMN ledger.version IS 'Number of the changes of the entry, from 1.';
COMMENT ON TABLE client_balances IS 'Balances of the clients with posted entries in the ledger, maintained by triggers.';
COMMENT ON COLUMN client_balances.client_id IS 'The client.';
COMMENT ON COLUMN client_balances.balance IS 'Sum of the signed amounts: what the client owes, negative if the client has credit.';
