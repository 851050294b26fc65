//! What is asked of the log on Kafka alone: a cluster that is away, and topics that others made.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use futures::FutureExt;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tiermesh_event_log::{
    EventLog, LogError, Record, TopicDifference,
    kafka::{KafkaLog, KafkaSettings},
    topics::TopicSpec,
};
use tiermesh_testkit::KafkaServer;

use crate::support::{append, create, guarded, numbers, read, record, take, topic, unique, values};

/// A broker, and what only an administrator does to it.
pub(crate) struct Broker {
    pub(crate) log: KafkaLog,
    brokers: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Broker {
    /// The broker that all tests of this process share.
    pub(crate) async fn shared() -> Self {
        let brokers = tokio::task::spawn_blocking(tiermesh_testkit::kafka).await.unwrap();
        Self::at(brokers)
    }

    fn at(brokers: &str) -> Self {
        let admin = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        Self { log: KafkaLog::new(patient(brokers)).unwrap(), brokers: brokers.to_owned(), admin }
    }

    pub(crate) async fn set(&self, topic: &str, setting: &str, value: &str) {
        let alter = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(setting, value);
        for result in self.admin.alter_configs(&[alter], &AdminOptions::new()).await.unwrap() {
            result.unwrap();
        }
    }

    pub(crate) async fn delete(&self, topic: &str) {
        for result in self.admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap() {
            result.unwrap();
        }
        while !matches!(self.log.partitions(topic).await, Err(LogError::NoSuchTopic(_))) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn make(&self, spec: &TopicSpec) {
        let new = NewTopic::new(&spec.name, spec.partitions as i32, TopicReplication::Fixed(1));
        for result in self.admin.create_topics(&[new], &AdminOptions::new()).await.unwrap() {
            result.unwrap();
        }
        while self.log.partitions(&spec.name).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn cut(&self, topic: &str, offset: u64) {
        let mut until = TopicPartitionList::new();
        until.add_partition_offset(topic, 0, Offset::Offset(offset as i64)).unwrap();
        self.admin.delete_records(&until, &AdminOptions::new()).await.unwrap();
    }

    /// Says goodbye in the name of each member, as a group does with those it gives up on.
    pub(crate) async fn expel_members(&self, group: &str) {
        let members: Vec<String> = {
            let list = self.admin.inner().fetch_group_list(Some(group), Duration::from_secs(30)).unwrap();
            list.groups().iter().flat_map(|group| group.members()).map(|member| member.id().to_owned()).collect()
        };
        assert_eq!(members.len(), 1, "{members:?}");
        let mut connection = TcpStream::connect(&self.brokers).unwrap();
        for member in members {
            // LeaveGroup, version 0, correlation 1, no client id.
            let mut request = vec![0, 13, 0, 0, 0, 0, 0, 1, 255, 255];
            for text in [group, &member] {
                request.extend((text.len() as u16).to_be_bytes());
                request.extend(text.as_bytes());
            }
            connection.write_all(&(request.len() as u32).to_be_bytes()).unwrap();
            connection.write_all(&request).unwrap();
            let mut answer = [0; 10];
            connection.read_exact(&mut answer).unwrap();
            assert_eq!(answer[4..], [0, 0, 0, 1, 0, 0], "correlation and no error");
        }
    }
}

/// Settings for a machine that does much else.
fn patient(brokers: &str) -> KafkaSettings {
    let mut settings = KafkaSettings { timeout: Duration::from_secs(60), ..KafkaSettings::new(brokers) };
    // So that a test can send what a broker refuses.
    settings.extra.push(("message.max.bytes".to_owned(), "8000000".to_owned()));
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_can_not_be_reached_is_named_in_time() {
    guarded(async {
        // Nobody listens there: the port is free.
        let brokers = format!("127.0.0.1:{}", tiermesh_testkit::free_port());
        let settings = KafkaSettings { timeout: Duration::from_millis(500), ..KafkaSettings::new(&brokers) };
        let log = KafkaLog::new(settings).unwrap();
        let spec = [topic(1)];
        let name = &spec[0].name;
        let errors = [
            log.create_topics(&spec).await.err(),
            log.check_topics(&spec).await.err(),
            log.partitions(name).await.err(),
            log.extent(name, 0).await.err(),
            log.producer("none").await.err(),
            log.read(name, 0, 0).await.err(),
            log.join("group", name).await.err(),
        ];
        for error in errors {
            let error = error.expect("there is no cluster");
            assert!(matches!(&error, LogError::Unavailable(text) if text.contains(&brokers)), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn settings_that_librdkafka_does_not_know_are_refused() {
    let mut settings = KafkaSettings::new("127.0.0.1:9092");
    settings.extra.push(("no.such.property".to_owned(), "1".to_owned()));
    let error = KafkaLog::new(settings).err().unwrap();
    assert!(error.to_string().contains("no.such.property"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_outlast_a_broker_that_is_away() {
    guarded(async {
        let server = tokio::task::spawn_blocking(KafkaServer::start).await.unwrap();
        let broker = Broker::at(server.bootstrap());
        let topic = create(&broker.log, 1).await.name;
        let producer = broker.log.producer("patient").await.unwrap();
        let mut reader = broker.log.read(&topic, 0, 0).await.unwrap();
        producer.send(&topic, 0, numbers(0..10)).await.unwrap().await.unwrap();
        let server = tokio::task::spawn_blocking(move || {
            server.stop();
            server
        });
        let server = server.await.unwrap();
        let mut acks = Vec::new();
        for number in 10..110 {
            acks.push(producer.send(&topic, 0, numbers(number..number + 1)).await.unwrap());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        for ack in &mut acks {
            assert!(ack.now_or_never().is_none(), "the broker is away");
        }
        let server = tokio::task::spawn_blocking(move || {
            server.restart();
            server
        });
        let _server = server.await.unwrap();
        for ack in acks {
            ack.await.unwrap();
        }
        let expected: Vec<String> = (0..110).map(|number: usize| number.to_string()).collect();
        assert_eq!(values(&take(&mut *reader, 110).await), expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn birth_records_that_a_crash_left_out_are_written_once() {
    guarded(async {
        let broker = Broker::shared().await;
        let spec = topic(2);
        broker.make(&spec).await;
        let births = |differences: Vec<TopicDifference>| {
            differences.iter().filter(|difference| difference.what == "birth record").count()
        };
        assert_eq!(births(broker.log.check_topics(std::slice::from_ref(&spec)).await.unwrap()), 2);
        let error = broker.log.extent(&spec.name, 0).await.unwrap_err();
        assert!(matches!(error, LogError::Corrupt(_)), "{error}");
        assert_eq!(births(broker.log.create_topics(std::slice::from_ref(&spec)).await.unwrap()), 0);
        let extent = broker.log.extent(&spec.name, 1).await.unwrap();
        assert_eq!((extent.start, extent.end), (0, 1));
        broker.log.create_topics(std::slice::from_ref(&spec)).await.unwrap();
        assert_eq!(broker.log.extent(&spec.name, 1).await.unwrap(), extent);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_birth_records_the_first_stands_and_readers_see_neither() {
    guarded(async {
        let broker = Broker::shared().await;
        let spec = create(&broker.log, 1).await;
        let extent = broker.log.extent(&spec.name, 0).await.unwrap();
        append(&broker.log, &spec.name, 0, numbers(0..1)).await;
        // As another creator would, who saw the partition empty.
        let mut second = record("");
        second.headers.push("tm_log_id", "another");
        append(&broker.log, &spec.name, 0, vec![second]).await;
        append(&broker.log, &spec.name, 0, numbers(1..2)).await;
        let records = read(&broker.log, &spec.name, 0, 0, 2).await;
        let seen: Vec<(u64, String)> = records.iter().map(|record| record.offset).zip(values(&records)).collect();
        assert_eq!(seen, [(1, "0".to_owned()), (3, "1".to_owned())]);
        assert_eq!(broker.log.extent(&spec.name, 0).await.unwrap().log_id, extent.log_id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_keeps_its_identity_when_retention_took_the_birth_record() {
    guarded(async {
        let broker = Broker::shared().await;
        let spec = create(&broker.log, 1).await;
        append(&broker.log, &spec.name, 0, numbers(0..3)).await;
        let before = broker.log.extent(&spec.name, 0).await.unwrap();
        broker.cut(&spec.name, before.end).await;
        let after = broker.log.extent(&spec.name, 0).await.unwrap();
        assert_eq!((after.log_id, after.start, after.end), (before.log_id.clone(), before.end, before.end));
        assert_eq!(broker.log.create_topics(std::slice::from_ref(&spec)).await.unwrap(), []);
        // Deleted and made again, it is another log, although the old one was known.
        broker.delete(&spec.name).await;
        broker.log.create_topics(std::slice::from_ref(&spec)).await.unwrap();
        assert_ne!(broker.log.extent(&spec.name, 0).await.unwrap().log_id, before.log_id);
        broker.cut(&spec.name, 1).await;
        assert_ne!(broker.log.extent(&spec.name, 0).await.unwrap().log_id, before.log_id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_holds_records_of_others_is_reported_and_left_alone() {
    guarded(async {
        let broker = Broker::shared().await;
        let spec = topic(1);
        broker.make(&spec).await;
        let foreign: BaseProducer = ClientConfig::new().set("bootstrap.servers", &broker.brokers).create().unwrap();
        foreign.send(BaseRecord::<(), str>::to(&spec.name).payload("foreign")).unwrap();
        tokio::task::spawn_blocking(move || foreign.flush(Duration::from_secs(60)).unwrap()).await.unwrap();
        let differences = broker.log.create_topics(std::slice::from_ref(&spec)).await.unwrap();
        assert!(differences.iter().any(|difference| difference.what == "birth record"), "{differences:?}");
        assert!(matches!(broker.log.extent(&spec.name, 0).await, Err(LogError::Corrupt(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_settings_are_found() {
    guarded(async {
        let broker = Broker::shared().await;
        let spec = create(&broker.log, 1).await;
        // This sets one and takes the others back to the broker's own.
        broker.set(&spec.name, "cleanup.policy", "compact").await;
        let strict = KafkaSettings { min_insync_replicas: 2, ..patient(&broker.brokers) };
        let strict = KafkaLog::new(strict).unwrap();
        let is_seen = |differences: &[TopicDifference]| differences.iter().any(|found| found.what == "cleanup.policy");
        let mut differences = strict.check_topics(std::slice::from_ref(&spec)).await.unwrap();
        // A broker may answer that a setting is made before it shows.
        while !is_seen(&differences) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            differences = strict.check_topics(std::slice::from_ref(&spec)).await.unwrap();
        }
        let mut found: Vec<(&str, &str)> =
            differences.iter().map(|difference| (difference.what.as_str(), difference.found.as_str())).collect();
        found.retain(|(what, _)| *what != "retention.ms");
        assert_eq!(found, [("cleanup.policy", "compact"), ("min.insync.replicas", "1")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_that_may_lose_records_is_found_and_one_that_is_safer_is_not() {
    guarded(async {
        let broker = Broker::shared().await;
        let spec = create(&broker.log, 1).await;
        let found = async |least: u32, setting: &str| {
            let log = KafkaLog::new(KafkaSettings { min_insync_replicas: least, ..patient(&broker.brokers) }).unwrap();
            let differences = log.check_topics(std::slice::from_ref(&spec)).await.unwrap();
            differences.into_iter().find(|difference| difference.what == setting).map(|difference| difference.found)
        };
        let unclean = "unclean.leader.election.enable";
        assert_eq!(found(1, unclean).await, None);
        broker.set(&spec.name, unclean, "true").await;
        while found(1, unclean).await.as_deref() != Some("true") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let in_sync = "min.insync.replicas";
        assert_eq!(found(2, in_sync).await.as_deref(), Some("1"));
        broker.set(&spec.name, in_sync, "2").await;
        while found(2, in_sync).await.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(found(1, in_sync).await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_committed_for_monitoring() {
    guarded(async {
        let broker = Broker::shared().await;
        let topic = create(&broker.log, 1).await.name;
        append(&broker.log, &topic, 0, numbers(0..5)).await;
        let group = unique("group");
        let mut member = broker.log.join(&group, &topic).await.unwrap();
        let assignment = crate::support::assigned(&mut *member).await.remove(0);
        let mut reader = assignment.starter.start(0).await.unwrap();
        let last: Record = take(&mut *reader, 5).await.remove(4);
        let monitor: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &broker.brokers).set("group.id", &group).create().unwrap();
        let committed = tokio::task::spawn_blocking(move || {
            loop {
                let mut of = TopicPartitionList::new();
                of.add_partition(&topic, 0);
                let committed = monitor.committed_offsets(of, Duration::from_secs(30)).unwrap();
                if let Offset::Offset(offset) = committed.elements()[0].offset() {
                    return offset;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        assert_eq!(committed.await.unwrap() as u64, last.offset + 1);
    })
    .await;
}
