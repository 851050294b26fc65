//! The read model: what goes in with a place comes out in pages, once, and can be dropped at any time.

use sqlx::{Connection, PgConnection};
use tiermesh_store::read_model::{
    CardUpdate, ChangeRow, CustomerFilter, DeadLetterRow, DeliveryRow, DocumentRow, FactRow, Kind, READ_MODEL_CONSUMER,
    ReadModel, Refused, Rows, SignalFilter, SignalRow,
};
use tiermesh_store::{Place, Step, StoreError};

use crate::database::Database;

fn fact(customer: &str, id: &str, at_ms: i64) -> FactRow {
    FactRow {
        customer: customer.to_owned(),
        source: "shop".to_owned(),
        id: id.to_owned(),
        at_ms,
        card: CardUpdate::default(),
        bytes: id.as_bytes().to_vec(),
    }
}

fn change(customer: &str, policy: &str, tier: &str, at_ms: i64) -> ChangeRow {
    ChangeRow {
        customer: customer.to_owned(),
        policy: policy.to_owned(),
        version: 1,
        tier: tier.to_owned(),
        direction: "up".to_owned(),
        at_ms,
        bytes: format!("{customer} {tier} {at_ms}").into_bytes(),
    }
}

fn signal(customer: &str, detector: &str, at_stake_minor: i64, is_open: bool, at_ms: i64) -> SignalRow {
    let bytes = format!("{customer} {detector} {is_open}").into_bytes();
    let (customer, detector) = (customer.to_owned(), detector.to_owned());
    SignalRow { customer, detector, is_open, at_stake_minor, at_ms, bytes }
}

fn delivery(id: &str, customer: &str, state: &str, at_ms: i64) -> DeliveryRow {
    DeliveryRow {
        id: id.to_owned(),
        customer: customer.to_owned(),
        state: state.to_owned(),
        route: "sales".to_owned(),
        at_ms,
        bytes: format!("{id} {state}").into_bytes(),
    }
}

fn at(next_offset: u64) -> Place {
    Place { log_id: "log".to_owned(), next_offset, ..Place::default() }
}

/// Takes a batch of one partition as the consumer does.
async fn take(model: &ReadModel, before: Option<u64>, after: u64, rows: &Rows) -> Result<(), StoreError> {
    let (before, after) = (before.map(at), at(after));
    let (topic, partition) = ("customer.events", 0);
    let step = Step { consumer: READ_MODEL_CONSUMER, topic, partition, before: before.as_ref(), after: &after };
    model.apply(step, rows).await
}

