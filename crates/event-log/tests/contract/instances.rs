//! Members that have a name: who comes back under it gets its partitions back, and of two by one name the first is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tiermesh_event_log::{
    Assignment, EventLog, GroupEvent, GroupMember, LogError,
    kafka::{KafkaLog, KafkaSettings},
};

use crate::support::{append, create, guarded, record, revoked, take, unique, values};

async fn log(instance: Option<&str>) -> KafkaLog {
    let brokers = tokio::task::spawn_blocking(tiermesh_testkit::kafka).await.unwrap();
    let mut settings = KafkaSettings { timeout: Duration::from_secs(60), ..KafkaSettings::new(brokers) };
    settings.instance = instance.map(str::to_owned);
    // Longer than the case takes: what changes hands doesn't because somebody was missed.
    settings.extra.push(("session.timeout.ms".to_owned(), "120000".to_owned()));
    KafkaLog::new(settings).unwrap()
}

/// The partitions that a member is assigned, all started; it may be told first that there are none yet.
async fn started(member: &mut dyn GroupMember, log: &KafkaLog, topic: &str) -> BTreeSet<u32> {
    let assignments: Vec<Assignment> = loop {
        match member.next().await.unwrap() {
            GroupEvent::Assigned(assignments) if assignments.is_empty() => {}
            GroupEvent::Assigned(assignments) => break assignments,
            GroupEvent::Revoked { .. } => panic!("nothing is to be taken away"),
        }
    };
    // Reading begins when all of them are started.
    let mut readers = BTreeMap::new();
    for assignment in assignments {
        readers.insert(assignment.partition, assignment.starter.start(1).await.unwrap());
    }
    for (partition, reader) in &mut readers {
        append(log, topic, *partition, vec![record(format!("in {partition}"))]).await;
        assert_eq!(values(&take(&mut **reader, 1).await), [format!("in {partition}")]);
    }
    readers.into_keys().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_under_its_name_gets_its_partitions_back_and_the_others_hear_nothing() {
    guarded(async {
        let (one, two) = (log(Some("one")).await, log(Some("two")).await);
        let (topic, group) = (create(&one, 4).await.name, unique("group"));
        let mut first = one.join(&group, &topic).await.unwrap();
        assert_eq!(started(&mut *first, &one, &topic).await.len(), 4);

        let mut second = two.join(&group, &topic).await.unwrap();
        let (moved, lost, done) = revoked(&mut *first).await;
        assert!(!lost);
        done.send(()).unwrap();
        let moved: BTreeSet<u32> = moved.into_iter().collect();
        // Both have to take part for the group to hand over.
        let firsts = tokio::spawn(async move {
            let event = first.next().await;
            (first, event.is_ok())
        });
        let assigned: Vec<Assignment> = loop {
            match second.next().await.unwrap() {
                GroupEvent::Assigned(assignments) if assignments.is_empty() => {}
                GroupEvent::Assigned(assignments) => break assignments,
                GroupEvent::Revoked { .. } => panic!("nothing is to be taken away"),
            }
        };
        assert_eq!(assigned.iter().map(|assignment| assignment.partition).collect::<BTreeSet<_>>(), moved);
        drop((assigned, second));

        // Its successor, with the same name and nothing else of it.
        let again = log(Some("two")).await;
        let mut second = again.join(&group, &topic).await.unwrap();
        let Ok(GroupEvent::Assigned(assigned)) = second.next().await else { panic!("it was to be assigned at once") };
        assert_eq!(assigned.iter().map(|assignment| assignment.partition).collect::<BTreeSet<_>>(), moved);
        assert!(!firsts.is_finished(), "the other was disturbed");
        firsts.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_by_one_name_the_first_is_told() {
    guarded(async {
        let (one, two) = (log(Some("same")).await, log(Some("same")).await);
        let (topic, group) = (create(&one, 2).await.name, unique("group"));
        let mut first = one.join(&group, &topic).await.unwrap();
        started(&mut *first, &one, &topic).await;
        let _second = two.join(&group, &topic).await.unwrap();
        let error = loop {
            match first.next().await {
                Err(error) => break error,
                Ok(GroupEvent::Assigned(_)) => panic!("the name is another's"),
                Ok(GroupEvent::Revoked { done, .. }) => drop(done),
            }
        };
        assert!(matches!(&error, LogError::SameInstance { instance, .. } if instance == "same"), "{error:?}");
        assert!(error.to_string().contains(&group) && error.to_string().contains("--instance"), "{error}");
    })
    .await;
}
