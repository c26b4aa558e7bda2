//! The ledger under concurrent use: balances, reconciliations, and what the database refuses itself.

use super::{details as client_details, support::Fixture};
use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{ClientId, LedgerDetails, LedgerEntryId, TransactionType};
use steadfast_domain::version::Expected;
use steadfast_repository::{Error, Store, practice};

/// Number of tasks, and of steps that each of them takes.
const TASKS: usize = 12;
const STEPS: usize = 60;

/// Pseudorandom numbers that depend only on the seed (SplitMix64 by Steele, Lea and Flood).
struct Numbers(u64);

impl Numbers {
    /// Returns a number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// Returns an entry of a client, which is posted or a draft.
    fn details(&mut self, clients: &[ClientId]) -> Valid<LedgerDetails> {
        let kind = TransactionType::ALL[self.below(TransactionType::ALL.len())];
        let is_negative = kind == TransactionType::Adjustment && self.below(2) == 0;
        let cents = 1 + self.below(1_000_000);
        let amount = format!("{}{}.{:02}", if is_negative { "-" } else { "" }, cents / 100, cents % 100);
        let client = clients[self.below(clients.len())];
        entry(client, kind, &amount, self.below(3) > 0)
    }
}

fn entry(client: ClientId, kind: TransactionType, amount: &str, is_posted: bool) -> Valid<LedgerDetails> {
    let body = json!({
        "client_id": client, "transaction_type": kind, "amount": amount, "is_posted": is_posted,
        "description": "A session", "service_date": "2026-03-02",
    });
    Valid::of(serde_json::from_value(body).expect("a body")).expect("valid details")
}

async fn create(store: &Store, details: &Valid<LedgerDetails>) -> Result<LedgerEntryId> {
    let created = practice::create_ledger_entry(store, &Origin::operator("test"), details).await?;
    Ok(LedgerEntryId(created.id.parse()?))
}

async fn create_client(store: &Store) -> Result<ClientId> {
    let created =
        practice::create_client(store, &Origin::operator("test"), &client_details("Ada", "Lovelace")).await?;
    Ok(ClientId(created.id.parse()?))
}

/// Entries that the tasks have created, and the number of successful reconciliations of each.
type Entries = Arc<Mutex<Vec<(LedgerEntryId, u32)>>>;

