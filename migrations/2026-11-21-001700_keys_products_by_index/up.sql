-- The sums of a batch are found by the key of the product. For fifty products the planner would rather read the whole
-- table, as long as it has some thousand rows, and that cost would grow with every product.
ALTER FUNCTION pidms_products_upkeep() SET enable_seqscan = off;
