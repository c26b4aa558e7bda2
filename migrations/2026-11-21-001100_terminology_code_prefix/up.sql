-- Serves searches by the beginning of a code. The first column says of what kind a code is and orders the kinds: shorter codes
-- first, then those in use, then billable ones. A search goes through the kinds and reads a range of codes of each, without
-- sorting all codes that begin so.
CREATE INDEX idx_icd10_code_prefix_active ON icd10_blue.codes
    ((4 * length(code) + 2 * (NOT active)::int + (NOT billable)::int), code);
CREATE INDEX idx_icd10_code_prefix_active ON icd10_green.codes
    ((4 * length(code) + 2 * (NOT active)::int + (NOT billable)::int), code);
ANALYZE icd10_blue.codes;
ANALYZE icd10_green.codes;
