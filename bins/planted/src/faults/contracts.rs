//! Operations whose declarations are wrong.

use super::{Fault, Plant, fault};
use crate::operation::Operation;
use crate::operation::Value::{Id, Text};
use crate::shop::served;
use steadfast_plans::{Contract, Reads, Rule};

const OF_CUSTOMER: &str =
    "SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 20";

const FIND: &str = "SELECT id FROM customers WHERE email = $1";

const LINES: &str = "SELECT line::bigint AS id FROM order_lines WHERE order_id = $1 ORDER BY line";

const COUNT: &str =
    "SELECT count(*) AS id FROM (SELECT FROM orders WHERE customer_id = $1 LIMIT 200) counted";

const COUNT_MORE: &str =
    "SELECT count(*) AS id FROM (SELECT FROM orders WHERE customer_id = $1 LIMIT 1000) counted";

/// Returns all faults of contracts.
pub(super) fn all() -> Vec<Fault> {
    [indexes(), numbers(), runs()].into_iter().flatten().collect()
}

fn indexes() -> Vec<Fault> {
    let finds = |rule: Rule, name: &str, indexes: &[&str]| {
        let operation = served(name, indexes).sends(FIND);
        fault(rule, operation.case("one", [Text("c7@example.com")]).case("none", [Text("absent")]))
    };
    vec![
        finds(Rule::Undeclared, "undeclared_index", &[]),
        finds(Rule::Undeclared, "other_index_declared", &["customers_name"]),
        finds(Rule::Unclaimed, "index_declared_and_not_used", &["customers_email_key", "customers_name"]),
        finds(Rule::Unclaimed, "declared_index_is_gone", &["customers_email_key", "customers_gone"]),
        fault(
            Rule::Undeclared,
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
    let of_open = Contract::new("statements_grow").batch(10_000, "looks up each");
    let up_to = Contract::new("bound_that_no_case_reaches").reads(Reads::UpTo(4_000), "counts");
    let all = Contract::new("reads_all_without_need").reads(Reads::All, "counts");
    let counts = |contract: Contract, sql: &'static str| {
        let operation = Operation::new(contract.served_by(&["orders_customer"])).sends(sql);
        operation.case("many", [Id(1)]).case("few", [Id(7)]).case("none", [Id(0)])
    };
    vec![
        fault(Rule::Repeated, lines(orders("statement_for_each_row", 2))),
        fault(Rule::Repeated, lines(orders("statement_for_each_row_in_budget", 21))),
        fault(
            Rule::Repeated,
            Operation::new(
                Contract::new("statement_for_each_literal").statements(3).served_by(&["orders_pkey"]),
            )
            .sends("SELECT id FROM orders WHERE id = 7")
            .if_found("SELECT id FROM orders WHERE id = 8")
            .if_found("SELECT id FROM orders WHERE id = 9")
            .case("all", []),
        ),
        fault(Rule::Budget, counts(Contract::new("large_budget_without_reason").statements(11), COUNT)),
        fault(
            Rule::Budget,
            served("more_statements_than_declared", &["orders_pkey", "order_lines_pkey"])
                .sends("SELECT id FROM orders WHERE id = $1")
                .if_found(LINES)
                .case("with lines", [Id(7)])
                .case("without lines", [Id(1)])
                .case("none", [Id(0)]),
        ),
        fault(
            Rule::Budget,
            Operation::new(of_open.served_by(&["orders_open", "orders_pkey"]))
                .sends(
                    "SELECT id FROM orders WHERE customer_id = $1 AND status = 'open' \
                     ORDER BY placed_at, id",
                )
                .for_each("SELECT id FROM orders WHERE id = $1")
                .case("many", [Id(1)])
                .case("none", [Id(8)]),
        ),
        fault(Rule::Unproven, counts(Contract::new("budget_that_no_case_reaches").statements(2), COUNT)),
        fault(Rule::Unproven, counts(all, COUNT)),
        fault(Rule::Unproven, counts(up_to, COUNT_MORE)),
    ]
}

fn runs() -> Vec<Fault> {
    let never_run = served("operation_without_case", &["customers_email_key"]).sends(FIND);
    let name = never_run.contract.operation.clone();
    vec![
        Fault { subject: name.clone(), name, rule: Rule::Coverage, plant: Plant::Declaration(never_run) },
        fault(
            Rule::Replay,
            served("depends_on_the_database", &[])
                .sends("SELECT 1::bigint AS id WHERE current_database() LIKE '%program'")
                .case("one", []),
        ),
    ]
}
