//! From records to rows, topic by topic.

use prost::Message;
use tiermesh_domain::{
    policy::{self, Document},
    time::DAY_MS,
};
use tiermesh_event_log::{
    LogError, Record,
    topics::{CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS, NOTIFICATION_DELIVERIES, TIER_CHANGES},
};
use tiermesh_processing::letter_identity;
use tiermesh_proto::v1::{DeadLetter, Fact, ProfileUpdated, control::Control, customer_event::Event, fact::Data};
use tiermesh_store::read_model::{
    CardUpdate, ChangeRow, DeadLetterRow, DeliveryRow, DocumentRow, FactRow, Refused, Rows, SignalRow,
};

/// What the records of a topic come to.
pub(crate) fn rows(topic: &str, records: &[Record]) -> Result<Rows, LogError> {
    let mut rows = Rows::default();
    for record in records {
        if topic == CUSTOMER_EVENTS.name {
            match CUSTOMER_EVENTS.decode(record)?.event {
                Some(Event::Fact(fact)) => rows.facts.push(fact_row(fact)),
                Some(Event::Tick(tick)) => rows.tick_ms = rows.tick_ms.max(Some(tick.time_ms)),
                // `control` itself is read.
                Some(Event::Control(_)) | None => {}
            }
        } else if topic == CONTROL.name {
            rows.documents.extend(document(record)?);
        } else if topic == TIER_CHANGES.name {
            let change = TIER_CHANGES.decode(record)?;
            rows.changes.push(ChangeRow {
                customer: change.customer,
                policy: change.policy,
                version: i64::from(change.version),
                tier: change.to,
                direction: change.direction,
                at_ms: change.at_ms,
                bytes: record.value.to_vec(),
            });
        } else if topic == CHURN_SIGNALS.name {
            let signal = CHURN_SIGNALS.decode(record)?;
            rows.signals.push(SignalRow {
                customer: signal.customer,
                detector: signal.detector,
                is_open: matches!(signal.state.as_str(), "raised" | "updated"),
                at_stake_minor: signal.at_stake_minor,
                at_ms: signal.at_ms,
                bytes: record.value.to_vec(),
            });
        } else if topic == NOTIFICATION_DELIVERIES.name {
            let delivery = NOTIFICATION_DELIVERIES.decode(record)?;
            rows.deliveries.push(DeliveryRow {
                id: delivery.id,
                customer: delivery.customer,
                state: delivery.state,
                route: delivery.route,
                at_ms: delivery.at_ms,
                bytes: record.value.to_vec(),
            });
        } else if topic == DEAD_LETTERS.name {
            let letter = DEAD_LETTERS.decode(record)?;
            match &letter.resolution {
                Some(resolution) => rows.resolved.push(resolution.offset),
                None => rows.dead_letters.push(dead_letter(record, letter)),
            }
        }
    }
    // As long as the topic keeps them.
    let kept_ms = DEAD_LETTERS.retention_days.map(|days| i64::from(days) * DAY_MS);
    rows.letters_since_ms = rows.tick_ms.zip(kept_ms).map(|(tick_ms, kept_ms)| tick_ms - kept_ms);
    Ok(rows)
}

fn dead_letter(record: &Record, letter: DeadLetter) -> DeadLetterRow {
    DeadLetterRow {
        offset: record.offset,
        identity: letter_identity(record, &letter),
        refused: Refused {
            received_ms: letter.received_ms,
            source: letter.source,
            id: letter.id,
            subject: letter.subject,
            field: letter.field,
            reason: letter.reason,
        },
    }
}

fn fact_row(mut fact: Fact) -> FactRow {
    let card = match &fact.data {
        Some(Data::ProfileUpdated(profile)) => card(profile),
        _ => CardUpdate::default(),
    };
    // Names and free text are not shown, so they are not kept here either.
    fact.personal = None;
    fact.sealed_personal.clear();
    let bytes = fact.encode_to_vec();
    FactRow { customer: fact.subject, source: fact.source, id: fact.id, at_ms: fact.time_ms, card, bytes }
}

fn card(profile: &ProfileUpdated) -> CardUpdate {
    let field = |name: &str, given: &Option<String>| match given {
        Some(text) => Some(Some(text.clone())),
        None => profile.removed.iter().any(|removed| removed == name).then_some(None),
    };
    CardUpdate {
        owner: field("owner", &profile.owner),
        region: field("region", &profile.region),
        language: field("language", &profile.language),
    }
}

/// The names under which words of `control` are kept.
pub(crate) mod names {
    /// A policy.
    pub(crate) const POLICY: &str = "policy/";
    /// Settings of the loss signals.
    pub(crate) const DETECTORS: &str = "detectors";
    /// Cut-points of a policy.
    pub(crate) const CUT_POINTS: &str = "cut-points/";
    /// How facts are folded.
    pub(crate) const LOGIC: &str = "logic";
    /// That history has ended.
    pub(crate) const LIVE: &str = "live";
    /// A source that has gone quiet.
    pub(crate) const QUIET: &str = "quiet/";
}

fn document(record: &Record) -> Result<Option<DocumentRow>, LogError> {
    let Some(control) = CONTROL.decode(record)?.control else { return Ok(None) };
    let name = match &control {
        Control::PolicyActivated(activated) => match policy::parse(&activated.text) {
            Ok(Document::Tiers(policy)) => format!("{}{}", names::POLICY, policy.name),
            Ok(Document::Detectors(_)) => names::DETECTORS.to_owned(),
            // Of a later release: what rests on it will say so, everything else goes on.
            Err(_) => format!("{}?{}", names::POLICY, record.offset),
        },
        Control::DetectorsActivated(_) => names::DETECTORS.to_owned(),
        Control::CutPoints(cut_points) => format!("{}{}", names::CUT_POINTS, cut_points.policy),
        Control::LogicActivated(_) => names::LOGIC.to_owned(),
        Control::Live(_) => names::LIVE.to_owned(),
        Control::SourceQuiet(quiet) => format!("{}{}", names::QUIET, quiet.source),
        Control::SourceBack(back) => format!("{}{}", names::QUIET, back.source),
    };
    let is_over = matches!(control, Control::SourceBack(_));
    let bytes = (!is_over).then(|| record.value.to_vec());
    Ok(Some(DocumentRow { name, control_offset: record.offset, bytes }))
}
