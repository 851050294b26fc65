//! How soon database and log answer: what is slow, and still there, nothing else tells.

use std::time::Duration;

use tiermesh_event_log::{EventLog, topics::CUSTOMER_EVENTS};
use tiermesh_store::SaveStore;
use tokio::time::Instant;

use super::Finding;

/// How often each is asked. The quickest answer counts: a machine that is busy makes single ones late.
const ASKED: usize = 3;
/// A save takes some five answers, one after the other; an event is accepted after one or two.
const SLOW: Duration = Duration::from_millis(100);

/// How soon the database answers.
pub(super) async fn of_store(store: &SaveStore) -> Finding {
    match quickest(async || store.ping().await).await {
        Ok(took) => {
            finding("store", took, "saves and deliveries are as slow; look at the network, and what else it does")
                .unwrap_or_else(|| Finding::well("store", "answers"))
        }
        Err(error) => Finding::wrong("store", error.to_string(), "check --store, and that the database runs"),
    }
}

/// What there is to say of how soon the log answers. That it doesn't is told by whatever else asks it.
pub(super) async fn of_log(log: &dyn EventLog) -> Option<Finding> {
    let took = quickest(async || log.extent(CUSTOMER_EVENTS.name, 0).await.map(drop)).await.ok()?;
    let remedy = "events are accepted, and outputs told, as slowly; look at the network, and at the brokers";
    finding("log", took, remedy)
}

async fn quickest<E>(ask: impl AsyncFn() -> Result<(), E>) -> Result<Duration, E> {
    let mut quickest = Duration::MAX;
    for _ in 0..ASKED {
        let asked = Instant::now();
        ask().await?;
        quickest = quickest.min(asked.elapsed());
    }
    Ok(quickest)
}

fn finding(area: &'static str, took: Duration, remedy: &str) -> Option<Finding> {
    // A note: a machine that is busy is slow too, and nothing has to be wrong.
    (took > SLOW).then(|| Finding::note(area, format!("slow: an answer takes {} ms", took.as_millis()), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_told_and_nothing_else() {
        assert_eq!(finding("log", SLOW, ""), None);
        let slow = finding("log", SLOW * 2, "look").unwrap();
        assert_eq!((slow.what.as_str(), slow.remedy.as_str()), ("slow: an answer takes 200 ms", "look"));
    }
}
