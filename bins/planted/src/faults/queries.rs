//! Statements that read, sort, join or skip more than they should.

use super::{Fault, fault};
use crate::operation::Operation;
use crate::operation::Value::{Id, Text};
use crate::shop::served;
use steadfast_plans::{Contract, Reads, Rule};

/// Statements that read a whole table: name, SQL, a value that finds something and one that does not.
const UNSERVED: [(&str, &str, &str, &str); 11] = [
    ("no_index", "SELECT id FROM orders WHERE amount = $1::numeric", "79.19", "-1"),
    (
        "update_without_index",
        "UPDATE orders SET amount = 0 WHERE amount = $1::numeric RETURNING id",
        "79.19",
        "-1",
    ),
    ("function_on_column", "SELECT id FROM customers WHERE lower(email) = $1", "c7@example.com", "absent"),
    ("implicit_cast", "SELECT id FROM orders WHERE id = $1::numeric", "7", "0"),
    ("other_collation", "SELECT id FROM customers WHERE name = $1", "Name 000007", "X"),
    ("like_contains", "SELECT id FROM customers WHERE name LIKE '%' || $1 || '%'", "0007", "X"),
    (
        "or_over_two_columns",
        "SELECT id FROM customers WHERE email = $1 OR note = $1",
        "c7@example.com",
        "absent",
    ),
    (
        "not_in",
        "SELECT id FROM customers \
         WHERE id NOT IN (SELECT customer_id FROM orders WHERE status = $1 OR $1 = 'any')",
        "open",
        "any",
    ),
    ("distinct_over_everything", "SELECT DISTINCT length(status)::bigint AS id FROM orders", "", ""),
    (
        "wrong_column_of_index",
        "SELECT id FROM orders WHERE placed_at = $1::timestamptz",
        "2026-01-01 01:00Z",
        "2027-01-01 00:00Z",
    ),
    (
        "negated_condition",
        "SELECT id FROM orders WHERE status <> 'paid' AND placed_at > $1::timestamptz",
        "2026-01-01 00:00Z",
        "2027-01-01 00:00Z",
    ),
];

/// Statements on the orders of one customer whose work grows while their result does not.
const UNBOUNDED: [(&str, &str); 10] = [
    ("exact_count", "SELECT count(*) AS id FROM orders WHERE customer_id = $1"),
    ("sorts_all_matches", "SELECT id FROM orders WHERE customer_id = $1 ORDER BY amount, id LIMIT 20"),
    (
        "offset",
        "SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 20 OFFSET 3000",
    ),
    (
        "nested_loop_over_small_table",
        "SELECT recent.id FROM (SELECT id FROM orders WHERE customer_id = $1 \
         ORDER BY placed_at DESC, id DESC LIMIT 200) recent \
         JOIN regions ON length(regions.name) + recent.id % 7 < 44",
    ),
    (
        "filter_above_join",
        "SELECT recent.id FROM (SELECT id FROM orders WHERE customer_id = $1 \
         ORDER BY placed_at DESC, id DESC LIMIT 200) recent LEFT JOIN regions ON true \
         WHERE regions.name IS NULL OR length(regions.name) + recent.id % 7 < 44",
    ),
    (
        "all_pairs_aggregated",
        "SELECT sum(length(regions.name)) % 2 AS id FROM (SELECT id FROM orders WHERE customer_id = $1 \
         ORDER BY placed_at DESC, id DESC LIMIT 200) recent CROSS JOIN regions GROUP BY recent.id % 2",
    ),
    (
        "subquery_for_each_row",
        "SELECT (SELECT count(*) FROM regions WHERE length(regions.name) > orders.id % 50) AS id \
         FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 200",
    ),
    ("distinct_of_all_matches", "SELECT DISTINCT id % 3 AS id FROM orders WHERE customer_id = $1"),
    (
        "page_with_exact_total",
        "SELECT id, count(*) OVER () FROM orders WHERE customer_id = $1 \
         ORDER BY placed_at DESC, id DESC LIMIT 20",
    ),
    ("random_order", "SELECT id FROM orders WHERE customer_id = $1 ORDER BY random() LIMIT 20"),
];

/// Returns the faults of statements that read a whole table.
pub(super) fn unserved() -> Vec<Fault> {
    let of_statement = |(name, sql, some, none)| {
        let operation = served(name, &[]).sends(sql);
        fault(Rule::Unserved, operation.case("some", [Text(some)]).case("none", [Text(none)]))
    };
    let join = served("join_of_all_matches", &["orders_customer", "order_lines_pkey"]).sends(
        "SELECT coalesce(sum(quantity), 0) AS id FROM orders JOIN order_lines ON order_id = orders.id \
         WHERE customer_id = $1",
    );
    let whole = served("whole_index", &["orders_customer"])
        .sends("SELECT id FROM orders ORDER BY customer_id, placed_at DESC, id DESC");
    let others = [of_customers(Rule::Unserved, join), fault(Rule::Unserved, whole.case("all", []))];
    UNSERVED.map(of_statement).into_iter().chain(others).collect()
}

