//! What a schedule is made of: facts, faults, and time passing.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::events::{DOCUMENTS, Kind};

/// How many processes there may be at once.
pub(crate) const INSTANCES: usize = 3;
const CUSTOMERS: u8 = 8;
/// Operations of a schedule.
const LENGTH: usize = 56;

/// A step of a schedule. Instances are processes, by the place they take among the [`INSTANCES`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    /// Something happened, and is sent to an instance's door.
    Fact { door: usize, customer: u8, kind: Kind, days_ago: u16 },
    /// The event that was made so many events before the last is sent again.
    Again { door: usize, back: usize },
    /// Another event of the same name.
    Conflict { door: usize, back: usize },
    /// A document is put in force, in a version above its last.
    Activate { door: usize, document: usize },
    /// Time passes, for processes that aren't frozen; the wall's clock goes faster.
    Pass { ms: u64 },
    /// The wall's clock leaps, the database's with it.
    Leap { hours: u16 },
    /// One process's clock is wrong from here on.
    Skew { instance: usize, seconds: i16 },
    /// One process goes on while the others stand still.
    Run { instance: usize, turns: u8 },
    /// A process starts, unless there is one.
    Start { instance: usize },
    /// A process stops in good order.
    Stop { instance: usize },
    /// A process dies at its n-th such call from here on, before or after the call took effect.
    CrashAt { instance: usize, call: Call, nth: u8, after: bool },
    /// A process freezes at its n-th such call from here on. The groups give up on it when that lasts.
    FreezeAt { instance: usize, call: Call, nth: u8, after: bool },
    /// A frozen process goes on, and doesn't know.
    Thaw { instance: usize },
    /// The groups give up on a process that lives.
    Lose { instance: usize },
    /// What a process sends stays on its way.
    Hold { instance: usize },
    /// So many records of each partition arrive of what a process sent. It is told, or not yet.
    Deliver { instance: usize, records: u8, answered: bool },
    /// All that a process sent arrives, and so does what it sends from here on.
    Release { instance: usize },
    /// So many records of each partition arrive, and the delivery fails.
    Fail { instance: usize, records: u8 },
    /// The n-th such call of a process to the store fails: before it took effect, or after.
    FailStore { instance: usize, call: Call, nth: u8, after: bool },
    /// The store takes so long to answer a process.
    Slow { instance: usize, ms: u16 },
    /// Nobody reaches the store.
    Away,
    /// The store is back, for all and at full speed.
    Back,
}

/// A kind of call that leaves a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    /// Whatever leaves the process.
    Any,
    /// Records are sent.
    Send,
    /// The control keeper sends records to one partition of all.
    Broadcast,
    /// A save is written.
    Save,
    /// A partition is taken over.
    Acquire,
    /// A consumer does what it has to, outside of its store.
    Do,
    /// A consumer notes what it did.
    Note,
}

const CALLS: [Call; 7] = [Call::Any, Call::Send, Call::Broadcast, Call::Save, Call::Acquire, Call::Do, Call::Note];
const STORE_CALLS: [Call; 3] = [Call::Save, Call::Acquire, Call::Note];

/// The schedule of a seed.
pub(crate) fn plan(seed: u64) -> Vec<Operation> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut operations = Vec::with_capacity(LENGTH + DOCUMENTS);
    let mut documents: Vec<usize> = (0..DOCUMENTS).collect();
    for _ in 0..LENGTH {
        // Each document comes early at some time: without any there is nothing to say.
        if !documents.is_empty() && dice.random_ratio(1, 4) {
            let document = documents.swap_remove(dice.random_range(0..documents.len()));
            operations.push(Operation::Activate { door: dice.random_range(0..2), document });
            operations.push(Operation::Pass { ms: 300 });
        }
        match dice.random_ratio(1, 14) {
            true => operations.extend(story(&mut dice)),
            false => operations.push(draw(&mut dice)),
        }
        if dice.random_ratio(1, 3) {
            operations.push(Operation::Pass { ms: dice.random_range(1..=1_500) });
        }
    }
    operations
}

/// Faults that hardly meet by chance, one after the other.
fn story(dice: &mut StdRng) -> Vec<Operation> {
    use Operation::*;
    let instance = dice.random_range(0..INSTANCES);
    let other = (instance + dice.random_range(1..INSTANCES)) % INSTANCES;
    let (nth, after, records) = (dice.random_range(1..=5), dice.random_ratio(1, 2), dice.random_range(0..=2));
    let mut fact = |door| Fact { door, customer: dice.random_range(0..CUSTOMERS), kind: Kind::Order(700), days_ago: 0 };
    let facts = [fact(instance), fact(other), fact(other), fact(other)];
    let [first, second, third, fourth] = facts;
    let which = dice.random_range(0..5);
    let mut pass = |from, to| Pass { ms: dice.random_range(from..=to) };
    match which {
        // A zombie repeats what its successor has said, and the successor dies unsaved.
        0 => vec![
            FreezeAt { instance, call: Call::Send, nth, after },
            first,
            second,
            pass(1_100, 2_500),
            third,
            pass(1, 600),
            fourth,
            Thaw { instance },
            CrashAt { instance: other, call: Call::Any, nth: nth * 3, after },
            pass(1, 600),
            Start { instance: other },
        ],
        // What a process sent is on its way when it dies.
        1 => vec![
            Hold { instance },
            first,
            second,
            pass(1, 1_500),
            Deliver { instance, records, answered: false },
            CrashAt { instance, call: Call::Any, nth, after },
            third,
            pass(1, 600),
            Start { instance },
        ],
        // Several sends are on their way when one fails.
        2 => vec![
            Hold { instance },
            first,
            Run { instance, turns: 4 },
            second,
            Run { instance, turns: 4 },
            third,
            pass(1, 900),
            Fail { instance, records },
        ],
        // A partition goes away and comes back.
        3 => vec![
            Lose { instance },
            pass(100, 600),
            first,
            second,
            pass(1, 600),
            Lose { instance: other },
            third,
            pass(1, 600),
        ],
        // Whoever writes to all partitions dies between two of them.
        _ => vec![
            CrashAt { instance, call: Call::Broadcast, nth: 1, after },
            pass(800, 2_000),
            first,
            Start { instance },
            second,
            pass(1, 600),
        ],
    }
}