fn texts(rows: impl IntoIterator<Item = Vec<u8>>) -> Vec<String> {
    rows.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

async fn ids(model: &ReadModel, filter: CustomerFilter) -> Vec<String> {
    let filter = CustomerFilter { limit: if filter.limit == 0 { 100 } else { filter.limit }, ..filter };
    model.customers(&filter).await.unwrap().into_iter().map(|row| row.customer).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) async fn customers_come_by_filter_and_page(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let mut profile = fact("b", "p", 20);
    profile.card = CardUpdate { owner: Some(some("Ada")), region: Some(some("north")), language: Some(None) };
    let rows = Rows {
        facts: vec![fact("a", "1", 10), fact("b", "1", 30), profile, fact("ä", "1", 5), fact("B", "1", 5)],
        changes: vec![change("a", "abc", "A", 10), change("b", "abc", "B", 11), change("b", "abc", "A", 12)],
        signals: vec![signal("b", "silence", 500, true, 9), signal("a", "silence", 1, true, 9)],
        ..Rows::default()
    };
    take(&model, None, 6, &rows).await.unwrap();
    let ended = Rows { signals: vec![signal("a", "silence", 1, false, 10)], ..Rows::default() };
    take(&model, Some(6), 7, &ended).await.unwrap();

    // By their bytes, on either database.
    assert_eq!(ids(&model, CustomerFilter::default()).await, ["B", "a", "b", "ä"]);
    assert_eq!(ids(&model, CustomerFilter { limit: 2, after: some("B"), ..Default::default() }).await, ["a", "b"]);
    let tier = |tier| CustomerFilter { policy: some("abc"), tier: some(tier), ..Default::default() };
    assert_eq!(ids(&model, tier("A")).await, ["a", "b"]);
    assert_eq!(ids(&model, tier("B")).await, [""; 0]);
    assert_eq!(ids(&model, CustomerFilter { after: some("a"), ..tier("A") }).await, ["b"]);
    assert_eq!(ids(&model, CustomerFilter { owner: some("Ada"), ..Default::default() }).await, ["b"]);
    assert_eq!(ids(&model, CustomerFilter { region: some("south"), ..Default::default() }).await, [""; 0]);
    assert_eq!(ids(&model, CustomerFilter { signal: some("any"), ..Default::default() }).await, ["b"]);
    assert_eq!(ids(&model, CustomerFilter { signal: some("frequency_drop"), ..Default::default() }).await, [""; 0]);
    assert_eq!(ids(&model, CustomerFilter { prefix: some("ä"), ..Default::default() }).await, ["ä"]);
    assert_eq!(ids(&model, CustomerFilter { prefix: some("%"), ..Default::default() }).await, [""; 0]);

    let only = CustomerFilter { only: some("b"), limit: 1, ..Default::default() };
    let [b] = &model.customers(&only).await.unwrap()[..] else { panic!("b is not there") };
    assert_eq!((b.owner.as_deref(), b.region.as_deref(), b.language.as_deref()), (Some("Ada"), Some("north"), None));
    assert_eq!((b.first_ms, b.last_ms, b.facts), (20, 30, 2));
    let [held] = &b.tiers[..] else { panic!("{:?}", b.tiers) };
    assert_eq!((held.tier.as_str(), held.since_ms), ("A", 12));
    assert_eq!(b.open_signals, ["silence"]);

    let tiers = model.tiers().await.unwrap();
    assert_eq!(tiers.iter().map(|count| (count.tier.as_str(), count.customers)).collect::<Vec<_>>(), [("A", 2)]);
}

pub(crate) async fn the_first_fact_of_its_name_counts(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let owner = |id: &str, owner: &str| {
        let card = CardUpdate { owner: Some(some(owner)), ..CardUpdate::default() };
        FactRow { card, ..fact("a", id, 10) }
    };
    let rows = Rows { facts: vec![owner("p1", "Ada"), owner("p2", "Bob")], ..Rows::default() };
    take(&model, None, 3, &rows).await.unwrap();
    // Told once more: it is no news, and Bob stays.
    let again = Rows { facts: vec![owner("p1", "Ada")], ..Rows::default() };
    take(&model, Some(3), 4, &again).await.unwrap();
    let [a] = &model.customers(&CustomerFilter { limit: 9, ..Default::default() }).await.unwrap()[..] else { panic!() };
    assert_eq!((a.owner.as_deref(), a.facts), (Some("Bob"), 2));
    assert_eq!(texts(model.facts("a", 10).await.unwrap()), ["p1", "p2"]);
    assert_eq!(texts(model.facts("a", 1).await.unwrap()), ["p2"]);
}

pub(crate) async fn rows_go_in_with_the_place_or_not_at_all(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let rows = Rows { changes: vec![change("a", "abc", "A", 10)], ..Rows::default() };
    take(&model, None, 2, &rows).await.unwrap();
    for before in [None, Some(1)] {
        let overtaken = take(&model, before, 3, &rows).await;
        assert!(matches!(overtaken, Err(StoreError::Overtaken { .. })), "{overtaken:?}");
    }
    assert_eq!(model.changes(None, None, None, 10).await.unwrap().len(), 1);
    assert_eq!(model.positions().await.unwrap(), [("customer.events".to_owned(), 0, 2)]);
    assert_eq!(model.standing().await.unwrap().number, 1);
}

pub(crate) async fn a_timeline_has_everything_once_newest_first(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let rows = Rows {
        facts: vec![fact("a", "f1", 10), fact("a", "f2", 20), fact("b", "f3", 20), fact("a", "f4", 20)],
        changes: vec![change("a", "abc", "A", 20), change("b", "abc", "A", 20)],
        signals: vec![signal("a", "silence", 5, true, 15)],
        deliveries: vec![delivery("d1", "a", "retrying", 30), delivery("d1", "a", "delivered", 31)],
        ..Rows::default()
    };
    take(&model, None, 9, &rows).await.unwrap();
    let all = ["d1 delivered", "a A 20", "f4", "f2", "a silence true", "f1"];
    let whole = model.timeline("a", None, 100).await.unwrap();
    assert_eq!(texts(whole.iter().map(|row| row.bytes.clone())), all);
    assert_eq!(whole[1].moment.kind, Kind::Change);

    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = model.timeline("a", after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.moment);
        paged.extend(texts(page.into_iter().map(|row| row.bytes)));
    }
    assert_eq!(paged, all);
}

