//! The message: news as it is sent.

use serde_json::{Map, Value, json};
use tiermesh_domain::{lines, time::format_instant};
use tiermesh_proto::v1::{CustomerCard, StandingTier};

use crate::{
    news::{Direction, News},
    sentence::Sentence,
};

/// The body of a message. `id`: what is told.
pub(crate) fn body(news: &News, id: &str) -> String {
    let mut data = match news {
        News::Change(change) => {
            let mut data = object(&lines::change(change));
            data.insert("direction".to_owned(), Direction::of(change).name().into());
            data.insert("card".to_owned(), card(change.card.as_ref()));
            data.insert("history".to_owned(), change.history.into());
            data
        }
        News::Signal(signal) => {
            let mut data = object(&lines::signal(signal).unwrap_or_default());
            data.insert("raised_at".to_owned(), format_instant(signal.raised_at_ms).into());
            data.insert("tiers".to_owned(), signal.tiers.iter().map(standing).collect());
            data.insert("events".to_owned(), signal.events.clone().into());
            // Up to logic 1 nobody counted them.
            data.insert("event_count".to_owned(), signal.event_count.max(signal.events.len() as u32).into());
            data.insert("card".to_owned(), card(signal.card.as_ref()));
            data.insert("history".to_owned(), signal.history.into());
            data
        }
        News::Quiet(quiet) => fields([
            ("source", quiet.source.as_str().into()),
            ("at", format_instant(quiet.as_of_ms).into()),
            ("last_seen", format_instant(quiet.last_seen_ms).into()),
            ("longest_pause_seconds", (quiet.longest_pause_ms / 1_000).into()),
        ]),
        News::Back(back) => fields([
            ("source", back.source.as_str().into()),
            ("at", format_instant(back.as_of_ms).into()),
            ("quiet_since", format_instant(back.quiet_since_ms).into()),
            ("given_up", back.given_up.into()),
        ]),
    };
    let said = Sentence::of(news);
    data.insert("id".to_owned(), id.into());
    data.insert("severity".to_owned(), news.severity().name().into());
    data.insert("text".to_owned(), json!({"en": said.en, "zh": said.zh}));
    json!({"type": news.kind(), "timestamp": format_instant(news.at()), "data": data}).to_string()
}

fn card(card: Option<&CustomerCard>) -> Value {
    let card = card.cloned().unwrap_or_default();
    json!({"owner": card.owner, "region": card.region, "language": card.language})
}

fn standing(tier: &StandingTier) -> Value {
    json!({"programme": tier.programme, "policy": tier.policy, "tier": tier.tier})
}

fn fields<const COUNT: usize>(fields: [(&str, Value); COUNT]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A line is a JSON object.
fn object(line: &str) -> Map<String, Value> {
    serde_json::from_str(line).unwrap_or_default()
}
