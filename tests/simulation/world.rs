//! The world of one run: the log, the store, the processes, and what operations do to them.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use tiermesh_domain::time::{DAY_MS, Millis};
use tiermesh_event_log::{memory::MemoryLog, topics};

use crate::{
    events::{Draft, Event, Kind, document, event},
    gate::Fate,
    operation::{Call, INSTANCES, Operation},
    process::{Process, Request, Surroundings},
};

/// Of the mesh.
pub(crate) const PARTITIONS: u32 = 2;
/// 2026-01-01T00:00:00Z.
const BEGINNING: Millis = 1_767_225_600_000;
/// How much faster the wall's clock goes than those that services wait by: a boundary comes every few seconds.
const WALL_PER_MS: i64 = 20;
/// Time passes in steps of at most so much.
const STEP: Duration = Duration::from_millis(250);
/// A process that is frozen for longer is given up by its groups.
const SESSION: Duration = Duration::from_secs(1);
/// Rounds of all ready tasks that a step of time brings along.
const TURNS: u32 = 4;

/// A document that is to be put in force.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) which: usize,
    pub(crate) text: String,
}

pub(crate) struct World {
    pub(crate) log: MemoryLog,
    pub(crate) around: Surroundings,
    pub(crate) processes: [Option<Process>; INSTANCES],
    lives: [u32; INSTANCES],
    pub(crate) drafts: Vec<Draft>,
    pub(crate) events: Vec<Event>,
    pub(crate) documents: Vec<Document>,
    pub(crate) taken: BTreeMap<&'static str, u64>,
    away: bool,
    steps: usize,
    pub(crate) wrong: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        // Pauses before a repeated save are drawn with it.
        fastrand::seed(7);
        let around = Surroundings::default();
        around.wall.store(BEGINNING, Ordering::Relaxed);
        around.store.set_clock_ms(BEGINNING);
        let mut world = Self {
            log: MemoryLog::with_topics(&topics::all(PARTITIONS)),
            around,
            processes: Default::default(),
            lives: [0; INSTANCES],
            drafts: Vec::new(),
            events: Vec::new(),
            documents: Vec::new(),
            taken: BTreeMap::new(),
            away: false,
            steps: 0,
            wrong: Vec::new(),
        };
        world.start(0);
        world.start(1);
        world.turn_all(TURNS);
        world
    }

    pub(crate) fn count(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.taken.entry(what).or_default() += times;
        }
    }

    pub(crate) fn wall(&self) -> Millis {
        self.around.wall.load(Ordering::Relaxed)
    }

    pub(crate) fn advance_wall(&self, ms: i64) {
        let now = self.around.wall.fetch_add(ms, Ordering::Relaxed) + ms;
        self.around.store.set_clock_ms(now);
    }

    /// Does one step of a schedule.
    pub(crate) fn operate(&mut self, operation: &Operation) {
        match *operation {
            Operation::Fact { door, customer, kind, days_ago } => {
                let time = self.wall() - i64::from(days_ago) * DAY_MS - i64::from(customer);
                let orders =
                    self.drafts.iter().filter(|of| of.customer == customer && matches!(of.kind, Kind::Order(_)));
                let orders = orders.filter(|of| of.variant == 0).map(|of| of.number).collect();
                if days_ago > 0 {
                    self.count("late fact", 1);
                }
                self.make(door, Draft { number: self.drafts.len(), customer, kind, time, orders, variant: 0 });
            }
            Operation::Again { door, back } => {
                if let Some(number) = self.events.len().checked_sub(back + 1) {
                    self.send(door, number);
                    self.count("event sent again", 1);
                }
            }
            Operation::Conflict { door, back } => {
                if let Some(at) = self.drafts.len().checked_sub(back + 1) {
                    let first = self.drafts[at].clone();
                    self.make(door, Draft { variant: first.variant + 1, ..first });
                    self.count("event in conflict", 1);
                }
            }
            Operation::Activate { door, document: which } => {
                let version = self.documents.iter().filter(|document| document.which == which).count() as u32 + 1;
                self.documents.push(Document { which, text: document(which, version) });
                self.activate(door, self.documents.len() - 1);
            }
            Operation::Pass { ms } => self.pass(Duration::from_millis(ms)),
            Operation::Leap { hours } => {
                self.advance_wall(i64::from(hours) * 3_600_000);
                self.count("clock leapt", 1);
            }
            Operation::Skew { instance, seconds } => {
                if let Some(process) = &self.processes[instance] {
                    process.skew.store(i64::from(seconds) * 1_000, Ordering::Relaxed);
                    self.count("clock of one process wrong", 1);
                }
            }
            Operation::Run { instance, turns } => self.turn(instance, u32::from(turns)),
            Operation::Start { instance } => self.start(instance),
            Operation::Stop { instance } => {
                if let Some(process) = self.processes[instance].as_ref().filter(|process| !process.gate.is_frozen()) {
                    process.stop();
                    self.count("stopped in good order", 1);
                }
            }
            Operation::CrashAt { instance, call, nth, after } => self.arm(instance, Fate::Die, call, nth, after),
            Operation::FreezeAt { instance, call, nth, after } => self.arm(instance, Fate::Freeze, call, nth, after),
            Operation::FailStore { instance, call, nth, after } => self.arm(instance, Fate::Error, call, nth, after),
            Operation::Thaw { instance } => self.thaw(instance),
            Operation::Lose { instance } => {
                if let Some(process) = &self.processes[instance] {
                    let lost = self.log.lose_client(&process.client);
                    self.count("assignment lost", u64::from(lost > 0));
                }
            }
            Operation::Hold { instance } => {
                if let Some(client) = self.client(instance) {
                    self.log.hold_deliveries(&client);
                }
            }
            Operation::Deliver { instance, records, answered } => {
                let Some(client) = self.client(instance) else { return };
                let arrived = self.log.deliver(&client, answered, |_, _, _| usize::from(records));
                let what = if answered { "delivered late" } else { "delivered, and the answer held" };
                self.count(what, u64::from(arrived > 0));
            }
            Operation::Release { instance } => {
                if let Some(client) = self.client(instance) {
                    self.log.release_deliveries(&client);
                }
            }
            Operation::Fail { instance, records } => {
                let Some(client) = self.client(instance) else { return };
                let arrived = self.log.deliver(&client, false, |_, _, _| usize::from(records));
                let lost = self.log.fail_deliveries(&client);
                self.count("delivery failed", u64::from(lost > 0));
                self.count("delivery failed half-way", u64::from(lost > 0 && arrived > 0));
            }
            Operation::Slow { instance, ms } => {
                if let Some(process) = &self.processes[instance] {
                    process.gate.slow(Duration::from_millis(u64::from(ms)));
                }
            }
            Operation::Away => self.set_away(true),
            Operation::Back => {
                self.set_away(false);
                self.processes.iter().flatten().for_each(|process| process.gate.slow(Duration::ZERO));
            }
        }
        self.turn_all(1);
    }

    fn make(&mut self, door: usize, draft: Draft) {
        self.events.push(event(&draft));
        self.drafts.push(draft);
        self.send(door, self.events.len() - 1);
    }

    pub(crate) fn send(&mut self, door: usize, number: usize) {
        if let Some(process) = &self.processes[door] {
            process.ask(Request::Event { number, body: self.events[number].body.clone() });
        }
    }

    pub(crate) fn activate(&mut self, door: usize, number: usize) {
        if let Some(process) = &self.processes[door] {
            process.ask(Request::Document { number, text: self.documents[number].text.clone() });
        }
    }

    fn client(&self, instance: usize) -> Option<String> {
        self.processes[instance].as_ref().map(|process| process.client.clone())
    }

    fn arm(&mut self, instance: usize, fate: Fate, call: Call, nth: u8, after: bool) {
        if let Some(process) = &self.processes[instance] {
            process.gate.arm(fate, call, nth, after);
        }
    }

    fn set_away(&mut self, away: bool) {
        self.away = away;
        self.processes.iter().flatten().for_each(|process| process.gate.set_away(away));
    }

    pub(crate) fn start(&mut self, instance: usize) {
        if self.processes[instance].is_none() {
            self.lives[instance] += 1;
            let client = format!("{instance}.{}", self.lives[instance]);
            // Few records at a time for some, so that they can be cut off anywhere; many for others.
            let fetch = [2, 1, 7][instance % 3];
            let process = Process::start(&self.log, &self.around, client, fetch);
            process.gate.set_away(self.away);
            self.processes[instance] = Some(process);
            self.count("started", 1);
        }
    }

    /// What is on its way of a process that is gone is lost.
    fn bury(&mut self, instance: usize) {
        let Some(process) = self.processes[instance].take() else { return };
        for (what, times) in process.gate.take_met() {
            self.count(what, times);
        }
        let client = process.client.clone();
        // A runtime drops its tasks in an order that depends on what the test did before. So the groups hear of the
        // death here, one after the other.
        self.log.lose_client(&client);
        drop(process);
        self.log.fail_deliveries(&client);
    }

    pub(crate) fn thaw(&mut self, instance: usize) {
        let Some(process) = &mut self.processes[instance] else { return };
        if process.gate.is_frozen() {
            let was_given_up = std::mem::take(&mut process.given_up);
            process.gate.thaw();
            self.count("zombie came back", u64::from(was_given_up));
            // It hasn't heard of anything, not even that time passed, when it goes on with what it was about to do.
            self.turn(instance, 2);
            if let Some(process) = self.processes[instance].as_mut().filter(|process| !process.gate.is_frozen()) {
                process.pass(Duration::ZERO);
            }
        }
    }

    /// Lets one process go on.
    fn turn(&mut self, instance: usize, turns: u32) {
        let Some(process) = &mut self.processes[instance] else { return };
        if process.gate.is_frozen() {
            return;
        }
        process.run(turns);
        if let Some(broken) = process.broken() {
            self.wrong.push(broken);
        }
        let is_gone = process.gate.is_dead() || process.is_stopping() && process.is_stopped();
        for (what, times) in process.gate.take_met() {
            self.count(what, times);
        }
        if is_gone {
            self.bury(instance);
        }
    }

    pub(crate) fn turn_all(&mut self, turns: u32) {
        self.steps += 1;
        for at in 0..INSTANCES {
            self.turn((at + self.steps) % INSTANCES, turns);
        }
    }

    /// Lets time pass for all.
    pub(crate) fn pass(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(STEP);
            left -= step;
            self.advance_wall(step.as_millis() as i64 * WALL_PER_MS);
            self.pass_step(step);
        }
    }

    /// A step of the time that services wait by, while the wall's clock stands.
    pub(crate) fn pass_step(&mut self, step: Duration) {
        let mut given_up = 0;
        for process in self.processes.iter_mut().flatten() {
            if !process.gate.is_frozen() {
                process.pass(step);
                continue;
            }
            process.missed += step;
            if process.missed > SESSION && !std::mem::replace(&mut process.given_up, true) {
                given_up += u64::from(self.log.lose_client(&process.client) > 0);
            }
        }
        self.count("frozen process given up with partitions", given_up);
        self.turn_all(TURNS);
    }
}