/// Runs the steps of a task: creations, and changes of entries of all tasks.
async fn run(store: Store, clients: Vec<ClientId>, entries: Entries, seed: u64) -> Result<()> {
    let (mut numbers, origin) = (Numbers(seed), Origin::operator("test"));
    for _ in 0..STEPS {
        let known = entries.lock().expect("not poisoned").len();
        let action = numbers.below(8);
        if known == 0 || action < 2 {
            let id = create(&store, &numbers.details(&clients)).await?;
            entries.lock().expect("not poisoned").push((id, 0));
            continue;
        }
        // Mostly recent ones, which other tasks change at the same time.
        let chosen = known - 1 - numbers.below(known.min(8));
        let id = entries.lock().expect("not poisoned")[chosen].0;
        let outcome = match action {
            2 | 3 => {
                let details = numbers.details(&clients);
                practice::update_ledger_entry(&store, &origin, (id, Expected::Any), &details).await.map(drop)
            }
            4 => practice::post_ledger_entry(&store, &origin, id).await.map(drop),
            5 | 6 => practice::reconcile_ledger_entry(&store, &origin, id).await.map(|_| {
                entries.lock().expect("not poisoned")[chosen].1 += 1;
            }),
            _ => practice::delete_ledger_entry(&store, &origin, id).await,
        };
        match outcome {
            Ok(()) | Err(Error::NotFound | Error::State(_) | Error::Invalid(_)) => {}
            Err(error) => Err(error).with_context(|| format!("action {action}, seed {seed}"))?,
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn balances_equal_sums_after_concurrent_changes() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = &fixture.store;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(create_client(store).await?);
    }
    let entries = Entries::default();
    let tasks = (0..TASKS as u64)
        .map(|seed| tokio::spawn(run(store.clone(), clients.clone(), Arc::clone(&entries), seed)));
    try_join_all(tasks).await?.into_iter().collect::<Result<()>>()?;

    let client = fixture.client().await?;
    let rows = "SELECT client_id::text, transaction_type, (amount * 100)::bigint, is_posted FROM ledger";
    let mut sums = BTreeMap::<String, i64>::new();
    for row in client.query(rows, &[]).await? {
        let (kind, cents): (String, i64) = (row.get(1), row.get(2));
        let is_reduction = ["payment", "insurance_payment", "copay", "write_off"].contains(&kind.as_str());
        let signed = if is_reduction { -cents } else { cents };
        *sums.entry(row.get(0)).or_default() += if row.get(3) { signed } else { 0 };
    }
    assert_eq!(sums.len(), clients.len(), "every client has entries");
    for id in clients {
        let sum = sums[&id.to_string()];
        let cents = |balance: String| balance.parse::<f64>().map(|dollars| (dollars * 100.0).round() as i64);
        let balance = practice::client_balance(store, id).await?.balance;
        let summary = practice::financial_summary(store, id).await?.balance;
        assert_eq!((cents(balance.to_string())?, cents(summary.to_string())?), (sum, sum), "{id}");
    }
    let reconciled: BTreeMap<String, bool> = client
        .query("SELECT id::text, is_reconciled FROM ledger", &[])
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let entries = entries.lock().expect("not poisoned");
    assert!(entries.iter().any(|(_, successes)| *successes == 1));
    for (id, successes) in entries.iter() {
        // A deleted entry was never reconciled.
        let is_reconciled = reconciled.get(&id.to_string()).copied().unwrap_or_default();
        assert_eq!(*successes, u32::from(is_reconciled), "{id}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_concurrent_calls_posts_and_reconciles_an_entry() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (store, origin) = (&fixture.store, Origin::operator("test"));
    let client = create_client(store).await?;
    let id = create(store, &entry(client, TransactionType::Charge, "80", false)).await?;
    let post = async |_| practice::post_ledger_entry(store, &origin, id).await;
    let posted = futures_util::future::join_all((0..8).map(post)).await;
    assert_eq!(posted.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(posted.iter().all(|outcome| matches!(outcome, Ok(_) | Err(Error::State(_)))), "{posted:?}");
    let reconcile = async |_| practice::reconcile_ledger_entry(store, &origin, id).await;
    let reconciled = futures_util::future::join_all((0..8).map(reconcile)).await;
    assert_eq!(reconciled.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        reconciled.iter().all(|outcome| matches!(outcome, Ok(_) | Err(Error::Invalid(_)))),
        "{reconciled:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn database_refuses_to_rewrite_history() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (store, origin) = (&fixture.store, Origin::operator("test"));
    let owner = create_client(store).await?;
    let id = create(store, &entry(owner, TransactionType::Payment, "80", true)).await?;
    let client = fixture.client().await?;
    let refused = async |sql: &str| {
        let error = client.batch_execute(sql).await.expect_err(sql);
        error.as_db_error().and_then(|error| error.constraint().map(str::to_owned))
    };
    assert_eq!(refused("DELETE FROM ledger").await.as_deref(), Some("ledger_posted_is_kept"));
    let unpost = "UPDATE ledger SET is_posted = false";
    assert_eq!(refused(unpost).await.as_deref(), Some("ledger_posted_stays_posted"));
    assert_eq!(refused("DELETE FROM clients").await.as_deref(), Some("ledger_client_id_fkey"));
    practice::reconcile_ledger_entry(store, &origin, id).await?;
    for column in ["amount = 1", "reconciliation_date = NULL", "notes = 'x'"] {
        let change = format!("UPDATE ledger SET {column}");
        assert_eq!(refused(&change).await.as_deref(), Some("ledger_reconciled_is_final"), "{column}");
    }
    Ok(())
}