pub(crate) async fn lists_and_the_feed_go_on_where_they_stopped(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let rows = Rows {
        changes: vec![change("a", "abc", "A", 20), change("b", "pyramid", "top", 10), change("c", "abc", "A", 20)],
        signals: vec![
            signal("a", "silence", 5, true, 1),
            signal("b", "silence", 7, true, 1),
            signal("c", "x", 7, true, 1),
        ],
        deliveries: vec![delivery("d1", "a", "dead", 3), delivery("d2", "", "delivered", 4)],
        ..Rows::default()
    };
    take(&model, None, 9, &rows).await.unwrap();
    let newest = model.changes(None, None, None, 2).await.unwrap();
    assert_eq!(texts(newest.iter().map(|row| row.bytes.clone())), ["c A 20", "a A 20"]);
    let after = newest.last().map(|row| (row.rank, row.number));
    assert_eq!(
        texts(model.changes(None, None, after, 2).await.unwrap().into_iter().map(|row| row.bytes)),
        ["b top 10"]
    );
    assert_eq!(model.changes(Some("pyramid"), Some("up"), None, 9).await.unwrap().len(), 1);
    assert_eq!(model.changes(None, Some("down"), None, 9).await.unwrap().len(), 0);

    let open =
        async |filter: SignalFilter| texts(model.open_signals(&filter).await.unwrap().into_iter().map(|row| row.bytes));
    let all = SignalFilter { limit: 9, ..Default::default() };
    assert_eq!(open(all.clone()).await, ["c x true", "b silence true", "a silence true"]);
    let behind = SignalFilter { after: Some((7, "c".to_owned(), "x".to_owned())), ..all.clone() };
    assert_eq!(open(behind).await, ["b silence true", "a silence true"]);
    assert_eq!(open(SignalFilter { detector: some("x"), ..all.clone() }).await, ["c x true"]);
    assert_eq!(open(SignalFilter { policy: some("pyramid"), tier: some("top"), ..all }).await, ["b silence true"]);

    assert_eq!(model.deliveries(Some("dead"), None, None, None, 9).await.unwrap().len(), 1);
    assert_eq!(model.counts().await.unwrap(), (0, 3, vec![("dead".to_owned(), 1), ("delivered".to_owned(), 1)]));

    let feed = model.feed(0, 3).await.unwrap();
    assert_eq!(feed.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3]);
    let rest = model.feed(3, 100).await.unwrap();
    assert_eq!(
        rest.iter().map(|row| (row.number, row.kind)).collect::<Vec<_>>(),
        [(4, Kind::Signal), (5, Kind::Signal), (6, Kind::Signal), (7, Kind::Delivery), (8, Kind::Delivery)]
    );
    assert_eq!(model.feed(8, 100).await.unwrap(), []);
}

pub(crate) async fn documents_and_ticks_are_kept(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let document = |name: &str, control_offset, bytes: Option<&[u8]>| DocumentRow {
        name: name.to_owned(),
        control_offset,
        bytes: bytes.map(<[u8]>::to_vec),
    };
    let rows = Rows {
        documents: vec![document("quiet/erp", 1, Some(b"q")), document("policy/abc", 2, Some(b"1"))],
        tick_ms: Some(1_000),
        ..Rows::default()
    };
    take(&model, None, 2, &rows).await.unwrap();
    let documents = vec![document("quiet/erp", 3, None), document("policy/abc", 4, Some(b"2"))];
    take(&model, Some(2), 3, &Rows { documents, tick_ms: Some(2_000), ..Rows::default() }).await.unwrap();
    assert_eq!(model.documents().await.unwrap(), [("policy/abc".to_owned(), 4, b"2".to_vec())]);
    assert_eq!(model.ticks().await.unwrap(), [(0, 2_000)]);
}

fn letter(offset: u64, identity: &str, received_ms: i64) -> DeadLetterRow {
    let refused = Refused {
        received_ms,
        source: "shop\0".to_owned(),
        id: identity.to_owned(),
        subject: String::new(),
        field: "data.amount".to_owned(),
        reason: "is not a number".to_owned(),
    };
    DeadLetterRow { offset, identity: identity.to_owned(), refused }
}

