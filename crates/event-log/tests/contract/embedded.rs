//! What is asked of the log in a directory alone: its lock, its durability, its readers in other processes.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use tiermesh_event_log::{
    EventLog, LogError,
    embedded::{EmbeddedLog, OpenOptions},
    topics::TopicSpec,
};

use crate::support::{append, create, guarded, noise, numbers, read, record, take, values};

async fn open(dir: &Path) -> EmbeddedLog {
    EmbeddedLog::open(dir, OpenOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_second_owner_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    let error = EmbeddedLog::open(dir.path(), OpenOptions::default()).await.err().unwrap();
    assert!(matches!(error, LogError::Locked(_)));
    let text = error.to_string();
    assert!(text.contains(dir.path().to_str().unwrap()), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())) && text.contains("stop"), "{text}");
    drop(log);
    open(dir.path()).await;
}

#[tokio::test]
async fn others_read_alongside_the_owner_and_after_it() {
    guarded(async {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(EmbeddedLog::open_read_only(dir.path()).await, Err(LogError::Unavailable(_))));
        let owner = open(dir.path()).await;
        let topic = create(&owner, 1).await.name;
        append(&owner, &topic, 0, numbers(0..3)).await;

        let other = EmbeddedLog::open_read_only(dir.path()).await.unwrap();
        assert_eq!(other.extent(&topic, 0).await.unwrap(), owner.extent(&topic, 0).await.unwrap());
        let mut reader = other.read(&topic, 0, 2).await.unwrap();
        assert_eq!(values(&take(&mut *reader, 2).await), ["1", "2"]);
        append(&owner, &topic, 0, numbers(3..5)).await;
        assert_eq!(values(&take(&mut *reader, 2).await), ["3", "4"]);
        let later = create(&owner, 1).await.name;
        assert_eq!(other.partitions(&later).await.unwrap(), 1);

        assert!(matches!(other.producer("none").await, Err(LogError::Unavailable(_))));
        let spec = TopicSpec { name: "more".to_owned(), partitions: 1, retention_days: None };
        assert!(matches!(other.create_topics(&[spec]).await, Err(LogError::Unavailable(_))));

        drop(owner);
        assert_eq!(read(&other, &topic, 0, 0, 5).await.len(), 5);
        let after = EmbeddedLog::open_read_only(dir.path()).await.unwrap();
        assert_eq!(read(&after, &topic, 0, 0, 5).await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_fails_what_was_queued_and_nothing_that_stood() {
    guarded(async {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions { max_file_bytes: Some(2 << 20), ..OpenOptions::default() };
        let log = EmbeddedLog::open(dir.path(), options).await.unwrap();
        let topic = create(&log, 2).await.name;
        let producer = log.producer("filling").await.unwrap();
        let mut answered = 0;
        let error = loop {
            let mut large = record("");
            large.value = noise(100_000).into();
            match producer.send(&topic, 0, vec![large]).await.unwrap().await {
                Ok(offset) => answered = offset,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, LogError::DeliveryFailed(_)), "{error}");
        assert!(answered > 5);
        assert!(matches!(producer.send(&topic, 1, numbers(0..1)).await, Err(LogError::DeliveryFailed(_))));
        assert_eq!(log.extent(&topic, 0).await.unwrap().end, answered + 1);
        drop((producer, log));

        let log = open(dir.path()).await;
        assert_eq!(read(&log, &topic, 0, 0, answered as usize).await.last().unwrap().offset, answered);
        assert_eq!(append(&log, &topic, 0, numbers(0..1)).await, answered + 1);
    })
    .await;
}

#[tokio::test]
async fn a_commit_of_more_partitions_than_a_statement_takes_has_all_of_them() {
    guarded(async {
        const PARTITIONS: u32 = 200;
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path()).await;
        let topic = create(&log, PARTITIONS).await.name;
        let producer = log.producer("broad").await.unwrap();
        let mut acks = Vec::new();
        for partition in 0..PARTITIONS {
            acks.push(producer.send(&topic, partition, numbers(0..2)).await.unwrap());
        }
        for ack in acks {
            assert_eq!(ack.await.unwrap(), 2);
        }
        drop((producer, log));
        let log = open(dir.path()).await;
        for partition in 0..PARTITIONS {
            assert_eq!(read(&log, &topic, partition, 0, 2).await.len(), 2, "partition {partition}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_written_comes_into_the_file_while_the_log_is_open() {
    guarded(async {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions { checkpoint_after: Duration::ZERO, ..OpenOptions::default() };
        let log = EmbeddedLog::open(dir.path(), options).await.unwrap();
        let topic = create(&log, 1).await.name;
        let mut large = record("");
        large.value = noise(1 << 20).into();
        append(&log, &topic, 0, vec![large]).await;
        // Far fewer pages than the writer would bring there itself.
        let file = dir.path().join("log.db");
        while file.metadata().unwrap().len() < 1 << 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn sqlite_is_of_a_release_in_which_two_may_checkpoint() {
    use sqlx::{Connection, Row};
    let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let row = sqlx::query("SELECT sqlite_version()").fetch_one(&mut connection).await.unwrap();
    let version: Vec<u32> = row.get::<String, _>(0).split('.').map(|part| part.parse().unwrap()).collect();
    assert!(version >= vec![3, 51, 3], "{version:?}");
}

#[tokio::test]
async fn a_full_queue_makes_senders_wait() {
    guarded(async {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions { queue_bytes: 1_000, ..OpenOptions::default() };
        let log = EmbeddedLog::open(dir.path(), options).await.unwrap();
        let topic = create(&log, 1).await.name;
        let producer = log.producer("pressed").await.unwrap();
        let mut acks = Vec::new();
        for number in 0..200 {
            let mut records = numbers(number..number + 1);
            // Some larger than the queue: they must get through too.
            records[0].key = vec![b' '; number * 10].into();
            acks.push(producer.send(&topic, 0, records).await.unwrap());
            // At most the queue's bytes are unanswered, that is fewer than eight of these.
            let at = acks.len().saturating_sub(8);
            if number >= 8 {
                let answered = futures::FutureExt::now_or_never(&mut acks[at - 1]);
                assert!(answered.is_some_and(|answer| answer.is_ok()), "more is queued than there is room for");
                drop(acks.remove(at - 1));
            }
        }
        assert_eq!(read(&log, &topic, 0, 0, 200).await.len(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_changed_file_is_found_out() {
    guarded(async {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path()).await;
        let topic = create(&log, 1).await.name;
        append(&log, &topic, 0, numbers(0..10)).await;
        drop(log);
        let file = dir.path().join("log.db");
        use sqlx::Connection;
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let changed = sqlx::query("UPDATE batch SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || 'A' AS BLOB)")
            .execute(&mut connection)
            .await
            .unwrap();
        assert!(changed.rows_affected() > 0);
        connection.close().await.unwrap();
        let log = open(dir.path()).await;
        let error = log.read(&topic, 0, 0).await.unwrap().next(10).await.unwrap_err();
        assert!(matches!(&error, LogError::Corrupt(text) if text.contains(&topic)), "{error}");
    })
    .await;
}

/// A million records: not a measurement, but it could not pass within the guard if each were a row and a commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_records_go_through() {
    guarded(async {
        const SENDS: usize = 1_000;
        const RECORDS: usize = 1_000;
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(open(dir.path()).await);
        let topic = create(&*log, 8).await.name;
        let readers: Vec<_> = (0..8)
            .map(|partition| {
                let (log, topic) = (Arc::clone(&log), topic.clone());
                tokio::spawn(async move { read(&*log, &topic, partition, 0, SENDS * RECORDS / 8).await.len() })
            })
            .collect();
        let producer = log.producer("million").await.unwrap();
        let mut last = None;
        for send in 0..SENDS {
            let records = numbers(send * RECORDS..(send + 1) * RECORDS);
            last = Some(producer.send(&topic, (send % 8) as u32, records).await.unwrap());
        }
        last.unwrap().await.unwrap();
        for reader in readers {
            assert_eq!(reader.await.unwrap(), SENDS * RECORDS / 8);
        }
    })
    .await;
}

/// Set for the child that is killed, which runs the same test: the directory it appends to.
const CHILD: &str = "TIERMESH_TEST_APPEND_TO";
const TOPIC: &str = "killed";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_owner_loses_nothing_that_was_answered() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return append_until_killed(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut counts = Vec::new();
    // The second one starts with what the first left behind.
    for _ in 0..2 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "embedded::killing_the_owner_loses_nothing_that_was_answered",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answered = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((partition, offset)) = line.strip_prefix("answered ").and_then(|rest| rest.split_once(' ')) {
                answered.push((partition.parse::<u32>().unwrap(), offset.parse::<u64>().unwrap()));
            }
            if answered.len() == 2_000 {
                // SIGKILL, in the midst of its work. What it printed since is still read.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(answered.len() >= 2_000, "the child ended by itself after {}", answered.len());
        counts.push(answered.len());

        let log = open(dir.path()).await;
        for partition in 0..2 {
            let last = answered.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).max().unwrap();
            let end = log.extent(TOPIC, partition).await.unwrap().end;
            assert!(end > last, "partition {partition}: {last} was answered, the log ends at {end}");
            let records = read(&log, TOPIC, partition, 0, end as usize - 1).await;
            for (record, offset) in records.iter().zip(1..) {
                assert_eq!(record.offset, offset);
                assert_eq!(record.value, record.key, "a record is not what was sent");
            }
        }
    }
}

/// The child: appends, and says what was answered.
async fn append_until_killed(dir: &Path) {
    let log = open(dir).await;
    let spec = TopicSpec { name: TOPIC.to_owned(), partitions: 2, retention_days: None };
    log.create_topics(&[spec]).await.unwrap();
    let append = async |task: u32| {
        let producer = log.producer("child").await.unwrap();
        loop {
            let mut record = record(format!("{task}"));
            record.key = record.value.clone();
            let offset = producer.send(TOPIC, task % 2, vec![record]).await.unwrap().await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "answered {} {offset}", task % 2).unwrap();
            out.flush().unwrap();
        }
    };
    futures::join!(append(0), append(1), append(2), append(3), append(4), append(5), append(6), append(7));
}
