ALTER TABLE icd10_blue.codes DROP CONSTRAINT icd10_codes_parent_is_bare;
ALTER TABLE icd10_green.codes DROP CONSTRAINT icd10_codes_parent_is_bare;
ALTER TABLE icd10_blue.chapters DROP CONSTRAINT icd10_chapters_codes_are_bare;
ALTER TABLE icd10_green.chapters DROP CONSTRAINT icd10_chapters_codes_are_bare;
