//! Statements that read, sort, join or skip more than they should.

use super::{Fault, fault};
use crate::operation::Operation;
use crate::operation::Value::{Id, Text};
use crate::shop::served;
use steadfast_plans::{Contract, Reads};

/// Returns tables that are read without an index.
pub(super) fn unserved() -> Vec<Fault> {
    let unserved = |name: &str, sql: &'static str, some: &'static str, none: &'static str| {
        fault("Unserved", served(name, &[]).sends(sql).case("some", [Text(some)]).case("none", [Text(none)]))
    };
    vec![
        unserved("no_index", "SELECT id FROM articles WHERE title = $1", "red", "blue"),
        unserved(
            "function_on_column",
            "SELECT id FROM customers WHERE lower(email) = $1",
            "c7@example.com",
            "nobody",
        ),
        unserved("implicit_cast", "SELECT id FROM orders WHERE id = $1::numeric", "7", "0"),
        unserved("other_collation", "SELECT id FROM customers WHERE name = $1", "Name 000007", "X"),
        unserved("like_contains", "SELECT id FROM customers WHERE name LIKE '%' || $1 || '%'", "0007", "X"),
        unserved(
            "or_over_two_columns",
            "SELECT id FROM customers WHERE email = $1 OR note = $1",
            "c7@example.com",
            "nobody",
        ),
        unserved(
            "not_in",
            "SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders WHERE status = $1)",
            "open",
            "paid",
        ),
        unserved(
            "distinct_over_everything",
            "SELECT DISTINCT 1::bigint AS id FROM orders WHERE status <> $1",
            "open",
            "paid",
        ),
        unserved(
            "wrong_column_of_index",
            "SELECT id FROM orders WHERE placed_at = $1::timestamptz",
            "2026-01-01 01:00Z",
            "2027-01-01 00:00Z",
        ),
        unserved(
            "negated_condition",
            "SELECT id FROM orders WHERE status <> 'paid' AND placed_at > $1::timestamptz",
            "2026-01-01 00:00Z",
            "2027-01-01 00:00Z",
        ),
        fault(
            "Unserved",
            served("whole_index", &["orders_customer"])
                .sends("SELECT id FROM orders ORDER BY customer_id, placed_at DESC, id DESC")
                .case("all", []),
        ),
    ]
}

/// Returns work that grows although the result does not.
pub(super) fn unbounded() -> Vec<Fault> {
    let of_customer = |rule: &'static str, name: &str, sql: &'static str| {
        let operation = served(name, &["orders_customer"]).sends(sql);
        fault(rule, operation.case("many", [Id(1)]).case("few", [Id(7)]).case("none", [Id(0)]))
    };
    vec![
        of_customer("Unbounded", "exact_count", "SELECT count(*) AS id FROM orders WHERE customer_id = $1"),
        of_customer(
            "Unbounded",
            "sorts_all_matches",
            "SELECT id FROM orders WHERE customer_id = $1 ORDER BY amount, id LIMIT 20",
        ),
        of_customer(
            "Unbounded",
            "offset",
            "SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 20 OFFSET 3000",
        ),
        of_customer(
            "Unbounded",
            "nested_loop_over_small_table",
            "SELECT recent.id FROM (SELECT id FROM orders WHERE customer_id = $1 \
             ORDER BY placed_at DESC, id DESC LIMIT 200) recent \
             JOIN regions ON length(regions.name) + recent.id < 60",
        ),
        of_customer(
            "Unbounded",
            "subquery_for_each_row",
            "SELECT (SELECT count(*) FROM regions WHERE length(regions.name) > orders.id % 50) AS id \
             FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 200",
        ),
        of_customer(
            "Unbounded",
            "distinct_of_all_matches",
            "SELECT DISTINCT id % 3 AS id FROM orders WHERE customer_id = $1",
        ),
        fault(
            "Growth",
            Operation::new(
                Contract::new("quadratic_beside_reads_all")
                    .served_by(&["customers_region"])
                    .reads(Reads::All, "compares all of a region"),
            )
            .sends(
                "SELECT count(*) AS id FROM customers a JOIN customers b ON a.id < b.id \
                 WHERE a.region = $1 AND b.region = $1 AND a.name > b.name",
            )
            .case("many", [Text("r2")])
            .case("none", [Text("r500")]),
        ),
    ]
}

/// Returns rows that are read to be discarded or do not fit into memory, and plans that do not last.
pub(super) fn wasteful() -> Vec<Fault> {
    let exports = Contract::new("spilling_sort").reads(Reads::All, "sorts everything");
    vec![
        fault(
            "Wasteful",
            served("filter_beside_index", &["orders_customer"])
                .sends("SELECT id FROM orders WHERE customer_id = $1 AND amount = 12.34")
                .case("many", [Id(1)])
                .case("none", [Id(0)]),
        ),
        fault(
            "Wasteful",
            served("recheck", &["articles_words"])
                .sends("SELECT id FROM articles WHERE words @@ phraseto_tsquery('simple', $1)")
                .case("adjacent", [Text("blue cloth")])
                .case("apart", [Text("blue wool")]),
        ),
        fault(
            "Wasteful",
            Operation::new(exports)
                .sends("SELECT id FROM orders ORDER BY repeat(status || amount, 40)")
                .case("all", []),
        ),
        fault(
            "GenericPlan",
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
