//! Tests of product keys: storing, searching, and the cost of both.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "keys/products.rs"]
mod products;
mod support;

use anyhow::Result;
use std::collections::HashSet;
use steadfast_domain::keys::{Filter, FilterParameters, KEYS_PAGE, KeyCursor, KeyStatus, ProductKey};
use steadfast_domain::page::{PageParameters, Position};
use steadfast_postgres::tokio_postgres::Client;
use steadfast_repository::keys;
use support::Fixture;

fn key(number: u32) -> ProductKey {
    ProductKey::parse(&format!("{number:025}")).expect("25 digits")
}

fn status(number: u32, product: &str, remaining: i32) -> KeyStatus {
    KeyStatus {
        key: key(number),
        product: product.to_owned(),
        extended_pid: None,
        key_type: Some("2".to_owned()),
        is_retail: Some(2),
        sub_type: Some("X21-74564".to_owned()),
        remaining,
        blocked: number.is_multiple_of(7),
        error_code: None,
        had_occurred: Some(0),
        invalid: None,
        checked_text: Some("1/12/2026 1:48:27 PM (GMT+7)".to_owned()),
        checked_at: Some("2026-01-12T06:48:27Z".parse().expect("a moment")),
    }
}

fn first_page() -> Position<KeyCursor> {
    Position::numbered(1, 100).expect("a page")
}

fn filter(product: Option<&str>, min: Option<u64>, max: Option<u64>, blocked: Option<i64>) -> Filter {
    let product = product.map(str::to_owned);
    let parameters = FilterParameters { product, min_remaining: min, max_remaining: max, blocked };
    parameters.parse().expect("a filter")
}

#[tokio::test]
async fn upsert_inserts_new_keys_and_updates_stored_ones() -> Result<()> {
    let fixture = Fixture::new().await?;
    let first = keys::upsert(&fixture.store, &[status(2, "Office16", 10), status(1, "Office15", 5)]).await?;
    assert_eq!(
        first.iter().map(|u| u.stored.status.key).collect::<Vec<_>>(),
        [key(1), key(2)],
        "in key order"
    );
    assert!(first.iter().all(|upserted| upserted.is_new && upserted.stored.updated_at.is_none()));
    assert_eq!(first[0].stored.status, status(1, "Office15", 5));

    let mut changed = status(1, "Office15", 4);
    (changed.error_code, changed.sub_type) = (Some("0xC004C060".to_owned()), None);
    let second = keys::upsert(&fixture.store, &[changed.clone(), status(3, "Office19", -1)]).await?;
    assert_eq!(second.iter().map(|upserted| upserted.is_new).collect::<Vec<_>>(), [false, true]);
    assert_eq!(second[0].stored.status, changed);
    assert_eq!(second[0].stored.id, first[0].stored.id);
    assert_eq!(second[0].stored.created_at, first[0].stored.created_at);
    assert!(second[0].stored.updated_at.is_some());
    Ok(())
}

