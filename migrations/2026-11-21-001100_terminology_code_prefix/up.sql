-- Serves searches by the beginning of a code: shorter codes first, then billable ones, without sorting all codes that
-- begin so. A search goes through lengths, and reads a range of codes of each.
CREATE INDEX idx_icd10_code_prefix_active ON icd10_blue.codes (length(code), active, billable, code);
CREATE INDEX idx_icd10_code_prefix_active ON icd10_green.codes (length(code), active, billable, code);
ANALYZE icd10_blue.codes;
ANALYZE icd10_green.codes;