fn draw(dice: &mut StdRng) -> Operation {
    let instance = dice.random_range(0..INSTANCES);
    let door = instance;
    let nth = if dice.random_ratio(1, 2) { dice.random_range(1..=4) } else { dice.random_range(1..=40) };
    let after = dice.random_ratio(1, 2);
    let call = *CALLS.choose(dice).unwrap_or(&Call::Any);
    let back = dice.random_range(0..6);
    let records = dice.random_range(0..=3);
    match dice.random_range(0..108) {
        0..=27 => {
            let days_ago = if dice.random_ratio(2, 3) { dice.random_range(0..3) } else { dice.random_range(0..420) };
            Operation::Fact { door, customer: dice.random_range(0..CUSTOMERS), kind: Kind::draw(dice), days_ago }
        }
        28..=31 => Operation::Again { door, back },
        32..=34 => Operation::Conflict { door, back },
        35 => Operation::Activate { door, document: dice.random_range(0..DOCUMENTS) },
        36..=45 => Operation::Pass { ms: dice.random_range(1..=4_000) },
        46..=48 => Operation::Leap { hours: dice.random_range(1..=2_000) },
        49 => Operation::Skew { instance, seconds: dice.random_range(-90..=90) },
        50..=57 => Operation::Run { instance, turns: dice.random_range(1..=8) },
        58..=64 => Operation::Start { instance },
        65..=66 => Operation::Stop { instance },
        67..=72 => Operation::CrashAt { instance, call, nth, after },
        73..=77 => Operation::FreezeAt { instance, call, nth, after },
        78..=81 => Operation::Thaw { instance },
        82..=84 => Operation::Lose { instance },
        85..=89 => Operation::Hold { instance },
        90..=93 => Operation::Deliver { instance, records, answered: after },
        94..=96 => Operation::Release { instance },
        97..=99 => Operation::Fail { instance, records },
        100..=102 => {
            let call = *STORE_CALLS.choose(dice).unwrap_or(&Call::Save);
            Operation::FailStore { instance, call, nth: nth.min(3), after }
        }
        103..=104 => Operation::Slow { instance, ms: dice.random_range(1..3_000) },
        105 => Operation::Away,
        _ => Operation::Back,
    }
}

/// Operations to try in place of this one.
pub(crate) fn simpler(operation: &Operation) -> Vec<Operation> {
    use Operation::*;
    let mut simpler = Vec::new();
    match operation.clone() {
        Fact { door, customer, kind, days_ago } => {
            if days_ago > 0 {
                simpler.push(Fact { door, customer, kind, days_ago: 0 });
            }
            if customer > 0 {
                simpler.push(Fact { door, customer: 0, kind, days_ago });
            }
        }
        Again { door, back } if back > 0 => simpler.push(Again { door, back: back - 1 }),
        Conflict { door, back } if back > 0 => simpler.push(Conflict { door, back: back - 1 }),
        Pass { ms } => simpler.extend(less(ms).map(|ms| Pass { ms })),
        Leap { hours } if hours > 1 => simpler.push(Leap { hours: hours / 2 }),
        Run { instance, turns } if turns > 1 => simpler.push(Run { instance, turns: turns / 2 }),
        CrashAt { instance, call, nth, after } => {
            simpler.extend(less(u64::from(nth)).map(|nth| CrashAt { instance, call, nth: nth as u8, after }));
        }
        FreezeAt { instance, call, nth, after } => {
            simpler.extend(less(u64::from(nth)).map(|nth| FreezeAt { instance, call, nth: nth as u8, after }));
        }
        Deliver { instance, records, answered } if records > 0 => {
            simpler.push(Deliver { instance, records: records - 1, answered });
        }
        Fail { instance, records } if records > 0 => simpler.push(Fail { instance, records: records - 1 }),
        _ => {}
    }
    simpler
}

/// Smaller numbers, at least 1: rounder, or less.
fn less(number: u64) -> impl Iterator<Item = u64> {
    [1, number / 2, number / 100 * 100, number.saturating_sub(1)]
        .into_iter()
        .filter(move |less| *less > 0 && *less < number)
}