#[tokio::test]
async fn upsert_sends_one_statement() -> Result<()> {
    let fixture = Fixture::new().await?;
    let meter = fixture.meter().await?;
    let batch = |from: u32| (from..from + 50).map(|n| status(n, "Office16", 1)).collect::<Vec<_>>();
    keys::upsert(&fixture.store, &batch(0)).await?;
    for (name, from) in [("all new", 100), ("all stored", 0), ("half", 75)] {
        let (upserted, reading) = meter.read(keys::upsert(&fixture.store, &batch(from))).await?;
        assert_eq!(upserted?.len(), 50, "{name}");
        // BEGIN, SET LOCAL, COMMIT: the first two travel in one message.
        assert_eq!((reading.statements, reading.utility), (1, 3), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn concurrent_upserts_insert_each_key_once() -> Result<()> {
    let fixture = Fixture::new().await?;
    let checks = (0..50_u32).map(|check| {
        let store = fixture.store.clone();
        tokio::spawn(async move {
            // Each has a different order and overlaps with its neighbours.
            let mut batch: Vec<_> = (0..50).map(|n| status(check * 10 + n, "Office16", 1)).collect();
            batch.rotate_left(check as usize);
            keys::upsert(&store, &batch).await
        })
    });
    let mut new = 0;
    for check in checks.collect::<Vec<_>>() {
        let upserted = check.await??;
        assert_eq!(upserted.len(), 50);
        new += upserted.iter().filter(|upserted| upserted.is_new).count();
    }
    let stored: i64 = fixture.client().await?.query_one("SELECT count(*) FROM pidms_keys", &[]).await?.get(0);
    assert_eq!((new, stored), (540, 540), "every key was new exactly once");
    Ok(())
}

#[tokio::test]
async fn search_escapes_wildcards() -> Result<()> {
    let fixture = Fixture::new().await?;
    let stored = ["100%_sure", "100 sure", "back\\slash", "Office"];
    let batch: Vec<_> = (1..).zip(stored).map(|(n, product)| status(n, product, 1)).collect();
    keys::upsert(&fixture.store, &batch).await?;
    for (product, expected) in
        [("%", 1), ("_", 1), ("0%_S", 1), ("\\", 1), ("OFFICE", 1), ("sure", 2), ("*", 0)]
    {
        let found =
            keys::search(&fixture.store, &filter(Some(product), None, None, None), &first_page()).await?;
        assert_eq!(
            (found.items.len(), found.pagination.total_items),
            (expected, expected as u32),
            "{product}"
        );
    }
    Ok(())
}

/// A few hundred keys with all kinds of ties, and the expected results of searches.
struct Model(Vec<KeyStatus>);

impl Model {
    async fn stored(fixture: &Fixture) -> Result<Self> {
        let products =
            ["Office15_ProPlusVL_MAK", "Office16_ProPlusVL_MAK", "Office16_StandardVL_MAK", "Win10_Pro"];
        let statuses: Vec<_> = (0..400_u32)
            .map(|n| status(n, products[(n % 9 % 4) as usize], (n * 7 % 23) as i32 - 1))
            .collect();
        for batch in statuses.chunks(50) {
            keys::upsert(&fixture.store, batch).await?;
        }
        Ok(Self(statuses))
    }

    fn find(&self, filter: &Filter) -> Vec<ProductKey> {
        let lowest = if filter.min_remaining.or(filter.max_remaining).is_some() { 0 } else { -1 };
        let product = filter.product.clone().unwrap_or_default().to_lowercase();
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|key| {
                key.product.to_lowercase().contains(&product)
                    && key.remaining >= filter.min_remaining.unwrap_or(lowest)
                    && key.remaining <= filter.max_remaining.unwrap_or(i32::MAX)
                    && filter.blocked.is_none_or(|blocked| key.blocked == blocked)
            })
            .collect();
        // Keys were stored in order, so ids have the same order.
        found.sort_by_key(|key| (key.product.clone(), -key.remaining, key.key));
        found.into_iter().map(|key| key.key).collect()
    }
}

fn all_filters() -> Vec<Filter> {
    let mut filters = Vec::new();
    for product in [None, Some("office"), Some("16"), Some("WIN"), Some("absent")] {
        for (min, max) in
            [(None, None), (Some(5), None), (None, Some(3)), (Some(2), Some(9)), (Some(0), None)]
        {
            for blocked in [None, Some(-1), Some(1)] {
                filters.push(filter(product, min, max, blocked));
            }
        }
    }
    filters
}

#[tokio::test]
async fn numbered_pages_and_cursors_match_model() -> Result<()> {
    let fixture = Fixture::new().await?;
    let model = Model::stored(&fixture).await?;
    for filter in all_filters() {
        let expected = model.find(&filter);
        let (mut by_number, mut by_cursor) = (Vec::new(), Vec::new());
        let mut cursor: Option<String> = None;
        for page in 1.. {
            let numbered = keys::search(&fixture.store, &filter, &Position::numbered(page, 37)?).await?;
            assert_eq!(
                (numbered.pagination.total_items as usize, numbered.pagination.total_exact),
                (expected.len(), true),
                "{filter:?}"
            );
            by_number.extend(numbered.items.iter().map(|key| key.status.key));
            let after = PageParameters { page: None, per_page: Some(37), cursor };
            let after = after.position(KEYS_PAGE)?;
            let followed = keys::search(&fixture.store, &filter, &after).await?;
            by_cursor.extend(followed.items.iter().map(|key| key.status.key));
            cursor = followed.pagination.next_cursor;
            assert_eq!(numbered.pagination.next_cursor, cursor, "{filter:?} page {page}");
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(by_number, expected, "{filter:?}");
        assert_eq!(by_cursor, expected, "{filter:?}");
    }
    Ok(())
}

#[tokio::test]
async fn forged_cursor_reveals_no_other_products() -> Result<()> {
    let fixture = Fixture::new().await?;
    Model::stored(&fixture).await?;
    let forged = KeyCursor { product: "Win10_Pro".to_owned(), remaining: 99, id: 0 };
    let found =
        keys::search(&fixture.store, &filter(Some("office"), None, None, None), &Position::after(forged, 50))
            .await?;
    assert_eq!(found.items, []);
    Ok(())
}

#[tokio::test]
async fn totals_exclude_unknown_numbers() -> Result<()> {
    let fixture = Fixture::new().await?;
    let batch = [
        status(1, "A", 3),
        status(2, "A", 4),
        status(3, "A", -1),
        status(4, "B", -1),
        status(5, "B", 4),
        status(6, "C", -1),
    ];
    keys::upsert(&fixture.store, &batch).await?;
    let products = keys::products(&fixture.store, &Position::numbered(1, 100)?).await?;
    let pagination = &products.pagination;
    assert_eq!((pagination.total_items, pagination.total_exact, pagination.has_next), (3, true, false));
    let seen: Vec<_> = products
        .items
        .iter()
        .map(|p| (p.product.as_str(), p.key_count, p.total_remaining, p.avg_remaining(), p.low_inventory()))
        .collect();
    assert_eq!(seen, [("A", 3, 7, 3.5, false), ("B", 2, 4, 4.0, true), ("C", 1, 0, 0.0, true)]);
    Ok(())
}

/// Adds keys of 80 products, 5 % of them blocked, until there are `total`.
async fn fill(fixture: &Fixture, total: i32) -> Result<()> {
    let client = fixture.client().await?;
    // VACUUM marks a page as all-visible only if the commits of its rows are flushed.
    client.batch_execute("SET synchronous_commit = on").await?;
    let sql = "INSERT INTO pidms_keys (keyname, keyname_with_dash, prd, remaining, blocked) \
         SELECT lpad(n::text, 25, '0'), lpad(n::text, 29, '0'), 'Product' || lpad((n * 7919 / 50 % 80)::text, 2, '0') || '_MAK', \
                n % 3000, CASE WHEN n % 20 = 0 THEN 1 ELSE -1 END \
         FROM generate_series((SELECT coalesce(max(id), 0) + 1 FROM pidms_keys), $1) n";
    client.execute(sql, &[&i64::from(total)]).await?;
    client.batch_execute("VACUUM ANALYZE pidms_keys").await?;
    Ok(())
}

#[tokio::test]
async fn search_cost_is_independent_of_table_size() -> Result<()> {
    let fixture = Fixture::new().await?;
    let rare: Vec<_> = (1..=3).map(|n| status(9_000_000 + n, "Rarity", 1)).collect();
    keys::upsert(&fixture.store, &rare).await?;
    let (meter, observer) = (fixture.meter().await?, fixture.client().await?);
    let cases = [
        ("early", filter(Some("product00"), None, None, Some(-1))),
        ("late", filter(Some("product79"), None, None, Some(-1))),
        ("late, blocked", filter(Some("product7"), None, None, Some(1))),
        ("late, any", filter(Some("product79"), Some(10), None, None)),
        ("all", filter(None, None, None, None)),
        ("rare", filter(Some("rarity"), None, None, None)),
        ("rare, bounded", filter(Some("rarity"), Some(1), Some(1), Some(-1))),
        ("absent", filter(Some("nowhere"), None, None, None)),
        ("absent, blocked", filter(Some("nowhere"), None, None, Some(1))),
    ];
    let mut costs = Vec::new();
    for total in [10_000, 1_000_000] {
        fill(&fixture, total).await?;
        let mut row = Vec::new();
        for (name, filter) in &cases {
            for _ in 0..8 {
                // From the sixth run on, the server may choose a generic plan, which must not cost more.
                keys::search(&fixture.store, filter, &Position::numbered(1, 50)?).await?;
            }
            let position = Position::numbered(1, 50)?;
            let before = page_buffers(&observer).await?;
            let (found, reading) = meter.read(keys::search(&fixture.store, filter, &position)).await?;
            let found = found?;
            assert_eq!(reading.statements, 2, "{name}");
            let page = page_buffers(&observer).await? - before;
            row.push((*name, page, reading.buffers - page, found.pagination));
        }
        costs.push(row);
    }
    for (small, large) in costs[0].iter().zip(&costs[1]) {
        assert!(large.1 <= 2 * small.1, "page: {small:?} then {large:?}");
    }
    for case in costs.iter().flatten() {
        // A step for each of 81 products, and 10,001 index entries with several hundred per leaf page.
        assert!(case.2 <= 600, "count: {case:?}");
        if case.3.total_items <= 3 {
            assert!(case.2 <= case.1 + 10, "a count of few keys costs only the steps: {case:?}");
        }
    }
    let counted_all = &costs[1][4];
    assert!(!counted_all.3.total_exact && counted_all.3.total_items == 10_000);
    Ok(())
}

/// Returns the number of buffers that the page statement has accessed so far.
async fn page_buffers(observer: &Client) -> Result<i64> {
    let sql = "SELECT coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint FROM pg_stat_statements \
               WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
               AND query LIKE 'SELECT id, %'";
    Ok(observer.query_one(sql, &[]).await?.get(0))
}

#[tokio::test]
async fn cursor_page_cost_is_independent_of_depth() -> Result<()> {
    let fixture = Fixture::new().await?;
    fill(&fixture, 30_000).await?;
    // The meter installs pg_stat_statements.
    let (_meter, observer) = (fixture.meter().await?, fixture.client().await?);
    let all = filter(None, None, None, Some(-1));
    let mut position = Position::numbered(1, 100)?;
    let (mut costs, mut seen) = (Vec::new(), HashSet::new());
    for _ in 0..100 {
        let before = page_buffers(&observer).await?;
        let found = keys::search(&fixture.store, &all, &position).await?;
        assert!(found.items.iter().all(|key| seen.insert(key.id)), "no key twice");
        costs.push(page_buffers(&observer).await? - before);
        assert!(found.pagination.has_next, "more pages");
        let next = PageParameters { page: None, per_page: Some(100), cursor: found.pagination.next_cursor };
        position = next.position(KEYS_PAGE)?;
    }
    let (first, most) = (costs[0], costs[1..].iter().max().copied().unwrap_or(0));
    assert!(most <= 2 * first, "first {first}, most {most}");
    Ok(())
}
