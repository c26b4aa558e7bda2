DROP TABLE icd10_codes;
