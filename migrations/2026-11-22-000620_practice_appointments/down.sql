DROP TABLE appointments;
DROP EXTENSION btree_gist;
