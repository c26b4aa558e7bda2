//! Operations in which nothing is wrong but the cases: one that would show the other side of a branch is missing.

use super::{Fault, fault};
use crate::operation::Operation;
use crate::operation::Value::{Id, Null, Text};
use crate::shop::served;
use steadfast_plans::Contract;

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
            "Branch",
            filtered("filter_never_set")
                .case("many", [Id(1), Null])
                .case("few", [Id(7), Null])
                .case("none", [Id(0), Null]),
        ),
        fault("Branch", finds("never_finds_anything").case("none", [Text("nobody")])),
        fault("Branch", finds("never_finds_nothing").case("one", [Text("c7@example.com")])),
        fault("Branch", show("second_statement_never_sent").case("none", [Id(0)])),
        fault(
            "Branch",
            show("second_statement_never_finds_nothing").case("with lines", [Id(7)]).case("none", [Id(0)]),
        ),
        fault("Branch", of_customer("limit_never_reached").case("few", [Id(7)]).case("none", [Id(0)])),
        fault("Branch", of_customer("limit_always_reached").case("many", [Id(1)])),
        fault(
            "Branch",
            served("value_never_null", &["customers_pkey"])
                .sends("UPDATE customers SET note = $2 WHERE id = $1 RETURNING id")
                .case("one", [Id(7), Text("pays late")])
                .case("none", [Id(0), Text("pays late")]),
        ),
        fault(
            "Unseeded",
            served("table_that_nobody_seeds", &[])
                .sends("SELECT id FROM tickets WHERE state = $1")
                .case("none", [Text("open")]),
        ),
    ]
}
