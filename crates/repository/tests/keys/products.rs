//! Tests of the totals by product: they equal the sums over the keys, and reading them reads no keys.

use super::{fill, key, status};
use crate::support::Fixture;
use anyhow::Result;
use steadfast_domain::keys::{PRODUCTS_PAGE, ProductSummary};
use steadfast_domain::page::{PageParameters, Position};
use steadfast_repository::keys;

/// Selects the products whose totals differ from the sums over their keys.
const DIFFERENCE: &str = "SELECT coalesce(string_agg(wanted::text || ' ' || found::text, '; '), '') FROM ( \
        SELECT prd, count(*) AS key_count, count(*) FILTER (WHERE remaining >= 0) AS known_count, \
        coalesce(sum(remaining) FILTER (WHERE remaining >= 0), 0) AS total_remaining FROM pidms_keys GROUP BY prd) wanted \
    FULL JOIN pidms_products found USING (prd) \
    WHERE (wanted.key_count, wanted.known_count, wanted.total_remaining) \
        IS DISTINCT FROM (found.key_count, found.known_count, found.total_remaining::numeric)";

async fn assert_sums(fixture: &Fixture, after: &str) -> Result<()> {
    let difference: String = fixture.client().await?.query_one(DIFFERENCE, &[]).await?.get(0);
    assert_eq!(difference, "", "after {after}");
    Ok(())
}

#[tokio::test]
async fn sums_follow_every_change_of_keys() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let batch =
        |product: &str, remaining: i32| (0..50).map(|n| status(n, product, remaining)).collect::<Vec<_>>();
    for (name, product, remaining) in [
        ("first check", "A", 5),
        ("same check again", "A", 5),
        ("fewer left", "A", 4),
        ("number no longer known", "A", -1),
        ("all moved to another product", "B", 7),
    ] {
        keys::upsert(&fixture.store, &batch(product, remaining)).await?;
        assert_sums(&fixture, name).await?;
    }
    for sql in [
        "UPDATE pidms_keys SET prd = 'C' WHERE keyname = lpad('1', 25, '0')",
        "UPDATE pidms_keys SET remaining = 2147483647 WHERE prd = 'B'",
        "DELETE FROM pidms_keys WHERE prd = 'C'",
        "DELETE FROM pidms_keys WHERE keyname < lpad('20', 25, '0')",
        "INSERT INTO pidms_keys (keyname, keyname_with_dash, prd) SELECT lpad('9' || n, 25, '0'), '', 'D' FROM generate_series(1, 9) n",
        "TRUNCATE pidms_keys",
    ] {
        client.batch_execute(sql).await?;
        assert_sums(&fixture, sql).await?;
    }
    Ok(())
}

#[tokio::test]
async fn concurrent_checks_update_sums_without_deadlock() -> Result<()> {
    let fixture = Fixture::new().await?;
    for round in 0..4_u32 {
        // No two checks share a key, so that only the sums can block them. In later rounds, each inserts some keys,
        // updates others and moves them between products.
        let checks = (0..20_u32).map(|check| {
            let keys = (0..50).map(move |n| check * 1_000 + round * 25 + n);
            let product = move |key: u32| format!("P{}", (key * 31 + round * 17) % 11);
            let batch: Vec<_> = keys.map(|key| status(key, &product(key), (key % 6) as i32 - 1)).collect();
            let store = fixture.store.clone();
            tokio::spawn(async move { keys::upsert(&store, &batch).await })
        });
        for check in checks.collect::<Vec<_>>() {
            check.await??;
        }
    }
    assert_sums(&fixture, "checks at once").await?;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(fixture.client().await?.query_one(deadlocks, &[]).await?.get::<_, i64>(0), 0);
    Ok(())
}

