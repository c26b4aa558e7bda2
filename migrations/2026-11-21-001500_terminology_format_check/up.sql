-- Every code that a row names must be readable as one.
ALTER TABLE icd10_blue.codes
    ADD CONSTRAINT icd10_codes_parent_is_bare CHECK (parent_code ~ '^[A-Z0-9]+$');
ALTER TABLE icd10_green.codes
    ADD CONSTRAINT icd10_codes_parent_is_bare CHECK (parent_code ~ '^[A-Z0-9]+$');
ALTER TABLE icd10_blue.chapters
    ADD CONSTRAINT icd10_chapters_codes_are_bare CHECK (first_code ~ '^[A-Z0-9]+$' AND last_code ~ '^[A-Z0-9]+$');
ALTER TABLE icd10_green.chapters
    ADD CONSTRAINT icd10_chapters_codes_are_bare CHECK (first_code ~ '^[A-Z0-9]+$' AND last_code ~ '^[A-Z0-9]+$');
