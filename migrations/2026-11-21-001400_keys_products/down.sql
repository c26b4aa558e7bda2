DROP TRIGGER pidms_products_insert ON pidms_keys;
DROP TRIGGER pidms_products_update ON pidms_keys;
DROP TRIGGER pidms_products_delete ON pidms_keys;
DROP TRIGGER pidms_products_truncate ON pidms_keys;
DROP FUNCTION pidms_products_upkeep();
DROP TABLE pidms_products;
