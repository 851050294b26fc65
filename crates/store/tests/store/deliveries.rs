//! The ledger of notification: owed once, attempted by one at a time, told until it is known to be told.

use std::{collections::BTreeSet, time::Duration};

use tiermesh_store::{DeliveryFilter, LedgerEntry, NewDelivery, Notices, Outcome, Place, SaveStore, Step, StoreError};

use crate::database::Database;

const LONG: Duration = Duration::from_secs(600);
const NONE: Duration = Duration::ZERO;

fn owed(id: &str) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        route: "key-accounts".to_owned(),
        channel: "webhook".to_owned(),
        target: "https://example.com".to_owned(),
        kind: "tiermesh.tier.changed".to_owned(),
        customer: format!("customer of {id}"),
        cause_source: "tiermesh/scoring".to_owned(),
        cause_id: "3-70-12".to_owned(),
        traceparent: id.ends_with('1').then(|| "00-0-0-01".to_owned()),
        body: "{\"\u{e4}\": 1}".to_owned(),
        partition: 3,
        attempts: 3,
        expired: None,
    }
}

fn place(next_offset: u64) -> Place {
    Place { log_id: "log".to_owned(), next_offset, ..Place::default() }
}

/// Owes these, behind `before` batches of the same.
async fn owe(store: &SaveStore, before: u64, deliveries: Vec<NewDelivery>) -> Result<(), StoreError> {
    let (from, to) = (place(before), place(before + 1));
    let step = Step {
        consumer: "notification",
        topic: "tier.changes",
        partition: 3,
        before: (before > 0).then_some(&from),
        after: &to,
    };
    store.owe(step, &Notices { deliveries, sources: Vec::new() }).await
}

async fn ledger(store: &SaveStore) -> Vec<LedgerEntry> {
    store.deliveries(&DeliveryFilter::default(), 100).await.unwrap()
}

fn ids(entries: &[LedgerEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

pub(crate) async fn what_is_owed_comes_with_the_place_or_not_at_all(database: &Database) {
    let store = database.open().await;
    owe(&store, 0, vec![owed("a1"), owed("a2")]).await.unwrap();
    let overtaken = owe(&store, 0, vec![owed("a3")]).await;
    assert!(matches!(overtaken, Err(StoreError::Overtaken { .. })), "{overtaken:?}");
    // Found again after its place was removed: known by its id.
    owe(&store, 1, vec![NewDelivery { body: "other".to_owned(), ..owed("a1") }, owed("a4")]).await.unwrap();
    assert_eq!(store.place("notification", "tier.changes", 3).await.unwrap(), Some(place(2)));
    assert_eq!(ids(&ledger(&store).await).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(["a1", "a2", "a4"]));
    let claimed = store.claim_deliveries("key-accounts", 10, LONG).await.unwrap();
    assert!(claimed.iter().all(|due| due.body == owed("").body));
    let traced = claimed.iter().filter(|due| due.traceparent.as_deref() == Some("00-0-0-01")).count();
    assert_eq!((claimed.len(), traced), (3, 1));
}

pub(crate) async fn a_claim_is_one_attempt_of_one_claimer(database: &Database) {
    let store = database.open().await;
    owe(&store, 0, (0..60).map(|n| owed(&format!("d{n}"))).collect()).await.unwrap();
    let claimers = (0..6).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let some = store.claim_deliveries("key-accounts", 3, LONG).await.unwrap();
                assert!(some.len() <= 3 && some.iter().all(|due| due.attempts == 1));
                if some.is_empty() {
                    return claimed;
                }
                claimed.extend(some.into_iter().map(|due| due.id));
            }
        })
    });
    let mut claimed = Vec::new();
    for claimer in claimers.collect::<Vec<_>>() {
        claimed.extend(claimer.await.unwrap());
    }
    // A claimer that finds all rows locked by others goes away early: what is left is there for the next.
    claimed.extend(store.claim_deliveries("key-accounts", 100, LONG).await.unwrap().into_iter().map(|due| due.id));
    assert_eq!(claimed.len(), 60);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 60);
    assert!(store.claim_deliveries("other", 10, LONG).await.unwrap().is_empty());
    let next = store.next_delivery_due("key-accounts").await.unwrap().unwrap();
    assert!(next > LONG / 2 && next <= LONG, "{next:?}");
    assert_eq!(store.next_delivery_due("other").await.unwrap(), None);
}

