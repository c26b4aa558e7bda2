-- The index that the requirements name, for keys that have activations left. Over all keys it was a trap: the plan for all
-- values of a prepared search expects any range of `remaining` to be narrow, took this index, and read the whole table
-- when no range was asked for. Values that a plan does not know cannot imply the condition.
DROP INDEX idx_pidms_keys_remaining;
CREATE INDEX idx_pidms_keys_remaining ON pidms_keys (remaining) WHERE remaining > 0;
