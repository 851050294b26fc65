//! Rate limits: how many events a key, or without keys a source, may send in a second.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock as _, DefaultClock},
};
use tiermesh_domain::{fact::Parsed, hash};

use crate::{answer::Denial, appending::BadEvent, keys::Caller, metrics::Metrics};

/// Senders share this many meters by their hash: memory has a bound whatever sources are made up, and two of a mesh's
/// senders hardly ever meet.
const METERS: u128 = 1 << 16;

/// How many events a sender may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// In a second, in the long run.
    pub events_per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// Measures what comes.
pub(crate) struct RateLimits {
    limit: Option<(RateLimit, DefaultKeyedRateLimiter<u16>)>,
    clock: DefaultClock,
}

impl RateLimits {
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        let limit = limit.map(|limit| {
            let quota = Quota::per_second(limit.events_per_second).allow_burst(limit.burst);
            (limit, DefaultKeyedRateLimiter::keyed(quota))
        });
        Self { limit, clock: DefaultClock::default() }
    }

    /// Counts the events of a request that is taken as a whole or not at all.
    pub(crate) fn take(
        &self,
        caller: &Caller,
        events: &[Result<Parsed, Box<BadEvent>>],
        metrics: &Metrics,
    ) -> Result<(), Denial> {
        let Some((limit, meters)) = &self.limit else { return Ok(()) };
        let senders = senders(caller, events);
        for (sender, count) in &senders {
            if *count > limit.burst.get() {
                return Err(Denial::LargerThanBurst {
                    count: *count,
                    burst: limit.burst.get(),
                    sender: sender.to_string(),
                });
            }
        }
        for (sender, count) in senders {
            if let Err(wait) = self.count(meters, &sender, count) {
                metrics.rate_limited(sender.name());
                let (sender, per_second) = (sender.to_string(), limit.events_per_second.get());
                return Err(Denial::RateLimited { sender, per_second, wait });
            }
        }
        Ok(())
    }

    /// Counts events of a stream, which is slowed down: returns when they may go on.
    pub(crate) async fn pace(&self, caller: &Caller, events: &[Result<Parsed, Box<BadEvent>>]) {
        let Some((limit, meters)) = &self.limit else { return };
        for (sender, mut left) in senders(caller, events) {
            while left > 0 {
                let count = left.min(limit.burst.get());
                match self.count(meters, &sender, count) {
                    Ok(()) => left -= count,
                    Err(wait) => tokio::time::sleep(wait).await,
                }
            }
        }
    }

    /// Counts so many, which are no more than the burst, or says how long to wait before they can be.
    fn count(&self, meters: &DefaultKeyedRateLimiter<u16>, sender: &Sender, count: u32) -> Result<(), Duration> {
        let Some(count) = NonZeroU32::new(count) else { return Ok(()) };
        match meters.check_key_n(&meter(sender), count) {
            Ok(Err(until)) => Err(until.wait_time_from(self.clock.now())),
            _ => Ok(()),
        }
    }
}

/// Who is measured. A key is measured by its name: two keys of one name, as while one replaces the other, are one sender.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sender {
    Key(String),
    Source(String),
}

impl Sender {
    fn name(&self) -> &str {
        match self {
            Self::Key(name) | Self::Source(name) => name,
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(name) => write!(f, "the key `{name}`"),
            Self::Source(source) => write!(f, "the source {source:?}"),
        }
    }
}

/// Whose events they are, and how many.
fn senders(caller: &Caller, events: &[Result<Parsed, Box<BadEvent>>]) -> BTreeMap<Sender, u32> {
    let mut senders = BTreeMap::new();
    if events.is_empty() {
        return senders;
    }
    if let Caller::Holder(grant) = caller {
        senders.insert(Sender::Key(grant.name.clone()), u32::try_from(events.len()).unwrap_or(u32::MAX));
        return senders;
    }
    let mut sources: BTreeMap<&str, u32> = BTreeMap::new();
    for event in events {
        let source = match event {
            Ok(parsed) => &parsed.fact.source,
            Err(bad) => &bad.source,
        };
        *sources.entry(source).or_default() += 1;
    }
    senders.extend(sources.into_iter().map(|(source, count)| (Sender::Source(source.to_owned()), count)));
    senders
}

fn meter(sender: &Sender) -> u16 {
    // Below METERS, which are as many as there are.
    (hash::identity_of(&[&sender.to_string()]) % METERS) as u16
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tiermesh_domain::fact::Refusal;

    use super::*;
    use crate::{clock::Clock, events::Examiner};

    fn limits(burst: u32) -> RateLimits {
        let number = |number| NonZeroU32::new(number).unwrap();
        RateLimits::new(Some(RateLimit { events_per_second: number(1), burst: number(burst) }))
    }

    fn events(source: &str, count: usize) -> Vec<Result<Parsed, Box<BadEvent>>> {
        let examiner = Examiner::new(Clock::of(|| 0));
        let event = || {
            let mut bad = examiner.refuse(Bytes::new(), "", Refusal::new("", ""));
            source.clone_into(&mut bad.source);
            Err(bad)
        };
        std::iter::repeat_with(event).take(count).collect()
    }

    #[test]
    fn each_source_has_its_own() {
        // Filling up again would take 1,000 s: no test is as slow as that.
        let limits = limits(1_000);
        assert!(limits.take(&Caller::Anyone, &events("a", 1_000), &Metrics::new()).is_ok());
        assert!(limits.take(&Caller::Anyone, &events("b", 1_000), &Metrics::new()).is_ok());
        let denial = limits.take(&Caller::Anyone, &events("a", 1_000), &Metrics::new()).unwrap_err();
        assert!(matches!(&denial, Denial::RateLimited { wait, .. } if wait.as_secs() > 500), "{denial:?}");
        let denial = limits.take(&Caller::Anyone, &events("c", 1_001), &Metrics::new()).unwrap_err();
        assert!(matches!(denial, Denial::LargerThanBurst { count: 1_001, burst: 1_000, .. }));
        assert!(
            limits.take(&Caller::Anyone, &events("c", 1_000), &Metrics::new()).is_ok(),
            "what was too large took nothing"
        );
    }

    #[tokio::test]
    async fn without_a_limit_nothing_is_counted() {
        let limits = RateLimits::new(None);
        assert!(limits.take(&Caller::Anyone, &events("a", 100_000), &Metrics::new()).is_ok());
        limits.pace(&Caller::Anyone, &events("a", 100_000)).await;
    }
}