pub(crate) async fn a_lease_that_ended_leaves_the_attempt_to_another(database: &Database) {
    let store = database.open().await;
    owe(&store, 0, vec![owed("a1")]).await.unwrap();
    let first = store.claim_deliveries("key-accounts", 1, NONE).await.unwrap().remove(0);
    let second = store.claim_deliveries("key-accounts", 1, LONG).await.unwrap().remove(0);
    assert_eq!((first.attempts, second.attempts, second.last_attempt), (1, 2, 3));
    assert!(!store.settle_delivery("a1", 1, &Outcome::Delivered).await.unwrap(), "too late");
    assert_eq!(ledger(&store).await[0].state, "pending");
    assert!(store.settle_delivery("a1", 2, &Outcome::Delivered).await.unwrap());
    assert!(!store.settle_delivery("a1", 2, &Outcome::Dead { reason: String::new() }).await.unwrap(), "settled");
    let entry = ledger(&store).await.remove(0);
    assert_eq!((entry.state.as_str(), entry.attempts, entry.due_at_ms), ("delivered", 2, None));
    assert_eq!(store.deliveries_pending().await.unwrap(), 0);
}

pub(crate) async fn a_failed_attempt_is_due_again_until_it_is_dead_and_a_person_retries(database: &Database) {
    let store = database.open().await;
    owe(&store, 0, vec![owed("a1")]).await.unwrap();
    store.claim_deliveries("key-accounts", 1, LONG).await.unwrap();
    let later = Outcome::Retrying { after: LONG, reason: "503".to_owned() };
    assert!(store.settle_delivery("a1", 1, &later).await.unwrap());
    assert!(store.claim_deliveries("key-accounts", 1, LONG).await.unwrap().is_empty(), "not due yet");
    let entry = store.delivery("a1").await.unwrap().unwrap();
    assert_eq!((entry.state.as_str(), entry.reason.as_str()), ("retrying", "503"));
    let wait = entry.due_at_ms.unwrap() - entry.at_ms;
    assert!((599_000..=601_000).contains(&wait), "{wait}");
    assert_eq!(store.deliveries_pending().await.unwrap(), 1);

    assert!(!store.retry_delivery("a1", 3).await.unwrap(), "only what is dead");
    assert!(!store.retry_delivery("nothing", 3).await.unwrap());
    assert!(store.settle_delivery("a1", 1, &Outcome::Dead { reason: "410".to_owned() }).await.unwrap());
    assert_eq!(store.deliveries_pending().await.unwrap(), 0);
    assert!(store.retry_delivery("a1", 3).await.unwrap());
    let again = store.claim_deliveries("key-accounts", 1, LONG).await.unwrap().remove(0);
    assert_eq!((again.attempts, again.last_attempt), (2, 4));
}

pub(crate) async fn what_is_expired_is_never_due_unless_a_person_wants_it(database: &Database) {
    let store = database.open().await;
    let old = NewDelivery { expired: Some("81 hours old".to_owned()), ..owed("a1") };
    owe(&store, 0, vec![old]).await.unwrap();
    assert!(store.claim_deliveries("key-accounts", 1, LONG).await.unwrap().is_empty());
    assert!(store.untold_deliveries(10, LONG).await.unwrap().is_empty());
    let entry = store.delivery("a1").await.unwrap().unwrap();
    assert_eq!((entry.state.as_str(), entry.reason.as_str(), entry.due_at_ms), ("expired", "81 hours old", None));
    assert!(store.retry_delivery("a1", 3).await.unwrap());
    assert_eq!(store.claim_deliveries("key-accounts", 1, LONG).await.unwrap().len(), 1);
}

pub(crate) async fn changes_are_told_until_they_are_known_to_be_told(database: &Database) {
    let store = database.open().await;
    owe(&store, 0, vec![owed("a1"), owed("a2")]).await.unwrap();
    assert!(store.untold_deliveries(10, LONG).await.unwrap().is_empty(), "that it is owed is nothing to tell");
    store.claim_deliveries("key-accounts", 2, NONE).await.unwrap();
    let later = Outcome::Retrying { after: NONE, reason: "503".to_owned() };
    store.settle_delivery("a1", 1, &later).await.unwrap();
    // Nobody noted it as told: it is told again when the lease has ended, and by nobody else before.
    assert_eq!(ids(&store.untold_deliveries(10, NONE).await.unwrap()), ["a1"]);
    let told = store.untold_deliveries(10, LONG).await.unwrap();
    assert_eq!(ids(&told), ["a1"]);
    assert!(store.untold_deliveries(10, LONG).await.unwrap().is_empty());
    // It changes meanwhile: the change is told when the one before is.
    store.claim_deliveries("key-accounts", 2, LONG).await.unwrap();
    assert!(store.settle_delivery("a1", 2, &Outcome::Delivered).await.unwrap());
    assert!(store.untold_deliveries(10, LONG).await.unwrap().is_empty());
    store.deliveries_told(&told).await.unwrap();
    let told = store.untold_deliveries(10, LONG).await.unwrap();
    assert_eq!((told[0].state.as_str(), told[0].attempts, told.len()), ("delivered", 2, 1));
    store.deliveries_told(&told).await.unwrap();
    assert!(store.untold_deliveries(10, NONE).await.unwrap().is_empty());
}