/// Returns the faults of statements whose work grows while their result does not.
pub(super) fn unbounded() -> Vec<Fault> {
    let of_statement =
        |(name, sql)| of_customers(Rule::Unbounded, served(name, &["orders_customer"]).sends(sql));
    let up_to = Contract::new("more_rows_than_declared").reads(Reads::UpTo(1000), "counts exactly");
    let up_to = Operation::new(up_to.served_by(&["orders_customer"]))
        .sends("SELECT count(*) AS id FROM orders WHERE customer_id = $1");
    let lists = Contract::new("exact_count_beside_reads_lists").reads(Reads::PostingLists, "counts exactly");
    let lists = Operation::new(lists.served_by(&["orders_customer"]))
        .sends("SELECT count(*) AS id FROM orders WHERE customer_id = $1");
    let all = Contract::new("quadratic_beside_reads_all").reads(Reads::All, "compares all of a region");
    let all = Operation::new(all.served_by(&["customers_region"])).sends(
        "SELECT count(*) AS id FROM customers a JOIN customers b ON a.id < b.id \
         WHERE a.region = $1 AND b.region = $1 AND a.name > b.name",
    );
    let in_memory = Contract::new("quadratic_in_memory").reads(Reads::All, "compares all of a region");
    let in_memory = Operation::new(in_memory.served_by(&["customers_region"])).sends(
        "WITH these AS MATERIALIZED (SELECT id, name FROM customers WHERE region = $1) \
         SELECT count(*) AS id FROM these a JOIN these b ON a.name < b.name",
    );
    let counts = served("count_for_each_row", &["customers_region", "orders_customer"]).sends(
        "SELECT (SELECT count(*) FROM orders WHERE customer_id = customers.id) AS id FROM customers \
         WHERE region = $1 ORDER BY customers.id LIMIT 20",
    );
    let cascade = Contract::new("cascade_of_many").served_by(&["customers_pkey"]);
    let cascade = Operation::new(cascade.supports_fk(&["orders_customer", "order_lines_pkey"]))
        .sends("DELETE FROM customers WHERE id = $1 RETURNING id");
    let others = [
        of_customers(Rule::Unbounded, cascade),
        of_customers(Rule::Unbounded, up_to),
        of_customers(Rule::Unbounded, lists),
        fault(Rule::Growth, in_memory.case("many", [Text("r2")]).case("none", [Text("r500")])),
        fault(Rule::Unbounded, counts.case("many", [Text("r2")]).case("none", [Text("r500")])),
        fault(Rule::Growth, all.case("many", [Text("r2")]).case("none", [Text("r500")])),
    ];
    UNBOUNDED.map(of_statement).into_iter().chain(others).collect()
}

/// Returns the fault in `operation`, with cases of customers with many orders, few, and none.
fn of_customers(rule: Rule, operation: Operation) -> Fault {
    fault(rule, operation.case("many", [Id(1)]).case("few", [Id(7)]).case("none", [Id(0)]))
}

/// Returns the faults of rows that are thrown away, sorts on disk, and generic plans.
pub(super) fn wasteful() -> Vec<Fault> {
    let exports = Contract::new("spilling_sort").reads(Reads::All, "sorts everything");
    vec![
        fault(
            Rule::Wasteful,
            served("filter_beside_index", &["orders_customer"])
                .sends("SELECT id FROM orders WHERE customer_id = $1 AND amount = $2::numeric")
                .case("few of many", [Id(1), Text("25.14")])
                .case("none of many", [Id(1), Text("0.5")]),
        ),
        fault(
            Rule::Wasteful,
            served("cursor_by_or", &["orders_customer"])
                .sends(
                    "SELECT id FROM orders WHERE customer_id = $1 AND (placed_at < $2::timestamptz \
                     OR placed_at = $2::timestamptz AND id < $3) ORDER BY placed_at DESC, id DESC LIMIT 20",
                )
                .case("middle", [Id(1), Text("2026-01-02 12:00Z"), Id(2166)])
                .case("last page", [Id(1), Text("2026-01-01 01:00Z"), Id(60)])
                .case("none", [Id(0), Text("2026-01-02 12:00Z"), Id(0)]),
        ),
        fault(
            Rule::Wasteful,
            served("recheck", &["articles_words"])
                .sends("SELECT id FROM articles WHERE words @@ phraseto_tsquery('simple', $1)")
                .case("adjacent", [Text("blue cloth")])
                .case("apart", [Text("blue wool")]),
        ),
        fault(
            Rule::Wasteful,
            Operation::new(exports)
                .sends("SELECT id FROM orders ORDER BY repeat(status || amount, 40)")
                .case("all", []),
        ),
        fault(
            Rule::GenericPlan,
            served("bind_in_predicate", &["orders_open"])
                .sends(
                    "SELECT id, amount FROM orders WHERE customer_id = $1 AND status = $2 \
                     ORDER BY placed_at, id LIMIT 20",
                )
                .case("many", [Id(1), Text("open")])
                .case("one", [Id(107), Text("open")])
                .case("none", [Id(8), Text("open")]),
        ),
    ]
}
