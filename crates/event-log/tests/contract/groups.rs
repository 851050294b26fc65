//! Groups: every partition has one owner, and changes hands without two of them at once.

use std::{collections::BTreeMap, time::Duration};

use tiermesh_event_log::{Assignment, GroupMember, LogError, PartitionReader};

use crate::{
    backend::Backend,
    support::{append, assigned, create, numbers, read, record, revoked, take, unique, values},
};

/// Readers by partition.
type Owned = BTreeMap<u32, Box<dyn PartitionReader>>;

async fn start(owned: &mut Owned, assignments: Vec<Assignment>, from: u64) {
    for assignment in assignments {
        let reader = assignment.starter.start(from).await.unwrap();
        assert!(owned.insert(assignment.partition, reader).is_none(), "assigned twice");
    }
}

/// Goes on until the member owns so many, starting what it gets and giving up what it must.
async fn settle(member: &mut dyn GroupMember, owned: &mut Owned, count: usize) {
    while owned.len() != count {
        match member.next().await.unwrap() {
            tiermesh_event_log::GroupEvent::Assigned(assignments) => start(owned, assignments, 0).await,
            tiermesh_event_log::GroupEvent::Revoked { partitions, lost, done } => {
                assert!(!lost);
                partitions.iter().for_each(|partition| assert!(owned.remove(partition).is_some()));
                done.send(()).unwrap();
            }
        }
    }
}

pub(crate) async fn one_member_gets_all(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 3).await.name;
    for partition in 0..3 {
        append(&*log, &topic, partition, vec![record(format!("in {partition}"))]).await;
    }
    let mut member = log.join(&unique("group"), &topic).await.unwrap();
    let mut owned = Owned::new();
    start(&mut owned, assigned(&mut *member).await, 0).await;
    assert_eq!(owned.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    for (partition, reader) in &mut owned {
        assert_eq!(values(&take(&mut **reader, 1).await), [format!("in {partition}")]);
    }
    append(&*log, &topic, 1, vec![record("more")]).await;
    assert_eq!(values(&take(&mut **owned.get_mut(&1).unwrap(), 1).await), ["more"]);
}

pub(crate) async fn a_second_member_shares_and_its_leaving_gives_back(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 4).await.name;
    let group = unique("group");
    let mut first = log.join(&group, &topic).await.unwrap();
    let mut firsts = Owned::new();
    settle(&mut *first, &mut firsts, 4).await;
    for partition in 0..4 {
        append(&*log, &topic, partition, numbers(0..1)).await;
        take(&mut **firsts.get_mut(&partition).unwrap(), 1).await;
    }

    let mut second = log.join(&group, &topic).await.unwrap();
    let mut seconds = Owned::new();
    let (moving, lost, done) = revoked(&mut *first).await;
    assert!(!lost);
    assert_eq!(moving.len(), 2, "only what must move does");
    // Until the first one has given them up they are still its own; but Kafka sends it nothing new meanwhile.
    append(&*log, &topic, moving[0], vec![record("meanwhile")]).await;
    let reading = firsts.get_mut(&moving[0]).unwrap().next(1);
    if let Ok(records) = tokio::time::timeout(Duration::from_millis(300), reading).await {
        assert_eq!(values(&records.unwrap()), ["meanwhile"]);
    }
    let mut given_up: Vec<_> = moving.iter().map(|partition| firsts.remove(partition).unwrap()).collect();
    done.send(()).unwrap();
    // A member must go on asking for events, or the group can't rebalance: so both do.
    tokio::select! {
        () = settle(&mut *second, &mut seconds, 2) => {}
        event = first.next() => panic!("the first member owns its share: {}", event.is_ok()),
    }
    assert_eq!(seconds.keys().copied().collect::<Vec<_>>(), moving);
    for reader in &mut given_up {
        assert!(matches!(reader.next(1).await, Err(LogError::Closed)));
    }
    // What stayed was not disturbed.
    for (partition, reader) in firsts.iter_mut().chain(&mut seconds) {
        append(&*log, &topic, *partition, vec![record("after")]).await;
        while values(&take(&mut **reader, 1).await) != ["after"] {}
    }

    drop(second);
    settle(&mut *first, &mut firsts, 4).await;
    for (partition, reader) in &mut firsts {
        append(&*log, &topic, *partition, vec![record("back")]).await;
        while values(&take(&mut **reader, 1).await) != ["back"] {}
    }
    for reader in seconds.values_mut() {
        // It may hold records that came before the end.
        while let Ok(records) = reader.next(100).await {
            assert!(!values(&records).contains(&"back".to_owned()));
        }
    }
}

pub(crate) async fn two_groups_do_not_share(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 2).await.name;
    let mut one = log.join(&unique("one"), &topic).await.unwrap();
    let mut other = log.join(&unique("other"), &topic).await.unwrap();
    for member in [&mut one, &mut other] {
        assert_eq!(assigned(&mut **member).await.len(), 2);
    }
}

pub(crate) async fn a_lost_assignment_is_said_to_be_lost(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 2).await.name;
    let group = unique("group");
    let mut member = log.join(&group, &topic).await.unwrap();
    let mut owned = Owned::new();
    settle(&mut *member, &mut owned, 2).await;
    if !backend.lose(&group, &topic).await {
        assert!(matches!(backend, Backend::Embedded { .. }), "the others can give up on a member");
        return;
    }
    let (partitions, lost, done) = revoked(&mut *member).await;
    assert!(lost);
    assert_eq!(partitions, [0, 1]);
    for reader in owned.values_mut() {
        assert!(matches!(reader.next(1).await, Err(LogError::Closed)));
    }
    owned.clear();
    drop(done);
    // It comes back as a new member would.
    settle(&mut *member, &mut owned, 2).await;
    append(&*log, &topic, 0, numbers(0..1)).await;
    take(&mut **owned.get_mut(&0).unwrap(), 1).await;
}

pub(crate) async fn a_member_begins_where_it_is_told(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    append(&*log, &topic, 0, numbers(0..10)).await;
    let records = read(&*log, &topic, 0, 0, 10).await;
    let group = unique("group");
    for at in [7, 2] {
        let mut member = log.join(&group, &topic).await.unwrap();
        let mut owned = Owned::new();
        start(&mut owned, assigned(&mut *member).await, records[at].offset).await;
        assert_eq!(take(&mut **owned.get_mut(&0).unwrap(), 10 - at).await, records[at..]);
    }
}

pub(crate) async fn a_start_outside_of_the_log_is_refused(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 2).await.name;
    append(&*log, &topic, 1, numbers(0..1)).await;
    let mut member = log.join(&unique("group"), &topic).await.unwrap();
    let mut assignments = assigned(&mut *member).await;
    let other = assignments.pop().unwrap();
    let refused = assignments.pop().unwrap().starter.start(1_000).await;
    assert!(matches!(refused, Err(LogError::OutOfRange { offset: 1_000, .. })));
    // The other partition is not held up by it.
    let mut reader = other.starter.start(0).await.unwrap();
    take(&mut *reader, 1).await;
}
