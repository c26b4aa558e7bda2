//! Operations that promise something else than they do.

use super::{Fault, Plant, fault};
use crate::operation::Operation;
use crate::operation::Value::{Id, Text};
use crate::shop::served;
use steadfast_plans::{Contract, Reads};

const OF_CUSTOMER: &str =
    "SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 20";

const FIND: &str = "SELECT id FROM customers WHERE email = $1";

const LINES: &str = "SELECT line::bigint AS id FROM order_lines WHERE order_id = $1 ORDER BY line";

/// Returns all faults of contracts.
pub(super) fn all() -> Vec<Fault> {
    [indexes(), numbers(), runs()].into_iter().flatten().collect()
}

fn indexes() -> Vec<Fault> {
    let finds = |rule: &'static str, name: &str, indexes: &[&str]| {
        let operation = served(name, indexes).sends(FIND);
        fault(rule, operation.case("one", [Text("c7@example.com")]).case("none", [Text("nobody")]))
    };
    vec![
        finds("Undeclared", "undeclared_index", &[]),
        finds("Undeclared", "other_index_declared", &["customers_name"]),
        finds("Unclaimed", "index_declared_and_not_used", &["customers_email_key", "customers_name"]),
        finds("Unclaimed", "declared_index_is_gone", &["customers_email_key", "customers_gone"]),
        fault(
            "Undeclared",
            served("index_of_foreign_key_undeclared", &["customers_pkey"])
                .sends("DELETE FROM customers WHERE id = $1 RETURNING id")
                .case("one", [Id(7)])
                .case("none", [Id(0)]),
        ),
    ]
}

fn numbers() -> Vec<Fault> {
    let orders = |name: &str, statements: u32| {
        let contract = Contract::new(name).statements(statements);
        Operation::new(contract.served_by(&["orders_customer", "order_lines_pkey"]))
    };
    let lines = |operation: Operation| {
        let operation = operation.sends(OF_CUSTOMER).for_each(LINES);
        operation.case("many", [Id(1)]).case("few", [Id(7)]).case("none", [Id(0)])
    };
    let of_open = Contract::new("statements_grow").statements(10_000);
    let most = Contract::new("bound_that_no_case_reaches").served_by(&["orders_customer"]);
    vec![
        fault("Budget", lines(orders("statement_for_each_row", 2))),
        fault("Repeated", lines(orders("statement_for_each_row_in_budget", 21))),
        fault(
            "Budget",
            Operation::new(of_open.served_by(&["orders_open", "orders_pkey"]))
                .sends(
                    "SELECT id FROM orders WHERE customer_id = $1 AND status = 'open' \
                     ORDER BY placed_at, id",
                )
                .for_each("SELECT id FROM orders WHERE id = $1")
                .case("many", [Id(1)])
                .case("none", [Id(8)]),
        ),
        fault(
            "Unproven",
            Operation::new(Contract::new("budget_that_no_case_reaches").statements(5))
                .sends("SELECT length(code)::bigint AS id FROM regions WHERE name = $1")
                .case("one", [Text("region region region region region region 7")])
                .case("none", [Text("region 7")]),
        ),
        fault(
            "Unproven",
            Operation::new(most.reads(Reads::PerMatch(5_000), "counts exactly"))
                .sends(OF_CUSTOMER)
                .case("many", [Id(1)])
                .case("few", [Id(7)])
                .case("none", [Id(0)]),
        ),
    ]
}

fn runs() -> Vec<Fault> {
    let never_run = served("operation_without_case", &["customers_email_key"]).sends(FIND);
    let name = never_run.contract.operation.clone();
    vec![
        Fault { subject: name.clone(), name, rule: "Coverage", plant: Plant::Declaration(never_run) },
        fault(
            "Replay",
            served("depends_on_the_database", &[])
                .sends("SELECT 1::bigint AS id WHERE current_database() LIKE '%program'")
                .case("one", []),
        ),
    ]
}
