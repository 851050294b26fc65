//! From records to deliveries that are owed, in one transaction with the place in the topic.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tiermesh_domain::{hash::identity_of, time::Millis};
use tiermesh_event_log::{
    Record,
    topics::{CHURN_SIGNALS, CONTROL, TIER_CHANGES},
};
use tiermesh_processing::{Batch, ConsumeError, Consumer, Place, RunError};
use tiermesh_service_host::{Health, Latch, Trouble, telemetry::TRACEPARENT};
use tiermesh_store::{NewDelivery, Notices, SaveStore, Step, StoreError};
use tokio::sync::watch;

use crate::{
    message,
    news::News,
    routes::{Route, Routes},
};

/// The name of its groups and places.
const NAME: &str = "notification";
/// The topics that notification reads.
pub const TOPICS: [&str; 3] = [TIER_CHANGES.name, CHURN_SIGNALS.name, CONTROL.name];

/// Enters into the ledger what is owed.
pub(crate) struct Ledger {
    store: SaveStore,
    routes: Arc<Routes>,
    attempts: u32,
    /// Fires when something new is owed.
    owed: watch::Sender<()>,
    health: Health,
    /// Topics whose group isn't joined yet, or anew after a failure.
    joining: Mutex<BTreeMap<String, Latch>>,
}

impl Ledger {
    pub(crate) fn new(store: SaveStore, routes: Arc<Routes>, attempts: u32, health: Health) -> Self {
        let joining = TOPICS.map(|topic| (topic.to_owned(), health.latch(format!("notification: {topic}"))));
        Self { store, routes, attempts, owed: watch::Sender::new(()), health, joining: Mutex::new(joining.into()) }
    }

    fn joining(&self) -> MutexGuard<'_, BTreeMap<String, Latch>> {
        self.joining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fires when something new is owed.
    pub(crate) fn owed(&self) -> watch::Receiver<()> {
        self.owed.subscribe()
    }

    /// What is owed of them. `now`: by the database's clock.
    fn owed_of(&self, batch: &Batch, all: &[(&Record, News)], now: Millis) -> Vec<NewDelivery> {
        let mut owed = Vec::new();
        for (record, news) in all {
            let wanting = self.routes.all.iter().filter(|route| route.wants(news));
            owed.extend(wanting.map(|route| NewDelivery {
                expired: self.expired(news, route, now),
                ..self.delivery(batch, record, news, route)
            }));
        }
        owed
    }

    /// Why it is too old to be told, if it is. History is old by its nature: who asks for it gets it.
    fn expired(&self, news: &News, route: &Route, now: Millis) -> Option<String> {
        let age_ms = now.saturating_sub(news.at());
        let stale_after = self.routes.stale_after;
        let is_stale = u128::try_from(age_ms).is_ok_and(|age| age > stale_after.as_millis());
        (is_stale && !route.history).then(|| {
            let hours = stale_after.as_secs() / 3_600;
            format!("{} hours old when first seen; told up to {hours}", age_ms / 3_600_000)
        })
    }

    fn delivery(&self, batch: &Batch, record: &Record, news: &News, route: &Route) -> NewDelivery {
        let header = |name| record.header(name).unwrap_or_default();
        let (source, id) = (header("ce_source"), header("ce_id"));
        NewDelivery {
            // With the identity of the log: in another one the same numbers mean something else.
            id: format!("{:032x}", identity_of(&[&batch.after.log_id, batch.topic, source, id, &route.name])),
            route: route.name.clone(),
            channel: route.channel.name().to_owned(),
            target: route.target(),
            kind: news.kind().to_owned(),
            customer: news.customer().to_owned(),
            cause_source: source.to_owned(),
            cause_id: id.to_owned(),
            traceparent: record.header(TRACEPARENT).map(str::to_owned),
            body: message::body(news, &format!("{source}/{id}")),
            // A customer's deliveries stand in the customer's partition.
            partition: if news.customer().is_empty() { 0 } else { batch.partition },
            attempts: self.attempts,
            expired: None,
        }
    }
}

/// The news in a batch of records.
fn news_in(batch: &Batch) -> Result<Vec<(&Record, News)>, ConsumeError> {
    let mut all = Vec::new();
    for record in &batch.records {
        all.extend(News::of(batch.topic, record)?.map(|news| (record, news)));
    }
    Ok(all)
}

#[async_trait]
impl Consumer for Ledger {
    fn name(&self) -> &'static str {
        NAME
    }

    fn topics(&self) -> Vec<&'static str> {
        TOPICS.to_vec()
    }

    async fn place(&self, topic: &str, partition: u32) -> Result<Option<Place>, StoreError> {
        self.store.place(NAME, topic, partition).await
    }

    async fn take(&self, batch: Batch) -> Result<(), ConsumeError> {
        let all = news_in(&batch)?;
        let mut notices = Notices::default();
        if !all.is_empty() {
            notices.deliveries = self.owed_of(&batch, &all, self.store.clock_ms().await?);
        }
        notices.sources = all
            .iter()
            .filter_map(|(_, news)| match news {
                News::Quiet(quiet) => Some((quiet.source.clone(), Some(quiet.last_seen_ms))),
                News::Back(back) => Some((back.source.clone(), None)),
                News::Change(_) | News::Signal(_) => None,
            })
            .collect();
        let step = Step {
            consumer: NAME,
            topic: batch.topic,
            partition: batch.partition,
            before: batch.before.as_ref(),
            after: &batch.after,
        };
        self.store.owe(step, &notices).await?;
        if !notices.deliveries.is_empty() {
            self.owed.send_replace(());
        }
        Ok(())
    }

    fn joined(&self, topic: &str) {
        self.joining().remove(topic);
    }

    fn failed(&self, topic: &str, error: &RunError) {
        let latch = self.health.latch(format!("notification: {topic}: starting anew after a failure ({error})"));
        self.joining().insert(topic.to_owned(), latch);
    }

    fn stopped(&self, topic: &str, partition: u32, error: &RunError) -> Option<Trouble> {
        Some(self.health.trouble(format!("notification: partition {partition} of `{topic}` stopped: {error}")))
    }
}