#[tokio::test]
async fn numbered_pages_and_cursors_list_all_products() -> Result<()> {
    let fixture = Fixture::new().await?;
    let products: Vec<String> = (0..250).map(|n| format!("Product{n:03}")).collect();
    for (start, chunk) in (0..).step_by(50).zip(products.chunks(50)) {
        let batch: Vec<_> = (start..).zip(chunk).map(|(n, product)| status(n, product, 1)).collect();
        keys::upsert(&fixture.store, &batch).await?;
    }
    let (mut by_number, mut by_cursor, mut cursor) = (Vec::new(), Vec::new(), None);
    let names =
        |page: Vec<ProductSummary>| page.into_iter().map(|summary| summary.product).collect::<Vec<_>>();
    for page in 1.. {
        let numbered = Position::numbered(page, 40)?;
        let numbered = keys::products(&fixture.store, &numbered).await?;
        assert_eq!((numbered.pagination.total_items, numbered.pagination.total_exact), (250, true));
        by_number.extend(names(numbered.items));
        let after = PageParameters { page: None, per_page: Some(40), cursor };
        let followed = keys::products(&fixture.store, &after.position(PRODUCTS_PAGE)?).await?;
        by_cursor.extend(names(followed.items));
        cursor = followed.pagination.next_cursor;
        assert_eq!(numbered.pagination.next_cursor, cursor, "page {page}");
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((by_number, by_cursor), (products.clone(), products));
    Ok(())
}

#[tokio::test]
async fn page_of_products_reads_no_keys() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (meter, position) = (fixture.meter().await?, Position::numbered(1, 100)?);
    let mut costs = Vec::new();
    for total in [1_000, 30_000] {
        fill(&fixture, total).await?;
        fixture.client().await?.batch_execute("VACUUM ANALYZE pidms_products").await?;
        keys::products(&fixture.store, &position).await?;
        let (products, reading) = meter.read(keys::products(&fixture.store, &position)).await?;
        let counted: i64 = products?.items.iter().map(|product| product.key_count).sum();
        assert_eq!((counted, reading.statements), (i64::from(total), 2));
        costs.push(reading.buffers);
    }
    assert!(costs[1] <= costs[0] + 4 && costs[1] < 20, "{costs:?}");
    Ok(())
}

#[tokio::test]
async fn product_page_cost_is_independent_of_depth() -> Result<()> {
    let fixture = Fixture::new().await?;
    let meter = fixture.meter().await?;
    let insert = "INSERT INTO pidms_keys (keyname, keyname_with_dash, prd) \
        SELECT lpad(n::text, 25, '0'), '', 'Product' || lpad(n::text, 6, '0') FROM generate_series(1, 20000) n; \
        VACUUM ANALYZE pidms_products";
    for statement in insert.split(';') {
        fixture.client().await?.batch_execute(statement).await?;
    }
    let late = Position::after("Product019000".to_owned(), 100);
    let mut costs = Vec::new();
    for position in [Position::numbered(1, 100)?, late] {
        keys::products(&fixture.store, &position).await?;
        let (products, reading) = meter.read(keys::products(&fixture.store, &position)).await?;
        let products = products?;
        assert_eq!(
            (products.items.len(), products.pagination.total_items, products.pagination.total_exact),
            (100, 10_000, false)
        );
        costs.push(reading.buffers);
    }
    // The count of ten thousand products reads about a hundred pages; the page itself reads a few.
    assert!(costs[1] <= costs[0] + 5 && costs[1] < 200, "{costs:?}");
    Ok(())
}

#[tokio::test]
async fn schema_rejects_invalid_keynames() -> Result<()> {
    let fixture = Fixture::new().await?;
    keys::upsert(&fixture.store, &[status(1, "A", 1)]).await?;
    let client = fixture.client().await?;
    let dashed = key(2).dashed();
    for odd in [
        "",
        "odd",
        "aaaaabbbbbcccccdddddeeeee",
        &dashed,
        "AAAAABBBBBCCCCCDDDDDEEEE\u{c9}",
        "AAAAABBBBBCCCCCDDDDDEEEEE\n",
    ] {
        let insert = "INSERT INTO pidms_keys (keyname, keyname_with_dash, prd) VALUES ($1, '', 'A')";
        let refused = client.execute(insert, &[&odd]).await.expect_err(odd);
        assert_eq!(
            refused.as_db_error().and_then(|error| error.constraint()),
            Some("pidms_keys_keyname_is_key"),
            "{odd:?}"
        );
    }
    Ok(())
}