pub(crate) async fn a_dead_letter_counts_once_until_it_is_dealt_with(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let open = async || {
        let (count, recent) = model.open_dead_letters(2).await.unwrap();
        (count, recent.into_iter().map(|refused| (refused.id, refused.received_ms)).collect::<Vec<_>>())
    };
    let named = |id: &str, received_ms| (id.to_owned(), received_ms);
    // The second is written twice in one batch, the first once more in the next.
    let dead_letters = vec![letter(1, "a", 10), letter(2, "b", 20), letter(3, "b", 21), letter(4, "c", 5)];
    take(&model, None, 5, &Rows { dead_letters, ..Rows::default() }).await.unwrap();
    assert_eq!(open().await, (3, vec![named("b", 21), named("a", 10)]));
    // PostgreSQL's texts have no zero.
    assert_eq!(model.open_dead_letters(1).await.unwrap().1[0].source, "shop\u{fffd}");
    let dead_letters = vec![letter(5, "a", 30), letter(6, "d", 40)];
    take(&model, Some(5), 8, &Rows { dead_letters, resolved: vec![6], ..Rows::default() }).await.unwrap();
    assert_eq!(open().await, (3, vec![named("a", 30), named("b", 21)]));

    // Whichever of them is named, both are dealt with; of an unknown one nothing is to be done.
    take(&model, Some(8), 10, &Rows { resolved: vec![2, 77], ..Rows::default() }).await.unwrap();
    assert_eq!(open().await, (2, vec![named("a", 30), named("c", 5)]));
    // That an offset is the same in another partition means nothing.
    let (topic, partition, after) = ("customer.events", 1, at(2));
    let step = Step { consumer: READ_MODEL_CONSUMER, topic, partition, before: None, after: &after };
    model.apply(step, &Rows { resolved: vec![1, 4], ..Rows::default() }).await.unwrap();
    assert_eq!(open().await.0, 2);
    // Sent once more it stays dealt with.
    let dead_letters = vec![letter(10, "b", 50)];
    take(&model, Some(10), 11, &Rows { dead_letters, ..Rows::default() }).await.unwrap();
    assert_eq!(open().await.0, 2);

    take(&model, Some(11), 12, &Rows { letters_since_ms: Some(30), ..Rows::default() }).await.unwrap();
    assert_eq!(open().await, (1, vec![named("a", 30)]));
    take(&model, Some(12), 13, &Rows { resolved: vec![5], ..Rows::default() }).await.unwrap();
    assert_eq!(open().await, (0, vec![]));
}

pub(crate) async fn dropped_it_can_be_built_again(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let rows = Rows {
        facts: vec![fact("a", "f1", 10)],
        changes: vec![change("a", "abc", "A", 20)],
        tick_ms: Some(30),
        dead_letters: vec![letter(1, "a", 10)],
        ..Rows::default()
    };
    take(&model, None, 4, &rows).await.unwrap();
    let first = model.timeline("a", None, 9).await.unwrap();
    let generation = model.standing().await.unwrap().generation;
    model.rebuild().await.unwrap();
    assert_eq!(model.standing().await.unwrap().generation, generation + 1);
    assert_eq!((model.timeline("a", None, 9).await.unwrap(), model.ticks().await.unwrap()), (vec![], vec![]));

    // Who was at it finds its place gone …
    let overtaken = take(&model, Some(4), 5, &rows).await;
    assert!(matches!(overtaken, Err(StoreError::Overtaken { .. })), "{overtaken:?}");
    // … and begins anew.
    take(&model, None, 4, &rows).await.unwrap();
    assert_eq!(model.timeline("a", None, 9).await.unwrap(), first);
}

/// A trigger that fails whenever a row is looked at: so dropping takes no longer of many.
#[tokio::test]
async fn dropping_a_large_one_looks_at_no_row_on_postgres() {
    let database = Database::postgres();
    let model = ReadModel::new(database.open().await);
    take(&model, None, 4, &Rows { facts: vec![fact("a", "f1", 10)], ..Rows::default() }).await.unwrap();
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for statement in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a row was looked at'; END $$",
        "CREATE TRIGGER refuse BEFORE DELETE ON model_facts FOR EACH ROW EXECUTE FUNCTION refuse()",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    model.rebuild().await.unwrap();
    assert_eq!(model.facts("a", 9).await.unwrap(), [[0_u8; 0]; 0]);
}

/// Batches of several partitions, dropped again and again meanwhile: what is there in the end is what went in with the
/// places that are there in the end.
pub(crate) async fn dropping_it_meanwhile_tears_nothing(database: &Database) {
    let model = ReadModel::new(database.open().await);
    let writers = (0..4_u32).map(|partition| {
        let model = model.clone();
        tokio::spawn(async move {
            let mut next = None;
            for _ in 0..40 {
                let offset = next.unwrap_or(1_u64);
                let id = format!("{partition}-{offset}");
                let rows = Rows { facts: vec![fact("a", &id, 10)], ..Rows::default() };
                let (before, after) = (next.map(at), at(offset + 1));
                let (consumer, topic) = (READ_MODEL_CONSUMER, "customer.events");
                let step = Step { consumer, topic, partition, before: before.as_ref(), after: &after };
                next = match model.apply(step, &rows).await {
                    Ok(()) => Some(offset + 1),
                    Err(StoreError::Overtaken { .. }) => None,
                    Err(other) => panic!("{other}"),
                };
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for _ in 0..10 {
        model.rebuild().await.unwrap();
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let positions = model.positions().await.unwrap();
    let expected: u64 = positions.iter().map(|(_, _, next)| next - 1).sum();
    assert_eq!(model.facts("a", 10_000).await.unwrap().len() as u64, expected, "{positions:?}");
}
