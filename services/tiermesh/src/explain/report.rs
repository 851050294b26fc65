//! An explanation for people.

use std::{collections::VecDeque, fmt::Write};

use comfy_table::{Table, presets::NOTHING};
use tiermesh_domain::{
    exact::format_trimmed,
    explain::{ExplainedStanding, Explanation, OpenSignal},
    time::{Millis, format_instant},
};
use tiermesh_proto::v1::Fact;

use crate::tail::described;

/// The whole text.
pub(super) fn of(explanation: &Explanation, events: &VecDeque<Fact>) -> String {
    let mut text = format!("Customer {}, as of {}\n", explanation.customer, moment(explanation.as_of_ms));
    let card = &explanation.card;
    let card = [("owner", &card.owner), ("region", &card.region), ("language", &card.language)];
    let card: Vec<String> =
        card.into_iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}"))).collect();
    if !card.is_empty() {
        put(&mut text, format_args!("{}\n", card.join(", ")));
    }
    for standing in &explanation.standings {
        put(&mut text, format_args!("\n{}", standing_text(standing)));
    }
    put(&mut text, format_args!("\nOpen loss signals: "));
    match explanation.signals.is_empty() {
        true => put(&mut text, format_args!("none\n")),
        false => {
            explanation.signals.iter().for_each(|signal| put(&mut text, format_args!("\n  {}\n", signal_text(signal))))
        }
    }
    put(&mut text, format_args!("\nLast events\n{}\n", events_table(events).trim_fmt()));
    text
}

fn standing_text(standing: &ExplainedStanding) -> String {
    let ExplainedStanding { policy, programme, version, tier, .. } = standing;
    let score = standing.score_e4.map(|score| format!(", score {}", points(score))).unwrap_or_default();
    let mut text =
        format!("{policy} (version {version}, {programme}): {tier} since {}{score}\n", moment(standing.since_ms));
    if standing.reached != *tier {
        let when = match standing.review_at_ms {
            Some(at) => format!("at the review of {}", format_instant(at)),
            None => "at the next review".to_owned(),
        };
        put(&mut text, format_args!("  its values give {} now; it changes {when}\n", standing.reached));
    }
    if !standing.contributions.is_empty() {
        let mut table = plain();
        for part in &standing.contributions {
            let reached = if part.missing {
                "no data".to_owned()
            } else {
                // Where others are left out, a part may give more than its weight.
                format!("{}  (weight {})", points(part.points_e4), points(part.weight_e4))
            };
            table.add_row(["  ", &part.part, &reached]);
        }
        put(&mut text, format_args!("{}\n", table.trim_fmt()));
    }
    if !standing.metrics.is_empty() {
        let metrics: Vec<String> =
            standing.metrics.iter().map(|metric| format!("{} {}", metric.name, metric.value)).collect();
        put(&mut text, format_args!("  values: {}\n", metrics.join(", ")));
    }
    if let Some(cut_points) = &standing.cut_points {
        let tiers: Vec<String> = cut_points
            .tiers
            .iter()
            .map(|from| match &from.at_least {
                Some(value) => format!("{} from {value}", from.tier),
                None => format!("{} out of reach", from.tier),
            })
            .collect();
        put(&mut text, format_args!("  cut-points of {}: {}\n", moment(cut_points.as_of_ms), tiers.join(", ")));
    }
    if !standing.missing.is_empty() {
        let coverage = f64::from(standing.coverage_e4) / 100.0;
        put(&mut text, format_args!("  without data: {} (coverage {coverage} %)\n", standing.missing.join(", ")));
    }
    text
}

fn signal_text(signal: &OpenSignal) -> String {
    let window = signal.window_days.map(|days| format!(" in {days} days")).unwrap_or_default();
    let chance = signal.p.map(|p| format!("; chance of that: {:.1} %", p * 100.0)).unwrap_or_default();
    format!(
        "{} since {}: observed {}, expected {:.2}{window}{chance}",
        signal.detector,
        moment(signal.since_ms),
        signal.observed,
        signal.expected
    )
}

fn events_table(events: &VecDeque<Fact>) -> Table {
    let mut table = plain();
    for fact in events.iter().rev() {
        let (kind, data) = described(fact);
        let amount = match (data["amount"].as_str(), data["currency"].as_str()) {
            (Some(amount), Some(currency)) => format!("{amount} {currency}"),
            _ => String::new(),
        };
        let kind = kind.trim_start_matches("tiermesh.").to_owned();
        table.add_row([
            "  ".to_owned(),
            format_instant(fact.time_ms),
            kind,
            amount,
            format!("{} {}", fact.source, fact.id),
        ]);
    }
    table
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table
}

fn points(value_e4: i64) -> String {
    format_trimmed(value_e4.into(), 4)
}

fn moment(at: Option<Millis>) -> String {
    at.map_or_else(|| "before the first tick".to_owned(), format_instant)
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = text.write_fmt(what);
}
