//! A crash: scoring is killed under load and started again; how long until it says something new, and right.
//!
//! What is waited for is the first tier of customers who order for the first time after the crash, one in each
//! partition: it can't have been said before, and which tier it is is known.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use tiermesh_domain::{hash::partition_of, time::DAY_MS};
use tiermesh_event_log::{
    EventLog,
    topics::{CUSTOMER_EVENTS, TIER_CHANGES},
};
use tiermesh_ingest::fact_record;
use tiermesh_proto::v1::{Fact, TierChange};

use crate::{
    Failure,
    cluster::consumer,
    orders::{START, customer_id, order},
    population::{PARTITIONS, Population},
    results::{Round, round},
    service::{LOOK_EVERY, Service},
};

/// Orders a second before, during and after the crash.
const LOAD: u64 = 2_000;
/// How often some of them are sent.
const EVERY: Duration = Duration::from_millis(20);
/// How long the load goes on before the crash: some saves lie in it.
const BEFORE: Duration = Duration::from_secs(5);
/// Longer than this it isn't recovering.
const RECOVERED_WITHIN: Duration = Duration::from_secs(120);
/// Numbers of orders that no history reaches.
const FIRST_NUMBER: u64 = 500_000_000;

/// Kills scoring under load, starts it again, and gives the new one, and what was measured.
///
/// # Errors
/// If it doesn't come back, or says something wrong.
pub fn crash(population: &Population, service: Service, number: u32) -> Result<(Service, Round), Failure> {
    let load = Load::start(population, number)?;
    thread::sleep(BEFORE);
    let ends = population.cluster.ends(TIER_CHANGES.name)?;
    let began = Instant::now();
    service.process.kill()?;
    let mut service = population.launch()?;
    let mut waited = newcomers(population, number)?;
    let log = population.cluster.log()?;
    population.cluster.wait(append(&log, waited.values().cloned().collect()))?;
    let changes: BaseConsumer = consumer(population.cluster.brokers(), "bench-crash").create()?;
    let mut places = TopicPartitionList::new();
    for (partition, end) in (0..).zip(ends) {
        places.add_partition_offset(TIER_CHANGES.name, partition, Offset::Offset(end as i64))?;
    }
    changes.assign(&places)?;
    let (mut first, mut ready) = (None, None);
    while !waited.is_empty() {
        if ready.is_none() && service.is_ready() {
            ready = Some(began.elapsed());
        }
        service.process.check()?;
        if began.elapsed() > RECOVERED_WITHIN {
            let told = service.process.told();
            return Err(format!("no new output after {RECOVERED_WITHIN:?}; scoring's log ends:\n{told}").into());
        }
        let Some(message) = changes.poll(LOOK_EVERY) else { continue };
        let message = message?;
        let change: TierChange = prost::Message::decode(message.payload().unwrap_or_default())?;
        if change.policy == "scorecard" && is_right(&mut waited, &change)? {
            first.get_or_insert(began.elapsed());
        }
    }
    let all = began.elapsed();
    while !service.is_ready() {
        thread::sleep(LOOK_EVERY);
    }
    let ready = ready.unwrap_or_else(|| began.elapsed());
    load.stop()?;
    let figures = [("first", first.unwrap_or(all)), ("all", all), ("ready", ready)];
    Ok((service, round(figures.map(|(key, time)| (key, time.as_secs_f64())))))
}

/// Takes out who got their first tier; false for anybody else.
fn is_right(waited: &mut BTreeMap<String, Fact>, change: &TierChange) -> Result<bool, Failure> {
    let Some(fact) = waited.remove(&change.customer) else { return Ok(false) };
    // One small order: nowhere near the next tier.
    if change.to == "E" && change.events == [fact.id.as_str()] {
        return Ok(true);
    }
    Err(format!(
        "{}: tier {:?} because of {:?}, instead of E because of {}",
        change.customer, change.to, change.events, fact.id
    )
    .into())
}

/// A first order for each partition, by customer.
fn newcomers(population: &Population, number: u32) -> Result<BTreeMap<String, Fact>, Failure> {
    let time = later(population);
    let newcomer = |partition: u32| {
        let mut names = (0..).map(|at| format!("newcomer-{number}-{at}"));
        let name =
            names.find(|name| partition_of(name, PARTITIONS) == partition).ok_or("there are names without end")?;
        let id = FIRST_NUMBER * 2 + u64::from(number * PARTITIONS + partition);
        Ok((name.clone(), order(&name, id, time, 1_000)))
    };
    (0..PARTITIONS).map(newcomer).collect()
}

/// After all that the history holds.
fn later(population: &Population) -> i64 {
    START + (i64::from(population.plan.days) + 1) * DAY_MS
}

async fn append(log: &Arc<dyn EventLog>, facts: Vec<Fact>) -> Result<(), Failure> {
    let producer = log.producer("bench-crash").await?;
    for fact in facts {
        let partition = partition_of(&fact.subject, PARTITIONS);
        producer.send(CUSTOMER_EVENTS.name, partition, vec![fact_record(fact)]).await?.await?;
    }
    Ok(())
}

/// Orders of customers who are known, at a steady pace, until it is stopped.
struct Load {
    stop: Arc<AtomicBool>,
    sending: thread::JoinHandle<Result<(), Failure>>,
}

impl Load {
    fn start(population: &Population, number: u32) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let (log, time, customers) =
            (population.cluster.log()?, later(population), u64::from(population.plan.customers));
        let stopped = Arc::clone(&stop);
        let sending = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let producer = log.producer("bench-load").await?;
                let mut pace = tokio::time::interval(EVERY);
                let of_round = LOAD * EVERY.as_millis() as u64 / 1000;
                for at in (0..).step_by(of_round as usize) {
                    pace.tick().await;
                    if stopped.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    let mut records = vec![Vec::new(); PARTITIONS as usize];
                    for at in at..at + of_round {
                        // A step without a common factor with any round number of customers: everybody's turn comes.
                        let customer = customer_id((at * 7_919 % customers) as u32);
                        let id = FIRST_NUMBER + u64::from(number) * 10_000_000 + at;
                        let fact = order(&customer, id, time, 100_000);
                        records[partition_of(&customer, PARTITIONS) as usize].push(fact_record(fact));
                    }
                    for (partition, records) in (0..).zip(records) {
                        // Whether it arrived shows in what scoring says; nobody waits for it here.
                        drop(producer.send(CUSTOMER_EVENTS.name, partition, records).await?);
                    }
                }
                Ok(())
            })
        });
        Ok(Self { stop, sending })
    }

    fn stop(self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.sending.join().map_err(|_| "whoever sent the load panicked")?
    }
}
