//! A consumer: each record once and in order, whatever is cut off, repeated, lost or replaced.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tiermesh_event_log::{EventLog, LogError, NewRecord, memory::MemoryLog, topics};
use tiermesh_processing::{Batch, ConsumeError, Consumer, Place, RunError, run_consumer};
use tiermesh_service_host::{Health, Trouble};
use tiermesh_store::StoreError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const CHANGES: &str = topics::TIER_CHANGES.name;
const SIGNALS: &str = topics::CHURN_SIGNALS.name;

/// How a transaction goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing was stored.
    BeforeCommit,
    /// It was stored, and the answer is lost.
    AfterCommit,
    /// The process is cut off before the transaction, or behind it.
    NeverAnswers { stored: bool },
}

/// A database with one transaction at a time: places, and the ids of what was taken.
#[derive(Debug, Default)]
struct Database {
    places: BTreeMap<(String, u32), Place>,
    taken: BTreeMap<(String, u32), Vec<String>>,
    faults: VecDeque<Fault>,
    overtaken: usize,
    /// That a topic was joined, and why taking it failed.
    told: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Diary {
    database: Arc<Mutex<Database>>,
    health: Health,
}

impl Diary {
    fn database(&self) -> std::sync::MutexGuard<'_, Database> {
        self.database.lock().unwrap()
    }

    fn taken(&self, topic: &str, partition: u32) -> Vec<String> {
        self.database().taken.get(&(topic.to_owned(), partition)).cloned().unwrap_or_default()
    }

    fn commit(&self, batch: Batch) -> Result<(), ConsumeError> {
        let mut database = self.database();
        let key = (batch.topic.to_owned(), batch.partition);
        if database.places.get(&key) != batch.before.as_ref() {
            database.overtaken += 1;
            let (consumer, topic) = ("diary".to_owned(), batch.topic.to_owned());
            return Err(StoreError::Overtaken { consumer, topic, partition: batch.partition }.into());
        }
        database.places.insert(key.clone(), batch.after);
        let ids = batch.records.iter().map(|record| record.header("ce_id").unwrap().to_owned());
        database.taken.entry(key).or_default().extend(ids);
        Ok(())
    }
}

#[async_trait]
impl Consumer for Diary {
    fn name(&self) -> &'static str {
        "diary"
    }

    fn topics(&self) -> Vec<&'static str> {
        vec![CHANGES, SIGNALS]
    }

    async fn place(&self, topic: &str, partition: u32) -> Result<Option<Place>, StoreError> {
        Ok(self.database().places.get(&(topic.to_owned(), partition)).cloned())
    }

    async fn take(&self, batch: Batch) -> Result<(), ConsumeError> {
        if let Some(garbage) = batch.records.iter().find(|record| record.value.starts_with(b"\xff")) {
            return Err(LogError::Corrupt(format!("offset {}", garbage.offset)).into());
        }
        let fault = self.database().faults.pop_front();
        if !matches!(fault, Some(Fault::BeforeCommit | Fault::NeverAnswers { stored: false })) {
            self.commit(batch)?;
        }
        match fault {
            None => Ok(()),
            Some(Fault::NeverAnswers { .. }) => std::future::pending().await,
            Some(_) => Err(StoreError::Unavailable("a test wants it to be".to_owned()).into()),
        }
    }

    fn joined(&self, topic: &str) {
        self.database().told.push(format!("{topic}: joined"));
    }

    fn failed(&self, topic: &str, error: &RunError) {
        self.database().told.push(format!("{topic}: {error}"));
    }

    fn stopped(&self, _topic: &str, _partition: u32, error: &RunError) -> Option<Trouble> {
        Some(self.health.trouble(error.to_string()))
    }
}

