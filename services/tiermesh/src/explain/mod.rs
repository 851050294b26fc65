//! `tiermesh explain`: why a customer stands where it stands, folded from its partition of the log.

mod report;

use std::{
    collections::{BTreeSet, VecDeque},
    process::ExitCode,
};

use serde_json::{Value, json};
use tiermesh_domain::{
    explain::{CustomerFold, Explanation},
    hash::partition_of,
    time::{Millis, format_instant, parse_instant},
};
use tiermesh_event_log::{EventLog, LogError, topics::CUSTOMER_EVENTS};
use tiermesh_proto::v1::{CustomerEvent, Fact, customer_event::Event};

use crate::{
    cli::CommandError,
    connect::SourceArgs,
    reading::{each_record, not_an_instant},
    tail::described,
};

/// Events shown.
const LAST_EVENTS: usize = 8;
/// Similar customers named.
const SIMILAR: usize = 5;

/// Says why a customer stands where it stands: tiers, scores and their parts, cut-points, what waits, open signals.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tiermesh explain 17850\n  tiermesh explain 17850 --at 2026-06-30T00:00:00Z --json"
)]
pub struct Args {
    /// The customer's id.
    customer: String,
    /// As it was then: what happened or was taken in later is left out, up to the last tick before.
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// What the log says of a customer.
struct Found {
    explanation: Explanation,
    events: VecDeque<Fact>,
    /// Events of the customer that were left out, as they came later.
    later: usize,
}

/// Runs it: 1 if the log knows no such customer.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let at = args.at.as_deref().map(instant).transpose()?;
    let log = args.source.open().await?;
    let found = find(&*log, &args.customer, at).await?;
    if found.events.is_empty() {
        return Err(unknown(&*log, &args.customer, found.later).await?.into());
    }
    if args.json {
        let mut shown = serde_json::to_value(&found.explanation)?;
        if let Some(object) = shown.as_object_mut() {
            object.insert("events".to_owned(), found.events.iter().map(event).collect());
        }
        println!("{shown}");
    } else {
        print!("{}", report::of(&found.explanation, &found.events));
    }
    Ok(ExitCode::SUCCESS)
}

fn instant(text: &str) -> Result<Millis, CommandError> {
    parse_instant(text).ok_or_else(|| not_an_instant("--at", text).into())
}

async fn find(log: &dyn EventLog, customer: &str, at: Option<Millis>) -> Result<Found, LogError> {
    let partitions = log.partitions(CUSTOMER_EVENTS.name).await?;
    let mut fold = CustomerFold::new(partitions, customer);
    let (mut events, mut later, mut over) = (VecDeque::new(), 0, false);
    let mut names = BTreeSet::new();
    each_record(log, CUSTOMER_EVENTS.name, partition_of(customer, partitions), |record| {
        let record_event = CUSTOMER_EVENTS.decode(&record)?;
        over |= is_tick_after(&record_event, at);
        let fact = match &record_event.event {
            Some(Event::Fact(fact)) if fact.subject == customer => Some(fact),
            _ => None,
        };
        if over || fact.is_some_and(|fact| at.is_some_and(|at| fact.time_ms > at)) {
            later += usize::from(fact.is_some());
            return Ok(());
        }
        // What has the name of an earlier one is a duplicate or a conflict, and doesn't count.
        if let Some(fact) = fact.filter(|fact| names.insert((fact.source.clone(), fact.id.clone()))) {
            if events.len() == LAST_EVENTS {
                events.pop_front();
            }
            events.push_back(fact.clone());
        }
        fold.take(&record_event).map_err(|error| LogError::Corrupt(format!("offset {}: {error}", record.offset)))
    })
    .await?;
    Ok(Found { explanation: fold.explanation(), events, later })
}

fn is_tick_after(event: &CustomerEvent, at: Option<Millis>) -> bool {
    matches!((&event.event, at), (Some(Event::Tick(tick)), Some(at)) if tick.time_ms > at)
}

fn event(fact: &Fact) -> Value {
    let (kind, data) = described(fact);
    json!({"id": fact.id, "source": fact.source, "type": kind, "time": format_instant(fact.time_ms), "data": data})
}

/// What to say of a customer that isn't there.
async fn unknown(log: &dyn EventLog, customer: &str, later: usize) -> Result<String, CommandError> {
    if later > 0 {
        return Ok(format!(
            "{customer:?} had no event yet then, and {later} since; leave out --at, or name a later instant"
        ));
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    for partition in 0..log.partitions(CUSTOMER_EVENTS.name).await? {
        each_record(log, CUSTOMER_EVENTS.name, partition, |record| {
            if let Some(Event::Fact(fact)) = CUSTOMER_EVENTS.decode(&record)?.event {
                known.insert(fact.subject);
            }
            Ok(())
        })
        .await?;
    }
    let similar = similar(customer, &known);
    Ok(match (similar.is_empty(), known.is_empty()) {
        (false, _) => format!("no event of customer {customer:?} is in the log; similar: {}", similar.join(", ")),
        (true, true) => "no customer has an event in this log yet; send some: tiermesh send FILE.ndjson".to_owned(),
        (true, false) => format!(
            "no event of customer {customer:?} is in the log, nor of one named alike; known are {}: tiermesh export \
             customers lists them, and tiermesh dead-letters list what was refused",
            known.len()
        ),
    })
}

/// Customers named alike, the most alike first.
fn similar(customer: &str, known: &BTreeSet<String>) -> Vec<String> {
    let wanted = customer.to_lowercase();
    let distance = |name: &String| {
        let name = name.to_lowercase();
        match (wanted.is_empty(), name.starts_with(&wanted), name.contains(&wanted) || wanted.contains(&name)) {
            (false, true, _) => 0,
            (false, false, true) => 1,
            _ => strsim::damerau_levenshtein(&name, &wanted),
        }
    };
    let mut alike: Vec<(usize, &String)> = known.iter().map(|name| (distance(name), name)).collect();
    alike.retain(|(distance, name)| *distance <= 2 && *distance < name.len().max(2));
    alike.sort();
    alike.into_iter().take(SIMILAR).map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_found() {
        let known: BTreeSet<String> = ["17850", "17851", "shop-berlin", "ACME"].map(str::to_owned).into();
        assert_eq!(similar("17580", &known)[0], "17850");
        assert_eq!(similar("acme", &known), ["ACME"]);
        assert_eq!(similar("berlin", &known), ["shop-berlin"]);
        assert!(similar("nobody", &known).is_empty());
    }
}
