//! Correct operations in which a case is missing.

use super::{Fault, fault};
use crate::operation::Operation;
use crate::operation::Value::{Id, Null, Text};
use crate::shop::served;
use steadfast_plans::{Contract, Rule};

const OF_CUSTOMER: &str =
    "SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 20";

/// Returns all faults of cases.
pub(super) fn all() -> Vec<Fault> {
    let show = |name: &str| {
        let contract = Contract::new(name).statements(2);
        Operation::new(contract.served_by(&["orders_pkey", "order_lines_pkey"]))
            .sends("SELECT id FROM orders WHERE id = $1")
            .if_found("SELECT line::bigint AS id FROM order_lines WHERE order_id = $1 ORDER BY line")
    };
    let finds = |name: &str| {
        served(name, &["customers_email_key"]).sends("SELECT id FROM customers WHERE email = $1")
    };
    let filtered = |name: &str| {
        served(name, &["orders_customer"]).sends(
            "SELECT id FROM orders WHERE customer_id = $1 AND ($2::text IS NULL OR status = $2) \
             ORDER BY placed_at DESC, id DESC LIMIT 20",
        )
    };
    let of_customer = |name: &str| served(name, &["orders_customer"]).sends(OF_CUSTOMER);
    vec![
        fault(
            Rule::Branch,
            filtered("filter_never_set")
                .case("many", [Id(1), Null])
                .case("few", [Id(7), Null])
                .case("none", [Id(0), Null]),
        ),
        fault(Rule::Branch, finds("never_finds_anything").case("none", [Text("absent")])),
        fault(Rule::Branch, finds("never_finds_nothing").case("one", [Text("c7@example.com")])),
        fault(Rule::Branch, show("second_statement_never_sent").case("none", [Id(0)])),
        fault(
            Rule::Branch,
            show("second_statement_never_finds_nothing").case("with lines", [Id(7)]).case("none", [Id(0)]),
        ),
        fault(Rule::Branch, of_customer("limit_never_reached").case("few", [Id(7)]).case("none", [Id(0)])),
        fault(Rule::Branch, of_customer("limit_always_reached").case("many", [Id(1)])),
        fault(
            Rule::Branch,
            served("later_pages_never_asked_for", &["orders_customer"])
                .sends(
                    "SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 20 OFFSET $2",
                )
                .case("many", [Id(1), Id(0)])
                .case("few", [Id(7), Id(0)])
                .case("none", [Id(0), Id(0)]),
        ),
        Fault {
            subject: "tickets".to_owned(),
            ..fault(
                Rule::Unseeded,
                served("table_without_seed", &[])
                    .sends("SELECT id FROM tickets WHERE state = $1")
                    .case("none", [Text("open")]),
            )
        },
    ]
}
