//! Faults of the schema.

use super::{Fault, Plant};
use steadfast_plans::Rule;

/// Returns all faults of the schema.
pub(super) fn all() -> Vec<Fault> {
    [hidden(), missing(), changed(), needless(), declared()]
        .into_iter()
        .flatten()
        .map(|(name, rule, subject, object, sql)| {
            let plant = Plant::Schema { object, sql };
            Fault { name: name.to_owned(), rule, subject: subject.to_owned(), plant }
        })
        .collect()
}

/// Name, rule, subject of the finding, changed object, SQL.
type Row = (&'static str, Rule, &'static str, &'static str, &'static str);

/// Statements in functions and triggers.
fn hidden() -> Vec<Row> {
    vec![
        (
            "hidden_in_function",
            Rule::Growth,
            "customers.has_orders",
            "has_orders",
            "CREATE OR REPLACE FUNCTION has_orders(customer bigint) RETURNS boolean STABLE LANGUAGE plpgsql AS
             $$ BEGIN RETURN (SELECT count(*) FROM orders WHERE -customer_id = -customer) > 0; END $$",
        ),
        (
            "hidden_in_trigger",
            Rule::Unserved,
            "customers.add",
            "customers_counted",
            "CREATE FUNCTION count_customers() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM count(*) FROM customers; RETURN NULL; END $$;
             CREATE TRIGGER customers_counted AFTER INSERT ON customers
             FOR EACH ROW EXECUTE FUNCTION count_customers()",
        ),
    ]
}

/// Returns faults by missing indexes.
fn missing() -> Vec<Row> {
    vec![
        ("index_dropped", Rule::Unserved, "orders.of_customer", "orders", "DROP INDEX orders_customer"),
        ("partial_index_dropped", Rule::Wasteful, "orders.open", "orders", "DROP INDEX orders_open"),
        (
            "inverted_index_dropped",
            Rule::Unserved,
            "articles.with_words",
            "articles_words",
            "DROP INDEX articles_words",
        ),
        (
            "rows_of_foreign_key_unserved",
            Rule::Unserved,
            "customers.remove",
            "order_lines",
            "ALTER TABLE order_lines DROP CONSTRAINT order_lines_pkey;
             ALTER TABLE order_lines ADD PRIMARY KEY (line, order_id)",
        ),
        (
            "foreign_key_without_index",
            Rule::Catalogue,
            "order_lines.order_lines_order_id_fkey",
            "order_lines",
            "ALTER TABLE order_lines DROP CONSTRAINT order_lines_pkey;
             ALTER TABLE order_lines ADD PRIMARY KEY (line, order_id)",
        ),
        (
            "partitioned_index_dropped",
            Rule::Unserved,
            "events.of_actor",
            "events_actor",
            "DROP INDEX events_actor",
        ),
        (
            "one_partition_without_index",
            Rule::Catalogue,
            "events_actor",
            "events_actor",
            "DROP INDEX events_actor; CREATE INDEX events_actor ON ONLY events (actor, happened_at DESC)",
        ),
    ]
}

/// Returns faults by changed indexes.
fn changed() -> Vec<Row> {
    vec![
        (
            "columns_swapped",
            Rule::Unserved,
            "order_lines.of_article",
            "order_lines",
            "DROP INDEX order_lines_article; CREATE INDEX order_lines_article ON order_lines (order_id, article)",
        ),
        (
            "order_column_lost",
            Rule::Unbounded,
            "orders.of_customer",
            "orders",
            "DROP INDEX orders_customer; CREATE INDEX orders_customer ON orders (customer_id)",
        ),
        (
            "predicate_lost",
            Rule::Wasteful,
            "orders.open",
            "orders",
            "DROP INDEX orders_open; CREATE INDEX orders_open ON orders (customer_id, placed_at, id)",
        ),
        (
            "collation_lost",
            Rule::Unserved,
            "customers.by_name",
            "customers_name",
            "DROP INDEX customers_name; CREATE INDEX customers_name ON customers (name)",
        ),
        (
            "other_operator_class",
            Rule::Unserved,
            "customers.by_name",
            "customers_name",
            "DROP INDEX customers_name; \
             CREATE INDEX customers_name ON customers (name COLLATE \"C\" text_pattern_ops)",
        ),
        (
            "key_in_expression",
            Rule::Unserved,
            "customers.of_region",
            "customers_region",
            "DROP INDEX customers_region; CREATE INDEX customers_region ON customers (lower(region), id)",
        ),
        (
            "other_access_method",
            Rule::Unserved,
            "articles.with_words",
            "articles_words",
            "DROP INDEX articles_words; CREATE INDEX articles_words ON articles (words)",
        ),
    ]
}

