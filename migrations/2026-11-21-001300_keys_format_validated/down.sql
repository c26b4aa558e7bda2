-- A constraint cannot be made invalid again; the migration before drops it.
SELECT;