/// A process that runs the consumer.
struct Life {
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Life {
    fn begin(diary: &Diary, log: &MemoryLog) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run_consumer(Arc::new(diary.clone()), Arc::new(log.clone()), stop.clone()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    async fn failure(self) -> RunError {
        self.task.await.unwrap().unwrap_err()
    }
}

fn log(partitions: u32) -> MemoryLog {
    MemoryLog::with_topics(&topics::all(partitions))
}

fn record(source: &str, id: &str) -> NewRecord {
    let headers = [("ce_source", source), ("ce_id", id)].into_iter().collect();
    NewRecord { key: "".into(), value: "".into(), headers }
}

fn id(partition: u32, sequence: u64) -> String {
    format!("{partition}-{}-{sequence}", sequence * 3)
}

/// Says these numbers of scoring's partition.
async fn say(log: &MemoryLog, topic: &str, partition: u32, numbers: impl IntoIterator<Item = u64>) {
    let records = numbers.into_iter().map(|number| record("tiermesh/scoring", &id(partition, number))).collect();
    log.producer("a test").await.unwrap().send(topic, partition, records).await.unwrap().await.unwrap();
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain until {what}");
}

async fn until_taken(diary: &Diary, topic: &str, partition: u32, numbers: u64) {
    let count = || diary.taken(topic, partition).len() as u64;
    until(&format!("{numbers} records of {topic} are taken"), || count() >= numbers).await;
    let expected: Vec<String> = (1..=numbers).map(|number| id(partition, number)).collect();
    assert_eq!(diary.taken(topic, partition), expected);
}

#[tokio::test(start_paused = true)]
async fn all_partitions_of_all_topics_are_taken_and_taken_on_after_a_stop() {
    let (diary, log) = (Diary::default(), log(3));
    for (topic, numbers) in [(CHANGES, 1_200), (SIGNALS, 3)] {
        for partition in 0..3 {
            say(&log, topic, partition, 1..=numbers).await;
        }
    }
    let life = Life::begin(&diary, &log);
    for partition in 0..3 {
        until_taken(&diary, CHANGES, partition, 1_200).await;
        until_taken(&diary, SIGNALS, partition, 3).await;
    }
    life.stop().await;
    say(&log, SIGNALS, 1, 4..=9).await;
    let life = Life::begin(&diary, &log);
    until_taken(&diary, SIGNALS, 1, 9).await;
    life.stop().await;
    assert_eq!(diary.database().overtaken, 0);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_fails_or_whose_answer_is_lost_is_mended_from_the_place() {
    for fault in [Fault::BeforeCommit, Fault::AfterCommit] {
        let (diary, log) = (Diary::default(), log(1));
        diary.database().faults = VecDeque::from([fault; 5]);
        let life = Life::begin(&diary, &log);
        for number in 1..=8 {
            say(&log, CHANGES, 0, [number]).await;
            until_taken(&diary, CHANGES, 0, number).await;
        }
        assert!(diary.database().faults.is_empty(), "{fault:?}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_until_the_topic_is_joined_anew() {
    let (diary, log) = (Diary::default(), log(1));
    diary.database().faults = VecDeque::from([Fault::BeforeCommit]);
    let life = Life::begin(&diary, &log);
    say(&log, CHANGES, 0, 1..=3).await;
    until_taken(&diary, CHANGES, 0, 3).await;
    life.stop().await;
    let told = diary.database().told.clone();
    let of_changes: Vec<&str> = told.iter().filter_map(|told| told.strip_prefix(&format!("{CHANGES}: "))).collect();
    assert!(matches!(of_changes[..], ["joined", why, "joined"] if why.contains("a test wants it to be")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_or_behind_the_transaction_loses_and_doubles_nothing() {
    for stored in [false, true] {
        let (diary, log) = (Diary::default(), log(1));
        say(&log, CHANGES, 0, 1..=700).await;
        diary.database().faults = VecDeque::from([Fault::NeverAnswers { stored }]);
        let life = Life::begin(&diary, &log);
        until("the transaction hangs", || diary.database().faults.is_empty()).await;
        life.task.abort();
        assert!(life.task.await.unwrap_err().is_cancelled());
        say(&log, CHANGES, 0, 701..=710).await;
        let life = Life::begin(&diary, &log);
        until_taken(&diary, CHANGES, 0, 710).await;
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_deposed_owner_said_again_is_taken_once() {
    let (diary, log) = (Diary::default(), log(1));
    let life = Life::begin(&diary, &log);
    say(&log, CHANGES, 0, 1..=10).await;
    until_taken(&diary, CHANGES, 0, 10).await;
    // A crash and the deposed owner's repeats, before and after the next of the new owner's.
    say(&log, CHANGES, 0, (6..=12).chain(3..=12)).await;
    say(&log, CHANGES, 0, (13..=14).chain(11..=14)).await;
    until_taken(&diary, CHANGES, 0, 14).await;
    life.stop().await;
    let place = diary.database().places[&(CHANGES.to_owned(), 0)].clone();
    assert_eq!(place.marks, BTreeMap::from([("scoring/0".to_owned(), 14)]));
    assert_eq!(place.next_offset, log.extent(CHANGES, 0).await.unwrap().end);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_stops_its_partition_behind_the_one_before_and_the_others_go_on() {
    let (diary, log) = (Diary::default(), log(2));
    say(&log, CHANGES, 1, 1..=10).await;
    let garbage = NewRecord { value: Bytes::from_static(b"\xff"), ..NewRecord::default() };
    let producer = log.producer("a test").await.unwrap();
    producer.send(CHANGES, 1, vec![garbage]).await.unwrap().await.unwrap();
    say(&log, CHANGES, 1, 11..=12).await;
    let life = Life::begin(&diary, &log);
    until("partition 1 stops", || !diary.health.troubles().is_empty()).await;
    let trouble = diary.health.troubles().remove(0);
    assert_eq!(trouble, "diary: topic `tier.changes`, partition 1: corrupt log: offset 11");
    assert_eq!(diary.taken(CHANGES, 1).len(), 10);
    say(&log, CHANGES, 0, 1..=3).await;
    until_taken(&diary, CHANGES, 0, 3).await;
    life.stop().await;
    assert_eq!(diary.taken(CHANGES, 1).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_missing_number_stops_it_for_good_and_nothing_behind_it_is_taken() {
    let (diary, log) = (Diary::default(), log(2));
    let life = Life::begin(&diary, &log);
    say(&log, CHANGES, 1, 1..=10).await;
    until_taken(&diary, CHANGES, 1, 10).await;
    say(&log, CHANGES, 1, [11, 13, 12]).await;
    for life in [life, Life::begin(&diary, &log)] {
        let error = life.failure().await;
        assert!(matches!(error, RunError::Gap { partition: 1, expected: 12, found: 13, .. }), "{error:?}");
        for part in ["diary", CHANGES, "partition 1", "offset 12", "scoring/1", "estore the log"] {
            assert!(error.to_string().contains(part), "`{part}` is missing in: {error}");
        }
        assert!(diary.taken(CHANGES, 1).len() <= 11, "nothing behind the gap");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_or_a_cut_log_is_refused() {
    let (diary, log) = (Diary::default(), log(1));
    say(&log, CHANGES, 0, 1..=10).await;
    let life = Life::begin(&diary, &log);
    until_taken(&diary, CHANGES, 0, 10).await;
    life.stop().await;

    say(&log, CHANGES, 0, 11..=20).await;
    log.cut(CHANGES, 0, 15).unwrap();
    let error = Life::begin(&diary, &log).failure().await.to_string();
    assert!(error.contains("15..21"), "{error}");

    log.replace_topic(CHANGES).unwrap();
    say(&log, CHANGES, 0, 1..=30).await;
    let error = Life::begin(&diary, &log).failure().await;
    assert!(matches!(error, RunError::ForeignPlace { partition: 0, .. }), "{error:?}");
    assert!(error.to_string().contains("emove the places of `diary`"), "{error}");
    assert_eq!(diary.taken(CHANGES, 0).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_beginning_was_removed_is_taken_from_what_is_left() {
    let (diary, log) = (Diary::default(), log(1));
    say(&log, CHANGES, 0, 1..=10).await;
    log.cut(CHANGES, 0, 5).unwrap();
    let life = Life::begin(&diary, &log);
    until("what is left is taken", || diary.taken(CHANGES, 0).len() == 6).await;
    assert_eq!(diary.taken(CHANGES, 0)[0], id(0, 5));
    life.stop().await;
}

/// Two processes, one of which the group gives up on in the midst of a transaction of which it doesn't hear: stored or not,
/// whoever comes after goes on from what is stored.
#[tokio::test(start_paused = true)]
async fn a_partition_lost_in_the_midst_of_a_transaction_is_taken_once() {
    let (diary, log) = (Diary::default(), log(1));
    let lives = [Life::begin(&diary, &log), Life::begin(&diary, &log)];
    for number in 1..=40 {
        say(&log, CHANGES, 0, [number]).await;
        until_taken(&diary, CHANGES, 0, number).await;
        if number % 4 == 0 {
            diary.database().faults = VecDeque::from([Fault::NeverAnswers { stored: number % 8 == 0 }]);
            // A repeat: nothing to take, but the place moves.
            say(&log, CHANGES, 0, [number]).await;
            until("the transaction hangs", || diary.database().faults.is_empty()).await;
            assert!(log.lose_partitions("diary.tier.changes", CHANGES, 0), "somebody owns it");
        }
    }
    for life in lives {
        life.stop().await;
    }
}

/// Two who don't know of each other, as after a group forgot one: each record is stored by one of them.
#[tokio::test(start_paused = true)]
async fn of_two_owners_at_once_one_stores() {
    let (diary, one) = (Diary::default(), log(1));
    let copies = [Life::begin(&diary, &one), {
        // A second consumer of the same places, in another group's eyes: the same database under another membership.
        let twin = Twin(diary.clone());
        let stop = CancellationToken::new();
        let task = tokio::spawn(run_consumer(Arc::new(twin), Arc::new(one.clone()), stop.clone()));
        Life { stop, task }
    }];
    for number in 1..=50 {
        say(&one, CHANGES, 0, [number]).await;
        until_taken(&diary, CHANGES, 0, number).await;
    }
    for life in copies {
        life.stop().await;
    }
    assert!(diary.database().overtaken > 0, "they never met: the test tests nothing");
}

/// The diary's places under another group.
#[derive(Debug)]
struct Twin(Diary);

#[async_trait]
impl Consumer for Twin {
    fn name(&self) -> &'static str {
        "twin"
    }

    fn topics(&self) -> Vec<&'static str> {
        self.0.topics()
    }

    async fn place(&self, topic: &str, partition: u32) -> Result<Option<Place>, StoreError> {
        self.0.place(topic, partition).await
    }

    async fn take(&self, batch: Batch) -> Result<(), ConsumeError> {
        self.0.take(batch).await
    }
}