/// Returns faults by unneeded indexes.
fn needless() -> Vec<Row> {
    vec![
        (
            "unused_index",
            Rule::Unneeded,
            "order_lines_quantity",
            "order_lines_quantity",
            "CREATE INDEX order_lines_quantity ON order_lines (quantity)",
        ),
        (
            "duplicate_index",
            Rule::Catalogue,
            "articles_words_again",
            "articles_words",
            "CREATE INDEX articles_words_again ON articles USING gin (words)",
        ),
        (
            "beginning_of_another_index",
            Rule::Catalogue,
            "order_lines_order",
            "order_lines",
            "CREATE INDEX order_lines_order ON order_lines (order_id)",
        ),
        (
            "index_of_nulls",
            Rule::Catalogue,
            "customers_note",
            "customers_note",
            "CREATE INDEX customers_note ON customers (note)",
        ),
        (
            "tree_over_arrays",
            Rule::Catalogue,
            "tickets_labels",
            "tickets.labels",
            "ALTER TABLE tickets ADD labels text[]; CREATE INDEX tickets_labels ON tickets (labels)",
        ),
        (
            "condition_that_always_holds",
            Rule::Catalogue,
            "customers_id_named",
            "customers.name",
            "CREATE INDEX customers_id_named ON customers (id, name) WHERE name IS NOT NULL",
        ),
    ]
}

/// Faults of columns, keys and constraints.
fn declared() -> Vec<Row> {
    vec![
        (
            "foreign_key_of_another_type",
            Rule::Catalogue,
            "orders.orders_customer_id_fkey",
            "orders.customer_id",
            "ALTER TABLE orders ALTER customer_id TYPE integer",
        ),
        (
            "constraint_not_valid",
            Rule::Catalogue,
            "orders.orders_amount_check",
            "orders_amount_check",
            "ALTER TABLE orders ADD CONSTRAINT orders_amount_check CHECK (amount >= 0) NOT VALID",
        ),
        (
            "foreign_key_twice",
            Rule::Catalogue,
            "order_lines.order_lines_second_fkey",
            "order_lines_order_id_fkey",
            "ALTER TABLE order_lines ADD CONSTRAINT order_lines_second_fkey FOREIGN KEY (order_id) REFERENCES orders",
        ),
        (
            "table_without_key",
            Rule::Catalogue,
            "tickets",
            "tickets_pkey",
            "ALTER TABLE tickets DROP CONSTRAINT tickets_pkey",
        ),
        (
            "time_without_zone",
            Rule::Catalogue,
            "tickets.closed_at",
            "tickets.closed_at",
            "ALTER TABLE tickets ADD closed_at timestamp",
        ),
        (
            "inexact_money",
            Rule::Catalogue,
            "orders.amount",
            "orders.amount",
            "ALTER TABLE orders ALTER amount TYPE double precision",
        ),
        (
            "sequence_near_its_end",
            Rule::Catalogue,
            "customers_id_seq",
            "customers_id_seq",
            "SELECT setval('customers_id_seq', 9e18::bigint)",
        ),
        (
            "small_table_outgrown",
            Rule::Unseeded,
            "regions",
            "regions",
            "INSERT INTO regions VALUES ('r601', 'one too many')",
        ),
        (
            "unparsed_json",
            Rule::Catalogue,
            "articles.details",
            "articles.details",
            "ALTER TABLE articles ADD details json",
        ),
    ]
}
