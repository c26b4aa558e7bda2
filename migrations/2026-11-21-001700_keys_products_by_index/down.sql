ALTER FUNCTION pidms_products_upkeep() RESET enable_seqscan;
