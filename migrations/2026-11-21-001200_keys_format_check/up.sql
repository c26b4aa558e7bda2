-- Rows must be readable as what they hold. NOT VALID holds for rows from now on and takes its lock for a moment only; the
-- next migration looks at those that are there, while others read and write them.
ALTER TABLE pidms_keys
    ADD CONSTRAINT pidms_keys_keyname_is_key CHECK (keyname ~ '^[A-Z0-9]{25}$') NOT VALID;
