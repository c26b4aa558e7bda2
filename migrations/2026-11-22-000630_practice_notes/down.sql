DROP TABLE notes;
DROP FUNCTION notes_keep_signed;
