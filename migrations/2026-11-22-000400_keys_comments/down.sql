SELECT 1; -- Comments have no effect, so the new ones stay.
