DROP TABLE clients;
DROP FUNCTION text_pairs;
