//! What became of things: dead letters that are open, deliveries that are dead.

use std::collections::BTreeMap;

use tiermesh_event_log::{EventLog, topics::NOTIFICATION_DELIVERIES};

use super::Finding;
use crate::{cli::CommandError, reading::each_record};

pub(super) async fn findings(log: &dyn EventLog) -> Result<Vec<Finding>, CommandError> {
    Ok(vec![dead_letters(log).await?, deliveries(log).await?])
}

async fn dead_letters(log: &dyn EventLog) -> Result<Finding, CommandError> {
    Ok(match crate::dead_letters::count_open(log).await? {
        0 => Finding::well("dead letters", "none is open"),
        open => Finding::wrong(
            "dead letters",
            format!("{open} events were refused and wait to be corrected"),
            "tiermesh dead-letters list shows them, tiermesh dead-letters send sends them again",
        ),
    })
}

async fn deliveries(log: &dyn EventLog) -> Result<Finding, CommandError> {
    let mut states: BTreeMap<String, (String, String)> = BTreeMap::new();
    for partition in 0..log.partitions(NOTIFICATION_DELIVERIES.name).await? {
        each_record(log, NOTIFICATION_DELIVERIES.name, partition, |record| {
            let delivery = NOTIFICATION_DELIVERIES.decode(&record)?;
            states.insert(delivery.id, (delivery.state, delivery.route));
            Ok(())
        })
        .await?;
    }
    let mut dead: BTreeMap<&str, usize> = BTreeMap::new();
    states.values().filter(|(state, _)| state == "dead").for_each(|(_, route)| *dead.entry(route).or_default() += 1);
    if dead.is_empty() {
        return Ok(Finding::well("deliveries", format!("{} told, none dead", states.len())));
    }
    let routes: Vec<String> = dead.iter().map(|(route, count)| format!("{count} by {route}")).collect();
    Ok(Finding::wrong(
        "deliveries",
        format!("messages that could not be told: {}", routes.join(", ")),
        "mend the receiver, then POST /v1/deliveries/ID/retry (docs/notification.md)",
    ))
}
