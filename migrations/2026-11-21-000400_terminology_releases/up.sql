-- Two slots with the same tables. Readers see them through views, which an import replaces when it has filled the slot
-- that nobody reads: old or new, never a mix, and a view keeps its identity, so prepared statements live on.
-- The table before had no release to be kept: import again after migrating.
DROP TABLE icd10_codes;

CREATE TABLE icd10_releases (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slot        text        NOT NULL CHECK (slot IN ('icd10_blue', 'icd10_green')),
    name        text        NOT NULL,
    digest      bytea       NOT NULL,
    codes       integer     NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    is_stored   bool        NOT NULL DEFAULT true,
    is_current  bool        NOT NULL DEFAULT false,
    CONSTRAINT icd10_releases_current_is_stored CHECK (is_stored OR NOT is_current)
);
CREATE UNIQUE INDEX icd10_releases_one_a_slot ON icd10_releases (slot) WHERE is_stored;
CREATE UNIQUE INDEX icd10_releases_one_current ON icd10_releases (is_current) WHERE is_current;

CREATE SCHEMA icd10_blue;
CREATE TABLE icd10_blue.codes (
    code        varchar(20) COLLATE "C" CONSTRAINT icd10_codes_pkey PRIMARY KEY,
    term        text        NOT NULL,
    category    varchar(10) COLLATE "C" NOT NULL,
    parent_code varchar(20) COLLATE "C",
    block       text        NOT NULL,
    chapter     text        NOT NULL,
    billable    bool        NOT NULL,
    active      bool        NOT NULL,
    weight      smallint    NOT NULL,
    document    tsvector    NOT NULL,
    CONSTRAINT icd10_codes_code_is_bare CHECK (code ~ '^[A-Z0-9]+$')
);
CREATE INDEX idx_icd10_parent_code_active ON icd10_blue.codes (parent_code, code) WHERE parent_code IS NOT NULL AND active;
CREATE INDEX idx_icd10_term_fulltext ON icd10_blue.codes USING gin (document);
CREATE TABLE icd10_blue.words (
    word      text COLLATE "C" CONSTRAINT icd10_words_pkey PRIMARY KEY,
    documents integer NOT NULL,
    forms     text[] NOT NULL
);
CREATE INDEX idx_icd10_words_forms ON icd10_blue.words USING gin (forms);
CREATE TABLE icd10_blue.chapters (
    chapter        text     CONSTRAINT icd10_chapters_pkey PRIMARY KEY,
    number         smallint NOT NULL,
    total_codes    integer  NOT NULL,
    active_codes   integer  NOT NULL,
    billable_codes integer  NOT NULL,
    first_code     varchar(20) COLLATE "C" NOT NULL,
    last_code      varchar(20) COLLATE "C" NOT NULL
);

CREATE SCHEMA icd10_green;
CREATE TABLE icd10_green.codes (
    code        varchar(20) COLLATE "C" CONSTRAINT icd10_codes_pkey PRIMARY KEY,
    term        text        NOT NULL,
    category    varchar(10) COLLATE "C" NOT NULL,
    parent_code varchar(20) COLLATE "C",
    block       text        NOT NULL,
    chapter     text        NOT NULL,
    billable    bool        NOT NULL,
    active      bool        NOT NULL,
    weight      smallint    NOT NULL,
    document    tsvector    NOT NULL,
    CONSTRAINT icd10_codes_code_is_bare CHECK (code ~ '^[A-Z0-9]+$')
);
CREATE INDEX idx_icd10_parent_code_active ON icd10_green.codes (parent_code, code) WHERE parent_code IS NOT NULL AND active;
CREATE INDEX idx_icd10_term_fulltext ON icd10_green.codes USING gin (document);
CREATE TABLE icd10_green.words (
    word      text COLLATE "C" CONSTRAINT icd10_words_pkey PRIMARY KEY,
    documents integer NOT NULL,
    forms     text[] NOT NULL
);
CREATE INDEX idx_icd10_words_forms ON icd10_green.words USING gin (forms);
CREATE TABLE icd10_green.chapters (
    chapter        text     CONSTRAINT icd10_chapters_pkey PRIMARY KEY,
    number         smallint NOT NULL,
    total_codes    integer  NOT NULL,
    active_codes   integer  NOT NULL,
    billable_codes integer  NOT NULL,
    first_code     varchar(20) COLLATE "C" NOT NULL,
    last_code      varchar(20) COLLATE "C" NOT NULL
);

