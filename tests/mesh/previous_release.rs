//! Stands for a release before this one: `serve scoring` and `serve churn-warning` that know the first logic only. What
//! `logic.rs` rolls from.
//!
//! It takes the arguments of `tiermesh serve`, and is told apart by what it doesn't know.
#![allow(missing_docs, reason = "a program")]

use std::{error::Error, sync::Arc};

use clap::{Parser, Subcommand};
use serde_json::json;
use tiermesh_churn_warning::ChurnWarningProcessor;
use tiermesh_domain::{scoring::Scoring, signals::ChurnWarning};
use tiermesh_event_log::{
    EventLog,
    kafka::{KafkaLog, KafkaSettings},
    topics::CUSTOMER_EVENTS,
};
use tiermesh_processing::{Processor, ServiceContext, run_service};
use tiermesh_scoring::{CutPointsProcessor, ScoringProcessor};
use tiermesh_service_host::{Health, KafkaArgs, ListenArgs, LogArgs, Shutdown, StoreArgs, bind, serve};
use tiermesh_store::SaveStore;

/// All it knows.
const KNOWN: &[u32] = &[1];

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    logs: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve {
        service: String,
        #[command(flatten)]
        kafka: KafkaArgs,
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        listen: ListenArgs,
    },
}

/// A processor as the release before had it.
#[derive(Debug, Clone)]
struct Previous<P, A> {
    processor: P,
    as_before: A,
}

impl<P, A> Processor for Previous<P, A>
where
    P: Processor,
    A: Fn(P::Fold) -> P::Fold + Clone + Send + Sync + 'static,
{
    type Fold = P::Fold;

    fn service(&self) -> &'static str {
        self.processor.service()
    }

    fn input(&self) -> &'static str {
        self.processor.input()
    }

    fn outputs(&self, partition: u32) -> Vec<(&'static str, u32)> {
        self.processor.outputs(partition)
    }

    fn fold(&self) -> P::Fold {
        (self.as_before)(self.processor.fold())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Cli { logs, command: Command::Serve { service, kafka, store, listen } } = Cli::parse();
    logs.start("info");
    tiermesh_service_host::install_tls();
    let shutdown = Shutdown::on_signals()?;
    let mut settings = KafkaSettings::new(kafka.kafka.as_deref().ok_or("--kafka is missing")?);
    settings.extra = kafka.properties()?;
    let log: Arc<dyn EventLog> = Arc::new(KafkaLog::new(settings)?);
    let store = SaveStore::open(store.store.as_deref().ok_or("--store is missing")?).await?;
    let health = Health::default();
    health.tell("logic", json!(KNOWN));
    let listener = bind(listen.listen.ok_or("--listen is missing")?).await?;
    let answering = serve(listener, health.router(), &shutdown);
    let partitions = log.partitions(CUSTOMER_EVENTS.name).await?;
    let context = ServiceContext { log, store, stop: shutdown.soft(), health: health.clone() };
    let serving = async {
        let outcome = match service.as_str() {
            "scoring" => {
                let processor = ScoringProcessor { partitions };
                let scoring = Previous { processor, as_before: |fold: Scoring| fold.knowing(KNOWN) };
                let scoring = run_service(scoring, context.clone());
                tokio::try_join!(scoring, run_service(CutPointsProcessor, context)).map(|_| ())
            }
            _ => {
                let processor = ChurnWarningProcessor { partitions };
                let as_before = |fold: ChurnWarning| fold.knowing(KNOWN);
                run_service(Previous { processor, as_before }, context).await
            }
        };
        shutdown.stop();
        outcome
    };
    let (outcome, answered) = tokio::join!(serving, answering);
    Ok(outcome.map(|()| answered)??)
}
