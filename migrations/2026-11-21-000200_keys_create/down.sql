DROP TABLE pidms_keys;
