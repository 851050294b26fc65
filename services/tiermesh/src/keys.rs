//! `tiermesh keys`: makes, lists and revokes API keys.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use comfy_table::{Table, presets::NOTHING};
use serde_json::json;
use tiermesh_domain::time::format_instant;
use tiermesh_ingest::{NewKey, Scope};
use tiermesh_service_host::StoreArgs;
use tiermesh_store::{SaveStore, StoredApiKey};

use crate::{cli::CommandError, connect::DEFAULT_DATA};

/// Makes, lists and revokes API keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh keys create --name shop --sources 'shop/*,erp/retail'")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a key and prints it, this once: what is kept is a hash.
    #[command(
        after_help = "Examples:\n  tiermesh keys create --name shop --sources 'shop/*,erp/retail'\n  tiermesh keys create --name sales --scopes read\n  tiermesh keys create --name admin --scopes operate"
    )]
    Create {
        /// What to call it, such as the system that gets it. Keys of one name share a rate limit.
        #[arg(long)]
        name: String,
        /// Sources it may publish for, separated by commas; a star at the end stands for any ending.
        #[arg(long, value_delimiter = ',', value_name = "SOURCES")]
        sources: Vec<String>,
        /// What it is for: publishing events, reading (the page and API of `tiermesh up`), operating the mesh (policies,
        /// history, dead letters, deliveries; reading too). Several are separated by commas.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "events")]
        scopes: Vec<Scope>,
        #[command(flatten)]
        place: Place,
    },
    /// Lists all keys, without their secrets.
    #[command(after_help = "Example:\n  tiermesh keys list --json")]
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Makes keys void, within seconds and for good.
    #[command(after_help = "Example:\n  tiermesh keys revoke 4fT0aQ9xLm")]
    Revoke {
        /// As `keys list` shows them.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
}

/// Where keys are kept, and how results are printed.
#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    store: StoreArgs,
    /// The data directory of `tiermesh up`, which may be running; used unless --store is given.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Place {
    async fn open(&self) -> Result<SaveStore, CommandError> {
        let file = self.data.join("state.db");
        if self.store.store.is_none() && !file.exists() {
            let data = self.data.display();
            return Err(format!(
                "{data} holds no mesh; start one with `tiermesh up --data {data}`, name its directory with --data, or \
                 its database with --store"
            )
            .into());
        }
        Ok(self.store.open(&format!("sqlite://{}", file.display())).await?)
    }
}

/// Runs it: 0 if all is well, 1 otherwise.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    match args.command {
        Command::Create { name, sources, scopes, place } => {
            let key = NewKey::generate(&name, sources, &scopes)?;
            place.open().await?.create_api_key(&key.stored).await?;
            if place.json {
                let stored = &key.stored;
                let (id, sources, scopes) = (&stored.id, &stored.sources, &stored.scopes);
                println!("{}", json!({"id": id, "key": key.text, "name": name, "sources": sources, "scopes": scopes}));
            } else {
                println!("{}", key.text);
                eprintln!("Keep it now: it can't be shown again. Send it as `Authorization: Bearer tmk_…`.");
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::List { place } => {
            let keys = place.open().await?.api_keys().await?;
            if place.json {
                println!("{}", serde_json::Value::from_iter(keys.iter().map(as_json)));
            } else {
                println!("{}", as_table(&keys));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { ids, place } => {
            let store = place.open().await?;
            let mut code = ExitCode::SUCCESS;
            for id in ids {
                let revoked = store.revoke_api_key(&id).await?;
                if place.json {
                    println!("{}", json!({"id": id, "revoked": revoked}));
                } else if revoked {
                    println!("{id} is revoked");
                }
                if !revoked {
                    eprintln!("tiermesh: there is no key {id:?}; `tiermesh keys list` shows those there are");
                    code = ExitCode::from(1);
                }
            }
            Ok(code)
        }
    }
}

fn as_json(stored: &StoredApiKey) -> serde_json::Value {
    let key = &stored.key;
    json!({
        "id": key.id, "name": key.name, "sources": key.sources, "scopes": key.scopes,
        "created": format_instant(stored.created_at_ms),
        "last_used": stored.last_used_at_ms.map(format_instant),
        "revoked": stored.revoked_at_ms.map(format_instant),
    })
}

fn as_table(keys: &[StoredApiKey]) -> String {
    if keys.is_empty() {
        return "no keys; `tiermesh keys create` makes one".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["id", "name", "sources", "scopes", "created", "last used", "revoked"]);
    let or_dash = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), format_instant);
    for stored in keys {
        let key = &stored.key;
        table.add_row([
            &key.id,
            &key.name,
            &key.sources.join(", "),
            &key.scopes.join(", "),
            &format_instant(stored.created_at_ms),
            &or_dash(stored.last_used_at_ms),
            &or_dash(stored.revoked_at_ms),
        ]);
    }
    table.to_string()
}
