//! Which log a tool reads: Kafka's if brokers are named, else the embedded one of a data directory.

use std::{path::PathBuf, sync::Arc};

use tiermesh_event_log::{EventLog, embedded::EmbeddedLog};
use tiermesh_service_host::KafkaArgs;

use crate::cli::CommandError;

/// Where `tiermesh up` keeps its data unless said otherwise.
pub const DEFAULT_DATA: &str = "tiermesh-data";

/// Which log to use.
#[derive(Debug, Clone, clap::Args)]
pub struct SourceArgs {
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// The data directory of `tiermesh up`; it may be running.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
}

impl SourceArgs {
    /// Opens the log for reading.
    pub async fn open(&self) -> Result<Arc<dyn EventLog>, CommandError> {
        if self.kafka.kafka.is_some() {
            return kafka(&self.kafka, None);
        }
        let log = EmbeddedLog::open_read_only(log_dir(&self.data)).await;
        let log =
            log.map_err(|error| format!("{error}; name the directory with --data, or Kafka's brokers with --kafka"))?;
        Ok(Arc::new(log))
    }
}

/// The log's directory in a data directory.
pub fn log_dir(data: &std::path::Path) -> PathBuf {
    data.join("log")
}

/// Where the console of `tiermesh up` keeps its read model.
pub fn read_model_file(data: &std::path::Path) -> PathBuf {
    data.join("read-model.db")
}

/// Durability of topics that are created.
#[derive(Debug, Clone, Copy)]
pub struct Replication {
    /// Copies of each partition.
    pub factor: i32,
    /// Copies that must have a record before it counts as written.
    pub min_in_sync: u32,
}

/// Connects to Kafka.
#[cfg(feature = "kafka")]
pub fn kafka(args: &KafkaArgs, replication: Option<Replication>) -> Result<Arc<dyn EventLog>, CommandError> {
    let mut settings = kafka_settings(args)?;
    if let Some(replication) = replication {
        settings.replication_factor = replication.factor;
        settings.min_insync_replicas = replication.min_in_sync;
    }
    Ok(Arc::new(tiermesh_event_log::kafka::KafkaLog::new(settings)?))
}

/// How to reach Kafka.
#[cfg(feature = "kafka")]
pub fn kafka_settings(args: &KafkaArgs) -> Result<tiermesh_event_log::kafka::KafkaSettings, CommandError> {
    let Some(brokers) = &args.kafka else {
        return Err("--kafka (or TIERMESH_KAFKA) must name Kafka's brokers, as host:port".into());
    };
    let mut settings = tiermesh_event_log::kafka::KafkaSettings::new(brokers);
    settings.extra = args.properties()?;
    Ok(settings)
}

/// Connects to Kafka.
#[cfg(not(feature = "kafka"))]
pub fn kafka(_: &KafkaArgs, _: Option<Replication>) -> Result<Arc<dyn EventLog>, CommandError> {
    Err("this build has no Kafka client: build with the feature `kafka`".into())
}
