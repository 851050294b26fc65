//! What is on its way: records that a client sent and that are not in the log yet, or that it hasn't been told of.
//!
//! A real producer hands records to the network. They arrive partition by partition in the order of sending, but one
//! partition's may arrive while another's don't, and the answer may get lost behind them. Here a test decides.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{MemoryLog, partition::Partition};
use crate::{poison::Poison, record::NewRecord};

#[derive(Debug, Default)]
pub(super) struct Network {
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    /// The clients whose records don't arrive by themselves.
    held: BTreeSet<String>,
    /// By client, topic, partition: what was sent and hasn't arrived, in the order of sending.
    on_their_way: BTreeMap<(String, String, u32), VecDeque<Parcel>>,
    /// By client: what arrived, and hasn't been answered.
    unanswered: BTreeMap<String, Vec<Arrived>>,
}

/// A send that arrived in full.
#[derive(Debug)]
struct Arrived {
    last: u64,
    answer: oneshot::Sender<u64>,
    poison: Arc<Poison>,
}

/// The records of one send.
#[derive(Debug)]
struct Parcel {
    partition: Arc<Partition>,
    records: Vec<NewRecord>,
    answer: oneshot::Sender<u64>,
    poison: Arc<Poison>,
}

impl Network {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the records of one send if its client's don't arrive by themselves; gives them back otherwise.
    pub(super) fn take(
        &self,
        client: &str,
        (topic, number): (&str, u32),
        partition: &Arc<Partition>,
        records: Vec<NewRecord>,
        poison: &Arc<Poison>,
    ) -> Result<oneshot::Receiver<u64>, Vec<NewRecord>> {
        let mut lines = self.lines();
        if !lines.held.contains(client) {
            return Err(records);
        }
        let (answer, answered) = oneshot::channel();
        let parcel = Parcel { partition: Arc::clone(partition), records, answer, poison: Arc::clone(poison) };
        lines.on_their_way.entry((client.to_owned(), topic.to_owned(), number)).or_default().push_back(parcel);
        Ok(answered)
    }
}

impl Lines {
    /// Up to so many records of one line arrive. Of a parcel of which a part arrived, the rest stays on its way.
    fn arrive(&mut self, client: &str, line: &(String, String, u32), mut most: usize) -> usize {
        let Some(parcels) = self.on_their_way.get_mut(line) else { return 0 };
        let mut arrived = 0;
        while most > 0
            && let Some(mut parcel) = parcels.pop_front()
        {
            let rest = parcel.records.split_off(most.min(parcel.records.len()));
            let last = parcel.partition.append(&parcel.records);
            arrived += parcel.records.len();
            most -= parcel.records.len();
            if rest.is_empty() {
                self.unanswered.entry(client.to_owned()).or_default().push(Arrived {
                    last,
                    answer: parcel.answer,
                    poison: parcel.poison,
                });
            } else {
                parcels.push_front(Parcel { records: rest, ..parcel });
            }
        }
        arrived
    }

    fn answer(&mut self, client: &str) {
        for arrived in self.unanswered.remove(client).unwrap_or_default() {
            // Whoever sent it may be gone.
            let _ = arrived.answer.send(arrived.last);
        }
    }

    fn lines_of(&self, client: &str) -> Vec<(String, String, u32)> {
        self.on_their_way.keys().filter(|(of, ..)| of == client).cloned().collect()
    }
}

impl MemoryLog {
    /// The same log as a client of this name sees it: faults can be made to happen to that client alone.
    pub fn client(&self, name: &str) -> Self {
        Self { client: name.into(), ..self.clone() }
    }

    /// From here on what this client sends stays on its way.
    pub fn hold_deliveries(&self, client: &str) {
        self.shared.network.lines().held.insert(client.to_owned());
    }

    /// Of each partition, so many of the records that are on their way arrive: `most` is given topic, partition, and
    /// how many there are. The client is told only if `answered`; else once it is told of anything. Gives how many
    /// arrived.
    pub fn deliver(&self, client: &str, answered: bool, mut most: impl FnMut(&str, u32, usize) -> usize) -> usize {
        let mut lines = self.shared.network.lines();
        let mut arrived = 0;
        for line in lines.lines_of(client) {
            let waiting = lines.on_their_way.get(&line).map_or(0, |line| line.iter().map(|of| of.records.len()).sum());
            let most = most(&line.1, line.2, waiting);
            arrived += lines.arrive(client, &line, most);
        }
        if answered {
            lines.answer(client);
        }
        arrived
    }

    /// What is on its way arrives and is answered, and so from here on does all that this client sends.
    pub fn release_deliveries(&self, client: &str) {
        self.deliver(client, true, |_, _, waiting| waiting);
        self.shared.network.lines().held.remove(client);
    }

    /// What is on its way is lost, and unanswered what arrived: the producers of it have failed. What is sent from here
    /// on by others of this client arrives again. Gives how many records were lost.
    pub fn fail_deliveries(&self, client: &str) -> usize {
        let mut lines = self.shared.network.lines();
        lines.held.remove(client);
        let why = "a delivery was made to fail";
        lines.unanswered.remove(client).unwrap_or_default().iter().for_each(|arrived| arrived.poison.poison(why));
        let mut lost = 0;
        for line in lines.lines_of(client) {
            for parcel in lines.on_their_way.remove(&line).unwrap_or_default() {
                lost += parcel.records.len();
                parcel.poison.poison(why);
            }
        }
        lost
    }

    /// The groups give up on this client: whatever its members own is gone at once, to others if there are any, and
    /// they hear of it by their next event. Gives how many partitions it lost.
    pub fn lose_client(&self, client: &str) -> usize {
        let mut seats = self.shared.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = seats.entry(client.to_owned()).or_default();
        seats.retain(|seat| !seat.is_left());
        seats.iter().map(|seat| seat.lose()).sum()
    }
}
