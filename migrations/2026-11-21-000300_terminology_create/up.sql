CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- The "C" collation makes the primary key serve ranges of prefixes as well.
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

COMMENT ON TABLE icd10_codes IS 'ICD-10-CM codes of the release that was imported last, and those of earlier ones.';
COMMENT ON COLUMN icd10_codes.code IS 'The code, upper case, without dot.';
COMMENT ON COLUMN icd10_codes.term IS 'What it stands for.';
COMMENT ON COLUMN icd10_codes.category IS 'The three-character category.';
COMMENT ON COLUMN icd10_codes.parent_code IS 'The code above it; null for a category. No foreign key: a release is imported in any order.';
COMMENT ON COLUMN icd10_codes.block IS 'Block of categories, e.g. `A00-A09`.';
COMMENT ON COLUMN icd10_codes.chapter IS 'Number and title of the chapter.';
COMMENT ON COLUMN icd10_codes.billable IS 'Whether it has no codes below it.';
COMMENT ON COLUMN icd10_codes.active IS 'Whether it is in the release that was imported last.';
