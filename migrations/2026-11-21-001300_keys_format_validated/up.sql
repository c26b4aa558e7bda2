-- Nothing is corrected here: what an odd row was meant to be, only its owner knows. The message names no key.
DO $$
DECLARE
    odd      bigint;
    first_id bigint;
BEGIN
    SELECT count(*), min(id) INTO odd, first_id FROM pidms_keys WHERE keyname !~ '^[A-Z0-9]{25}$';
    IF odd > 0 THEN
        RAISE EXCEPTION 'pidms_keys has % row(s) whose keyname is not 25 upper-case letters and digits, the first with id %. '
            'List them with SELECT id FROM pidms_keys WHERE keyname !~ ''^[A-Z0-9]{25}$'', correct or delete them, and '
            'migrate again', odd, first_id
            USING ERRCODE = 'check_violation';
    END IF;
END
$$;
ALTER TABLE pidms_keys VALIDATE CONSTRAINT pidms_keys_keyname_is_key;
