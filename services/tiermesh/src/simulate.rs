//! `tiermesh simulate`: history under policies.

use std::{
    collections::BTreeMap,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use tiermesh_domain::{
    fact::parse_cloud_event,
    lines,
    policy::{self, Document},
    simulate::simulate,
    time::parse_instant,
};
use tiermesh_proto::v1::Fact;

use crate::{cli::CommandError, input::InputArgs, reading::not_an_instant, ready};

/// Runs history through policies, on the spot: no server, no Kafka.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  tiermesh simulate --policy abc --policy ./draft.toml --events a.ndjson --events b.csv --mapping retail --until 2011-12-10T00:00:00Z --out result"
)]
pub struct Args {
    /// A ready policy by its name, or a policy file; may be repeated. `loss-signals` is always on; name a file of that
    /// kind for other settings.
    #[arg(long, required = true, value_name = "NAME|FILE")]
    policy: Vec<String>,
    /// Events: NDJSON or CSV, plain or gzip; may be repeated. `-` reads standard input.
    #[arg(long, required = true, value_name = "FILE")]
    events: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// Where to end: nothing after it counts.
    #[arg(long, value_name = "INSTANT")]
    until: String,
    /// The directory for customers.ndjson, changes.ndjson and signals.ndjson; made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Prints what it came to as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it. Refused events are told on standard error and leave the rest as it is.
pub fn run(args: Args) -> Result<ExitCode, CommandError> {
    let until = parse_instant(&args.until).ok_or_else(|| not_an_instant("--until", &args.until))?;
    let documents = documents(&args.policy)?;
    let (facts, refused) = read(&args)?;
    let accepted = facts.len();
    let outcome = simulate(facts, &documents, until)?;
    std::fs::create_dir_all(&args.out).map_err(|error| format!("--out {}: {error}", args.out.display()))?;
    write(&args.out, "customers.ndjson", outcome.customers.iter().map(lines::customer))?;
    write(&args.out, "changes.ndjson", outcome.changes.iter().map(lines::change))?;
    write(&args.out, "signals.ndjson", outcome.signals.iter().filter_map(lines::signal))?;
    let mut tiers: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for standing in &outcome.customers {
        *tiers.entry((&standing.policy, &standing.tier)).or_default() += 1;
    }
    if args.json {
        let mut by_policy: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for ((policy, tier), count) in &tiers {
            by_policy.entry(policy).or_default().insert(tier, *count);
        }
        let summary = serde_json::json!({
            "events": accepted, "refused": refused, "conflicts": outcome.conflicts,
            "changes": outcome.changes.len(), "tiers": by_policy,
        });
        println!("{summary}");
    } else {
        println!("{accepted} events, {refused} refused, {} in conflict with an earlier one", outcome.conflicts);
        println!("{} tier changes; results in {}", outcome.changes.len(), args.out.display());
        for ((policy, tier), count) in tiers {
            println!("  {policy:<16} {tier:<12} {count:>8}");
        }
    }
    Ok(ExitCode::from(u8::from(refused > 0)))
}

/// The texts of all policies, and of the loss signals' settings.
fn documents(names: &[String]) -> Result<Vec<String>, CommandError> {
    let mut documents: Vec<String> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut detects = false;
    for name in names {
        let text = ready::text_of(name)?;
        let document = policy::parse(&text).map_err(|error| format!("{name}: {error}"))?;
        let policy = match document {
            Document::Tiers(policy) => policy.name,
            Document::Detectors(settings) => {
                detects = true;
                settings.name
            }
        };
        if seen.contains(&policy) {
            return Err(format!("--policy {name}: a policy named {policy:?} is given already").into());
        }
        seen.push(policy);
        documents.push(text);
    }
    if !detects {
        documents.push(ready::LOSS_SIGNALS.to_owned());
    }
    Ok(documents)
}

/// How many refused events are told one by one.
const TOLD: usize = 20;

fn read(args: &Args) -> Result<(Vec<Fact>, usize), CommandError> {
    let mut facts = Vec::new();
    let mut refused = 0;
    for event in crate::input::read_events(&args.events, &args.input)? {
        let event = event?;
        let parsed = event.json.and_then(|json| parse_cloud_event(&json).map_err(|refusal| refusal.to_string()));
        match parsed {
            Ok(parsed) => facts.push(parsed.fact),
            Err(reason) => {
                refused += 1;
                if refused <= TOLD {
                    eprintln!("{}: {reason}", event.place);
                }
            }
        }
    }
    if refused > TOLD {
        eprintln!("… and {} more refused events", refused - TOLD);
    }
    Ok((facts, refused))
}

fn write(dir: &Path, name: &str, lines: impl Iterator<Item = String>) -> Result<(), CommandError> {
    let path = dir.join(name);
    let context = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = BufWriter::new(std::fs::File::create(&path).map_err(context)?);
    for line in lines {
        file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(context)?;
    }
    file.flush().map_err(context)?;
    Ok(())
}
