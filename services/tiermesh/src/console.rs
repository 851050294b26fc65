//! `tiermesh console`: looks after the console's read model.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use serde_json::json;
use tiermesh_service_host::StoreArgs;
use tiermesh_store::read_model::ReadModel;

use crate::{
    cli::CommandError,
    connect::{DEFAULT_DATA, read_model_file},
};

/// Looks after the console's read model.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh console rebuild")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drops the read model: a console that runs builds it again at once, another when it starts.
    #[command(
        after_help = "Examples:\n  tiermesh console rebuild --data tiermesh-data\n  tiermesh console rebuild --store postgres://tiermesh:secret@localhost/tiermesh"
    )]
    Rebuild {
        #[command(flatten)]
        store: StoreArgs,
        /// The data directory of `tiermesh up`, which may be running; used unless --store is given.
        #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
        data: PathBuf,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs it.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let Command::Rebuild { store, data, json } = args.command;
    let file = read_model_file(&data);
    if store.store.is_none() && !file.exists() {
        let data = data.display();
        return Err(format!(
            "{data} holds no read model; name the directory of the mesh with --data, or the console's database with --store"
        )
        .into());
    }
    let store = store.open(&format!("sqlite://{}", file.display())).await?;
    let model = ReadModel::new(store.clone());
    model.rebuild().await?;
    let generation = model.standing().await?.generation;
    model.close().await;
    store.close().await;
    match json {
        true => println!("{}", json!({"generation": generation})),
        false => println!("the read model is dropped: a console that runs builds it again now, another when it starts"),
    }
    Ok(ExitCode::SUCCESS)
}