pub(crate) async fn the_ledger_is_listed_by_page_and_filter(database: &Database) {
    let store = database.open().await;
    for batch in 0..3_u64 {
        owe(&store, batch, (0..3).map(|n| owed(&format!("{batch}-{n}"))).collect()).await.unwrap();
    }
    let all = ledger(&store).await;
    let mut pages = Vec::new();
    let mut filter = DeliveryFilter::default();
    loop {
        let page = store.deliveries(&filter, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some((last.created_at_ms, last.id.clone()));
        pages.extend(page);
    }
    assert_eq!((pages.len(), &pages), (9, &all));
    let newest_first = all.is_sorted_by(|a, b| (a.created_at_ms, &a.id) > (b.created_at_ms, &b.id));
    assert!(newest_first);

    store.claim_deliveries("key-accounts", 1, LONG).await.unwrap();
    let of = |filter: DeliveryFilter| {
        let store = store.clone();
        async move { store.deliveries(&filter, 100).await.unwrap().len() }
    };
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(of(DeliveryFilter { state: named("pending"), ..DeliveryFilter::default() }).await, 9);
    assert_eq!(of(DeliveryFilter { state: named("dead"), ..DeliveryFilter::default() }).await, 0);
    assert_eq!(of(DeliveryFilter { route: named("other"), ..DeliveryFilter::default() }).await, 0);
    assert_eq!(of(DeliveryFilter { customer: named("customer of 1-2"), ..DeliveryFilter::default() }).await, 1);
}

pub(crate) async fn what_is_over_and_told_is_forgotten_when_it_is_old(database: &Database) {
    let store = database.open().await;
    let old = NewDelivery { expired: Some("old".to_owned()), ..owed("expired") };
    owe(&store, 0, vec![owed("a1"), owed("a2"), old]).await.unwrap();
    store.claim_deliveries("key-accounts", 2, LONG).await.unwrap();
    store.settle_delivery("a1", 1, &Outcome::Delivered).await.unwrap();
    assert_eq!(store.forget_deliveries(LONG, 10).await.unwrap(), 0, "nothing is so old");
    // A moment, so that all of it is older than nothing.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(store.forget_deliveries(NONE, 10).await.unwrap(), 1, "what nobody was told of stays");
    assert_eq!(ids(&ledger(&store).await), ["a2", "a1"]);
    let told = store.untold_deliveries(10, LONG).await.unwrap();
    store.deliveries_told(&told).await.unwrap();
    assert_eq!(store.forget_deliveries(NONE, 10).await.unwrap(), 1);
    assert_eq!(ids(&ledger(&store).await), ["a2"], "what is owed stays");
}

pub(crate) async fn quiet_sources_are_those_that_went_quiet_and_are_not_back(database: &Database) {
    let store = database.open().await;
    let (from, to) = (place(1), place(2));
    let step = |before, after| Step { consumer: "notification", topic: "control", partition: 0, before, after };
    let of = |sources: &[(&str, Option<i64>)]| Notices {
        deliveries: Vec::new(),
        sources: sources.iter().map(|(source, since)| ((*source).to_owned(), *since)).collect(),
    };
    store.owe(step(None, &from), &of(&[("erp", Some(5)), ("shop", Some(6)), ("erp", Some(7))])).await.unwrap();
    assert_eq!(store.quiet_sources().await.unwrap(), ["erp", "shop"]);
    store.owe(step(Some(&from), &to), &of(&[("crm", Some(8)), ("erp", None), ("crm", None)])).await.unwrap();
    assert_eq!(store.quiet_sources().await.unwrap(), ["shop"]);
}
