ALTER TABLE pidms_keys DROP CONSTRAINT pidms_keys_keyname_is_key;
