DROP VIEW icd10_codes, icd10_words, icd10_chapters;
DROP SCHEMA icd10_blue, icd10_green CASCADE;
DROP TABLE icd10_releases;

CREATE TABLE icd10_codes (
    code        varchar(20) COLLATE "C" PRIMARY KEY,
    term        text        NOT NULL,
    category    varchar(10) COLLATE "C" NOT NULL,
    parent_code varchar(20) COLLATE "C",
    block       text        NOT NULL,
    chapter     text        NOT NULL,
    billable    bool        NOT NULL,
    active      bool        NOT NULL DEFAULT true,
    CONSTRAINT icd10_codes_code_is_bare CHECK (code ~ '^[A-Z0-9]+$')
);
CREATE INDEX idx_icd10_parent_code_active ON icd10_codes (parent_code, code) WHERE parent_code IS NOT NULL AND active;
CREATE INDEX idx_icd10_term_trigram ON icd10_codes USING gin (term gin_trgm_ops);
