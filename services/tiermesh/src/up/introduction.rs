//! What to know about a mesh that is up, the page to open first.

use std::path::Path;

use comfy_table::{Table, presets::NOTHING};
use serde_json::json;

/// Where a mesh that runs is found.
pub struct Introduction<'a> {
    /// Where it listens.
    pub url: String,
    /// Where its data is.
    pub data: &'a Path,
    /// Whether only who shows a key gets in.
    pub asks_for_keys: bool,
    /// The page of the demo's webhook receiver.
    pub webhooks: Option<String>,
}

impl Introduction<'_> {
    /// Prints it, for people or as one line of JSON.
    pub fn print(&self, as_json: bool) {
        let (url, data) = (&self.url, self.data.display().to_string());
        if as_json {
            println!(
                "{}",
                json!({
                    "page": url, "events": format!("{url}/v1/events"), "ready": format!("{url}/readyz"), "data": data,
                    "webhooks": self.webhooks,
                })
            );
            return;
        }
        let page = match self.asks_for_keys {
            true => "open it in a browser; the password is a key by `tiermesh keys create --scopes read`",
            false => "open it in a browser",
        };
        let mut rows = vec![
            ("page", url.clone(), page),
            ("events", format!("{url}/v1/events"), "POST CloudEvents: one, a batch, or NDJSON"),
            ("policies", format!("{url}/v1/policies"), "what is in force; POST a policy file"),
            ("health", format!("{url}/readyz"), "200 once everything is ready"),
            ("data", data.clone(), "log and state"),
        ];
        if let Some(webhooks) = &self.webhooks {
            rows.insert(1, ("webhooks", webhooks.clone(), "what a receiver of yours would get"));
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        for (what, place, about) in &rows {
            table.add_row([what, place.as_str(), about]);
        }
        println!("Tiermesh is up: {url}\n{table}\n");
        let to = if url.ends_with(":7171") { String::new() } else { format!(" --to {url}") };
        if self.asks_for_keys {
            println!("Who sends must show an API key, as others can reach this address:");
            println!("      export TIERMESH_KEY=$(tiermesh keys create --name me --sources '*' --data {data})\n");
        }
        println!("Next: tiermesh send FILE.ndjson{to}");
        println!("      tiermesh tail --data {data}");
        println!("      tiermesh export customers --data {data}\n");
    }
}
