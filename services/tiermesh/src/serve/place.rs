//! Where a service runs: which Kafka, which database, which address. What isn't there yet is waited for.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use tiermesh_event_log::{
    EventLog,
    kafka::{KafkaLog, KafkaSettings},
    topics::CUSTOMER_EVENTS,
};
use tiermesh_service_host::{KafkaArgs, ListenArgs, Shutdown, StoreArgs, TelemetryArgs};
use tiermesh_store::{SaveStore, StoreError};
use tokio::time::Instant;

use crate::{cli::CommandError, connect::kafka_settings};

/// How long a start waits for Kafka, its topics and the database: they may be starting too.
const PATIENCE: Duration = Duration::from_secs(60);
const LEAST_PAUSE: Duration = Duration::from_millis(500);
const MOST_PAUSE: Duration = Duration::from_secs(5);

/// What every service takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// What this process is called among those of its service. Started again under its name, it gets its partitions back at
    /// once, also after a kill; stopped for good, it holds them until Kafka's session time-out.
    #[arg(long, env = "TIERMESH_INSTANCE", value_name = "NAME")]
    instance: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
}

impl PlaceArgs {
    /// Where to listen.
    pub(super) fn address(&self, port: u16) -> SocketAddr {
        self.listen.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// How to reach Kafka.
    pub(super) fn kafka(&self) -> Result<KafkaSettings, CommandError> {
        let settings = kafka_settings(&self.kafka)?;
        Ok(KafkaSettings { instance: self.instance.clone().filter(|name| !name.is_empty()), ..settings })
    }

    /// Log and store, once both answer; nothing if the process was asked to stop before.
    pub(super) async fn reach(
        &self,
        shutdown: &Shutdown,
    ) -> Result<Option<(Arc<dyn EventLog>, SaveStore)>, CommandError> {
        let Some(url) = &self.store.store else {
            return Err(
                "--store (or TIERMESH_STORE) must name the database, as postgres://USER:PASSWORD@HOST/NAME".into()
            );
        };
        let log: Arc<dyn EventLog> = Arc::new(KafkaLog::new(self.kafka()?)?);
        let reaching = async {
            let remedy = "check --kafka, and that the brokers run";
            patiently("Kafka", remedy, || async { log.partitions(CUSTOMER_EVENTS.name).await.map_err(Trouble::log) })
                .await?;
            let remedy = "check --store, and that the database runs";
            patiently("the database", remedy, || async { SaveStore::open(url).await.map_err(Trouble::store) }).await
        };
        tokio::select! {
            store = reaching => Ok(Some((log, store?))),
            () = shutdown.stopped() => Ok(None),
        }
    }
}

/// Why a try failed, and whether another may do better.
struct Trouble {
    reason: String,
    passing: bool,
}

impl Trouble {
    fn log(error: tiermesh_event_log::LogError) -> Self {
        // Topics that are missing may be about to be made.
        Self { reason: error.to_string(), passing: true }
    }

    fn store(error: StoreError) -> Self {
        Self { passing: matches!(error, StoreError::Unavailable(_)), reason: error.to_string() }
    }
}

/// Tries until it works, or for so long that a person should look.
async fn patiently<T, F>(what: &str, remedy: &str, attempt: impl Fn() -> F) -> Result<T, CommandError>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let began = Instant::now();
    let pauses = ExponentialBuilder::new().with_min_delay(LEAST_PAUSE).with_max_delay(MOST_PAUSE).without_max_times();
    for pause in pauses.build() {
        let trouble = match attempt().await {
            Ok(reached) => return Ok(reached),
            Err(trouble) => trouble,
        };
        if !trouble.passing {
            return Err(trouble.reason.into());
        }
        if began.elapsed() >= PATIENCE {
            let waited = began.elapsed().as_secs();
            return Err(format!("{what} is not there after {waited} s: {}; {remedy}", trouble.reason).into());
        }
        tracing::warn!("waiting for {what}: {}", trouble.reason);
        tokio::time::sleep(pause).await;
    }
    Err(format!("{what} is not there; {remedy}").into())
}
