//! Groups within one process, for the memory and the embedded log: who owns which partition, and the hand-over.
//!
//! A partition moves in three steps, as with Kafka's cooperative protocol: its owner is told to give it up, says that
//! it has, and only then the new owner gets it. Partitions that need not move stay where they are.

mod balance;
mod member;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::seam::{EventLog, GroupMember};

/// All groups of one log.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: Mutex<HashMap<(String, String), Arc<Group>>>,
}

impl Groups {
    /// Adds a member, who reads through `log`.
    pub(crate) fn join(
        &self,
        group: &str,
        topic: &str,
        partitions: u32,
        log: Arc<dyn EventLog>,
    ) -> Box<dyn GroupMember> {
        self.join_seated(group, topic, partitions, log).1
    }

    /// Adds a member, and gives its seat, by which it can be made to lose what it owns.
    pub(crate) fn join_seated(
        &self,
        group: &str,
        topic: &str,
        partitions: u32,
        log: Arc<dyn EventLog>,
    ) -> (Seat, Box<dyn GroupMember>) {
        let group = {
            let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (group.to_owned(), topic.to_owned());
            Arc::clone(groups.entry(key).or_insert_with(|| Arc::new(Group::new(partitions))))
        };
        let id = group.enter();
        let seat = Seat { group: Arc::clone(&group), id };
        (seat, Box::new(member::Member::new(group, id, topic.to_owned(), log)))
    }

    /// Takes everything from the member that owns this partition, as Kafka does with one it gave up on. False if
    /// nobody owns it.
    pub(crate) fn lose(&self, group: &str, topic: &str, partition: u32) -> bool {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.get(&(group.to_owned(), topic.to_owned())).is_some_and(|group| group.lose(partition))
    }
}

/// A member's place in its group.
#[derive(Debug)]
pub(crate) struct Seat {
    group: Arc<Group>,
    id: MemberId,
}

impl Seat {
    /// The group gives up on the member. It takes part again once it has heard of that. How many partitions it lost.
    pub(crate) fn lose(&self) -> usize {
        self.group.lose_member(self.id)
    }

    /// The member left by itself.
    pub(crate) fn is_left(&self) -> bool {
        let state = self.group.state();
        !state.members.contains(&self.id) && !state.lost.contains_key(&self.id) && !state.forgotten.contains(&self.id)
    }
}

type MemberId = u64;

#[derive(Debug)]
struct Group {
    state: Mutex<State>,
    /// Fires at every change of `state`.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    last_id: MemberId,
    /// In the order of joining.
    members: Vec<MemberId>,
    partitions: Vec<Slot>,
    /// What members lost and have not heard of yet. They take part again once they have.
    lost: HashMap<MemberId, Vec<u32>>,
    /// Members that were given up and had nothing to lose: they take part again when they next ask.
    forgotten: Vec<MemberId>,
}

/// One partition: who has it, and who should.
#[derive(Debug, Default)]
struct Slot {
    holder: Holder,
    target: Option<MemberId>,
    /// Cancelled when the holder's time is over: its readers end.
    held: CancellationToken,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Holder {
    #[default]
    Nobody,
    Owner(MemberId),
    /// Was told to give it up, and has not said yet that it did.
    Leaver(MemberId),
}

impl Holder {
    fn is(self, id: MemberId) -> bool {
        self == Self::Owner(id) || self == Self::Leaver(id)
    }
}

/// What a member has to do next.
enum Change {
    Lost(Vec<u32>),
    Revoked(Vec<u32>),
    Assigned(Vec<(u32, CancellationToken)>),
}

impl Group {
    fn new(partitions: u32) -> Self {
        let partitions = (0..partitions).map(|_| Slot::default()).collect();
        Self { state: Mutex::new(State { partitions, ..State::default() }), changed: watch::Sender::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> MemberId {
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        state.members.push(id);
        state.rebalance();
        self.changed.send_replace(());
        id
    }

    fn leave(&self, id: MemberId) {
        let mut state = self.state();
        state.members.retain(|member| *member != id);
        state.lost.remove(&id);
        state.forgotten.retain(|member| *member != id);
        state.free(|holder| holder.is(id));
        state.rebalance();
        self.changed.send_replace(());
    }

    fn lose(&self, partition: u32) -> bool {
        let state = self.state();
        let holder = state.partitions.get(partition as usize).map_or(Holder::Nobody, |slot| slot.holder);
        drop(state);
        let (Holder::Owner(id) | Holder::Leaver(id)) = holder else { return false };
        self.lose_member(id);
        true
    }

    fn lose_member(&self, id: MemberId) -> usize {
        let mut state = self.state();
        if !state.members.contains(&id) {
            return 0;
        }
        let taken = state.free(|holder| holder.is(id));
        let count = taken.len();
        match count {
            0 => state.forgotten.push(id),
            _ => _ = state.lost.insert(id, taken),
        }
        state.members.retain(|member| *member != id);
        state.rebalance();
        self.changed.send_replace(());
        count
    }

    /// The member has given up what it was told to.
    fn given_up(&self, id: MemberId) {
        let mut state = self.state();
        state.free(|holder| holder == Holder::Leaver(id));
        self.changed.send_replace(());
    }

    /// The member has heard of its loss: it takes part again.
    fn heard(&self, id: MemberId) {
        let mut state = self.state();
        // It may have left meanwhile, or been dropped.
        if state.lost.remove(&id).is_some() {
            state.members.push(id);
            state.rebalance();
            self.changed.send_replace(());
        }
    }

    fn change(&self, id: MemberId) -> Option<Change> {
        let mut state = self.state();
        if state.forgotten.contains(&id) {
            state.forgotten.retain(|member| *member != id);
            state.members.push(id);
            state.rebalance();
            self.changed.send_replace(());
        }
        state.change(id)
    }
}

impl State {
    fn rebalance(&mut self) {
        let now: Vec<Option<MemberId>> = self.partitions.iter().map(|slot| slot.target).collect();
        for (slot, target) in self.partitions.iter_mut().zip(balance::balance(&now, &self.members)) {
            slot.target = target;
        }
    }

    /// Ends the hold on the partitions whose holder is such a one.
    fn free(&mut self, whose: impl Fn(Holder) -> bool) -> Vec<u32> {
        let mut freed = Vec::new();
        for (number, slot) in (0..).zip(&mut self.partitions) {
            if whose(slot.holder) {
                slot.held.cancel();
                slot.holder = Holder::Nobody;
                freed.push(number);
            }
        }
        freed
    }

    fn change(&mut self, id: MemberId) -> Option<Change> {
        if let Some(lost) = self.lost.get_mut(&id).filter(|lost| !lost.is_empty()) {
            return Some(Change::Lost(std::mem::take(lost)));
        }
        let mut revoked = Vec::new();
        for (number, slot) in (0..).zip(&mut self.partitions) {
            if slot.holder == Holder::Owner(id) && slot.target != Some(id) {
                slot.holder = Holder::Leaver(id);
                revoked.push(number);
            }
        }
        if !revoked.is_empty() {
            return Some(Change::Revoked(revoked));
        }
        let mut assigned = Vec::new();
        for (number, slot) in (0..).zip(&mut self.partitions) {
            if slot.holder == Holder::Nobody && slot.target == Some(id) {
                slot.holder = Holder::Owner(id);
                slot.held = CancellationToken::new();
                assigned.push((number, slot.held.clone()));
            }
        }
        (!assigned.is_empty()).then_some(Change::Assigned(assigned))
    }
}
