//! Operations of the shop, without faults.

use crate::operation::Operation;
use crate::operation::Value::{Id, Null, Text};
use steadfast_plans::Contract;

/// Returns all operations of the shop.
pub(crate) fn operations() -> Vec<Operation> {
    [customers(), orders(), others()].concat()
}

/// Returns an operation with one statement, served by `indexes`.
pub(crate) fn served(name: &str, indexes: &[&str]) -> Operation {
    Operation::new(Contract::new(name).served_by(indexes))
}

fn customers() -> Vec<Operation> {
    let remove = Contract::new("customers.remove").served_by(&["customers_pkey"]);
    vec![
        served("customers.find", &["customers_email_key"])
            .sends("SELECT id FROM customers WHERE email = $1")
            .case("one", [Text("c7@example.com")])
            .case("none", [Text("absent@example.com")]),
        served("customers.by_name", &["customers_name"])
            .sends(
                "SELECT id FROM customers WHERE name COLLATE \"C\" >= $1 AND name COLLATE \"C\" < $2 \
                 ORDER BY name COLLATE \"C\" LIMIT 20",
            )
            .case("many", [Text("Name 0001"), Text("Name 0002")])
            .case("few", [Text("Name 00012"), Text("Name 00013")])
            .case("none", [Text("X"), Text("Y")]),
        served("customers.of_region", &["customers_region"])
            .sends("SELECT id FROM customers WHERE region = $1 AND id > $2 ORDER BY id LIMIT 20")
            .case("many", [Text("r2"), Id(0)])
            .case("last page", [Text("r2"), Id(4900)])
            .case("none", [Text("r500"), Id(0)]),
        served("customers.add", &["customers_email_key"])
            .sends(
                "INSERT INTO customers (email, name, region, note) VALUES ($1, 'New', 'r1', $2) \
                 ON CONFLICT (email) DO NOTHING RETURNING id",
            )
            .case("new", [Text("new@example.com"), Text("by telephone")])
            .case("known", [Text("c7@example.com"), Null]),
        served("customers.annotate", &["customers_pkey"])
            .sends("UPDATE customers SET note = $2 WHERE id = $1 RETURNING id")
            .case("some", [Id(7), Text("pays late")])
            .case("nothing", [Id(7), Null])
            .case("none", [Id(0), Null]),
        served("customers.has_orders", &[])
            .sends("SELECT has_orders($1)::int::bigint AS id")
            .case("some", [Id(1)])
            .case("none", [Id(0)]),
        Operation::new(remove.supports_fk(&["orders_customer", "order_lines_pkey"]))
            .sends("DELETE FROM customers WHERE id = $1 RETURNING id")
            .case("one", [Id(7)])
            .case("none", [Id(0)]),
    ]
}

fn orders() -> Vec<Operation> {
    let show = Contract::new("orders.show").statements(2).served_by(&["orders_pkey", "order_lines_pkey"]);
    vec![
        served("orders.of_customer", &["orders_customer"])
            .sends("SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC, id DESC LIMIT 20")
            .case("many", [Id(1)])
            .case("few", [Id(7)])
            .case("none", [Id(0)]),
        served("orders.before", &["orders_customer"])
            .sends(
                "SELECT id FROM orders WHERE customer_id = $1 AND (placed_at, id) < ($2::timestamptz, $3) \
                 ORDER BY placed_at DESC, id DESC LIMIT 20",
            )
            .case("middle", [Id(1), Text("2026-01-02 12:00Z"), Id(2166)])
            .case("last page", [Id(1), Text("2026-01-01 01:00Z"), Id(60)])
            .case("none", [Id(0), Text("2026-01-02 12:00Z"), Id(0)]),
        served("orders.open", &["orders_open"])
            .sends(
                "SELECT id FROM orders WHERE customer_id = $1 AND status = 'open' \
                 ORDER BY placed_at, id LIMIT 20",
            )
            .case("many", [Id(1)])
            .case("one", [Id(107)])
            .case("none", [Id(8)]),
        served("orders.count", &["orders_customer"])
            .sends("SELECT count(*) AS id FROM (SELECT FROM orders WHERE customer_id = $1 LIMIT 200) counted")
            .case("many", [Id(1)])
            .case("few", [Id(7)])
            .case("none", [Id(0)]),
        Operation::new(show)
            .sends("SELECT id FROM orders WHERE id = $1")
            .if_found("SELECT line::bigint AS id FROM order_lines WHERE order_id = $1 ORDER BY line")
            .case("with lines", [Id(7)])
            .case("without lines", [Id(1)])
            .case("none", [Id(0)]),
        served("order_lines.of_article", &["order_lines_article"])
            .sends("SELECT order_id AS id FROM order_lines WHERE article = $1 ORDER BY order_id LIMIT 50")
            .case("many", [Text("a0")])
            .case("few", [Text("a7")])
            .case("none", [Text("a")]),
    ]
}

fn others() -> Vec<Operation> {
    vec![
        served("articles.with_words", &["articles_words"])
            .sends("SELECT id FROM articles WHERE words @@ plainto_tsquery('simple', $1)")
            .case("few", [Text("red b7")])
            .case("none", [Text("nothing")]),
        served("events.of_actor", &["events_actor"])
            .sends(
                "SELECT id FROM events WHERE actor = $1 AND happened_at >= $2::timestamptz \
                 AND happened_at < $3::timestamptz ORDER BY happened_at DESC LIMIT 5",
            )
            .case("many", [Id(7), Text("2026-01-01 00:00Z"), Text("2026-02-10 00:00Z")])
            .case("few", [Id(7), Text("2026-02-01 00:00Z"), Text("2026-02-07 00:00Z")])
            .case("none", [Id(7), Text("2025-01-01 00:00Z"), Text("2025-02-01 00:00Z")]),
        Operation::new(Contract::new("regions.named"))
            .sends("SELECT length(code)::bigint AS id FROM regions WHERE name = $1")
            .case("one", [Text("region region region region region region 7")])
            .case("none", [Text("region 7")]),
    ]
}
