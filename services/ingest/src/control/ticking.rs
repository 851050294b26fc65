//! When the holder of `control` writes a tick: at multiples of the interval, unless a clock may be wrong.

use std::{sync::Arc, time::Duration};

use tiermesh_domain::time::{Millis, format_instant};
use tiermesh_event_log::{EventLog, LogError, topics::CUSTOMER_EVENTS};
use tiermesh_proto::v1::customer_event::Event;
use tiermesh_service_host::Trouble;
use tiermesh_store::StoreError;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::tenure::Context;

/// How far the clocks may differ.
const CLOCK_DIFFERENCE_MS: u64 = 60_000;
/// How far time may step without an event.
const LEAP_MS: i64 = 3_600_000;
/// How many records at the end of a partition are looked at for the time of the last event.
const TAIL: u64 = 64;
/// How long a partition's tail may take to read.
const TAIL_LIMIT: Duration = Duration::from_secs(5);
/// A tick that is refused is reported at once, then at this interval.
const REPORT_INTERVAL: Duration = Duration::from_secs(600);

/// Why a tick was not written.
#[derive(Debug, thiserror::Error)]
enum NoTick {
    #[error(
        "this machine's clock says {here}, the database's {there}: they differ by more than 60 s; set them right (NTP) \
         before time goes on"
    )]
    ClocksDiffer { here: String, there: String },
    #[error(
        "time would step from {from} to {to} with no event between, and empty every window: if that is right, restart \
         ingest with --allow-time-leap; otherwise set the clock, or send what has happened since"
    )]
    Leap { from: String, to: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Decides on ticks.
pub(super) struct Ticking {
    context: Context,
    interval_ms: i64,
    /// When to look at the clock next.
    wake: Instant,
    checking: Option<JoinHandle<Result<Option<Millis>, NoTick>>>,
    reported: Option<Instant>,
    /// Held while no tick may be written.
    trouble: Option<Trouble>,
}

impl Ticking {
    pub(super) fn new(context: &Context) -> Self {
        let interval_ms = i64::try_from(context.settings.tick_interval.as_millis()).unwrap_or(i64::MAX).max(1);
        Self {
            context: context.clone(),
            interval_ms,
            wake: Instant::now(),
            checking: None,
            reported: None,
            trouble: None,
        }
    }

    /// Waits for the next tick that may be written. Cancel-safe: a check that is under way goes on at the next call.
    pub(super) async fn next(&mut self, last: Option<Millis>) -> Millis {
        loop {
            if let Some(checking) = &mut self.checking {
                let checked = checking.await;
                self.checking = None;
                match checked {
                    Ok(Ok(Some(tick))) => {
                        (self.reported, self.trouble) = (None, None);
                        return tick;
                    }
                    Ok(Ok(None)) => {}
                    Ok(Err(reason)) => self.report(&reason),
                    Err(broken) => tracing::error!("checking the time broke off: {broken}"),
                }
            }
            sleep_until(self.wake).await;
            let now = self.context.clock.now_ms();
            let past = now.rem_euclid(self.interval_ms);
            self.wake = Instant::now() + Duration::from_millis((self.interval_ms - past).unsigned_abs());
            let due = now - past;
            if last.is_none_or(|last| due > last) {
                // A task of its own: it holds a connection, for which a save may be waiting.
                self.checking = Some(tokio::spawn(check(self.context.clone(), due, last)));
            }
        }
    }

    fn report(&mut self, reason: &NoTick) {
        // The one before goes: the reason may be another.
        self.trouble = None;
        self.trouble = Some(self.context.health.trouble(format!("ingest: no tick is written: {reason}")));
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL) {
            tracing::error!("no tick is written: {reason}");
            self.reported = Some(Instant::now());
        }
    }
}

async fn check(context: Context, due: Millis, last: Option<Millis>) -> Result<Option<Millis>, NoTick> {
    let there = context.store.clock_ms().await?;
    let here = context.clock.now_ms();
    if here.abs_diff(there) > CLOCK_DIFFERENCE_MS {
        return Err(NoTick::ClocksDiffer { here: format_instant(here), there: format_instant(there) });
    }
    let near = |from: Millis| due <= from.saturating_add(LEAP_MS);
    if context.settings.allow_time_leap || last.is_some_and(near) {
        return Ok(Some(due));
    }
    match newest(&context.log, here).await?.max(last) {
        // Nothing has happened yet: time means nothing to anyone, and history may still come.
        None => Ok(None),
        // The first tick leaps from nowhere: windows held all there was, and now begin to mean something.
        Some(_) if last.is_none() => Ok(Some(due)),
        Some(from) if near(from) => Ok(Some(due)),
        Some(from) => Err(NoTick::Leap { from: format_instant(from), to: format_instant(due) }),
    }
}

/// The latest time among the last records of the partitions, not after `now`.
async fn newest(log: &Arc<dyn EventLog>, now: Millis) -> Result<Option<Millis>, LogError> {
    let mut newest = None;
    for partition in 0..log.partitions(CUSTOMER_EVENTS.name).await? {
        let extent = log.extent(CUSTOMER_EVENTS.name, partition).await?;
        let from = extent.end.saturating_sub(TAIL).max(extent.start).max(1);
        if from >= extent.end {
            continue;
        }
        let mut reader = log.read(CUSTOMER_EVENTS.name, partition, from).await?;
        let mut next = from;
        while next < extent.end {
            let late = || LogError::Unavailable("the end of `customer.events` could not be read in time".to_owned());
            for record in timeout(TAIL_LIMIT, reader.next(TAIL as usize)).await.map_err(|_| late())?? {
                next = record.offset + 1;
                let time = match CUSTOMER_EVENTS.decode(&record)?.event {
                    Some(Event::Fact(fact)) => Some(fact.time_ms.min(now)),
                    Some(Event::Tick(tick)) => Some(tick.time_ms.min(now)),
                    Some(Event::Control(_)) | None => None,
                };
                newest = newest.max(time);
            }
        }
    }
    Ok(newest)
}