-- The column `release` is a constant of the view: every row that is read says which release it is of.
CREATE VIEW icd10_codes AS
    SELECT code, term, category, parent_code, block, chapter, billable, active, weight, document, 0::bigint AS release
    FROM icd10_blue.codes;
CREATE VIEW icd10_words AS SELECT word, documents, forms FROM icd10_blue.words;
CREATE VIEW icd10_chapters AS
    SELECT chapter, number, total_codes, active_codes, billable_codes, first_code, last_code FROM icd10_blue.chapters;

COMMENT ON VIEW icd10_codes IS 'ICD-10-CM codes of the release in use, and those of earlier ones, inactive.';
COMMENT ON VIEW icd10_words IS 'The words of the terms of the release in use.';
COMMENT ON VIEW icd10_chapters IS 'The chapters of the release in use, added up when it was imported.';
COMMENT ON TABLE icd10_releases IS 'Releases of ICD-10-CM that were imported; two of them are stored, one is in use.';
COMMENT ON COLUMN icd10_releases.id IS 'Row id; stands in the column `release` of the view `icd10_codes`.';
COMMENT ON COLUMN icd10_releases.slot IS 'The schema that it was imported into.';
COMMENT ON COLUMN icd10_releases.name IS 'What it is called, mostly after its file.';
COMMENT ON COLUMN icd10_releases.digest IS 'SHA-256 of its rows: the same table is not imported twice.';
COMMENT ON COLUMN icd10_releases.codes IS 'How many codes it has, without those that were carried over.';
COMMENT ON COLUMN icd10_releases.imported_at IS 'When the import began.';
COMMENT ON COLUMN icd10_releases.is_stored IS 'Whether its slot still holds it.';
COMMENT ON COLUMN icd10_releases.is_current IS 'Whether the views show it.';

COMMENT ON COLUMN icd10_blue.codes.code IS 'The code, upper case, without dot.';
COMMENT ON COLUMN icd10_blue.codes.category IS 'The three-character category.';
COMMENT ON COLUMN icd10_blue.codes.parent_code IS 'The code above it; null for a category. No foreign key: a release is imported in any order.';
COMMENT ON COLUMN icd10_blue.codes.block IS 'Block of categories, e.g. `A00-A09`.';
COMMENT ON COLUMN icd10_blue.codes.chapter IS 'Number and title of the chapter.';
COMMENT ON COLUMN icd10_blue.codes.billable IS 'Whether it has no codes below it.';
COMMENT ON COLUMN icd10_blue.codes.active IS 'Whether it is in this release; others were carried over from the one before.';
COMMENT ON COLUMN icd10_blue.codes.weight IS 'How many different groups of three letters its term has.';
COMMENT ON COLUMN icd10_blue.codes.document IS 'The words of the term, and marks for its chapter and weight.';
COMMENT ON COLUMN icd10_blue.words.documents IS 'How many terms have the word.';
COMMENT ON COLUMN icd10_blue.words.forms IS 'What is left of the word''s beginning when up to two letters are left out.';

COMMENT ON COLUMN icd10_green.codes.code IS 'The code, upper case, without dot.';
COMMENT ON COLUMN icd10_green.codes.category IS 'The three-character category.';
COMMENT ON COLUMN icd10_green.codes.parent_code IS 'The code above it; null for a category. No foreign key: a release is imported in any order.';
COMMENT ON COLUMN icd10_green.codes.block IS 'Block of categories, e.g. `A00-A09`.';
COMMENT ON COLUMN icd10_green.codes.chapter IS 'Number and title of the chapter.';
COMMENT ON COLUMN icd10_green.codes.billable IS 'Whether it has no codes below it.';
COMMENT ON COLUMN icd10_green.codes.active IS 'Whether it is in this release; others were carried over from the one before.';
COMMENT ON COLUMN icd10_green.codes.weight IS 'How many different groups of three letters its term has.';
COMMENT ON COLUMN icd10_green.codes.document IS 'The words of the term, and marks for its chapter and weight.';
COMMENT ON COLUMN icd10_green.words.documents IS 'How many terms have the word.';
COMMENT ON COLUMN icd10_green.words.forms IS 'What is left of the word''s beginning when up to two letters are left out.';
