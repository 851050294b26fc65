//! How a new mesh begins: with policies in force, before the first event.

use tiermesh_event_log::{EventLog, LogError, topics::CONTROL};
use tiermesh_ingest::{Denial, Service};
use tiermesh_proto::v1::control::Control;

use crate::{cli::CommandError, reading::each_record, ready};

/// Whether `control` says nothing yet but how facts are folded and, if a first start was cut off, ready policies.
pub(super) async fn has_nothing_but_ready_policies(log: &dyn EventLog) -> Result<bool, LogError> {
    let end = log.extent(CONTROL.name, 0).await?.end;
    // The birth record, and the one that activates the logic.
    if end > ready::POLICIES.len() as u64 + 2 {
        return Ok(false);
    }
    let is_ready = |text: &str| ready::POLICIES.iter().chain(&ready::DEMO).any(|(_, ready)| *ready == text);
    let mut nothing_else = true;
    each_record(log, CONTROL.name, 0, |record| {
        nothing_else &= match CONTROL.decode(&record)?.control {
            Some(Control::LogicActivated(_)) => true,
            Some(Control::PolicyActivated(activated)) => is_ready(&activated.text),
            Some(Control::DetectorsActivated(activated)) => is_ready(&activated.text),
            _ => false,
        };
        Ok(())
    })
    .await?;
    Ok(nothing_else)
}

/// Puts policies in force.
pub(super) async fn activate_all(service: &Service, policies: &[(&str, &str)]) -> Result<(), CommandError> {
    for (name, text) in policies {
        activate(service, text).await.map_err(|denial| format!("policy {name}: {denial}"))?;
    }
    Ok(())
}

async fn activate(service: &Service, text: &str) -> Result<(), Denial> {
    loop {
        match service.activate(text).await {
            // It is about to hold `control`.
            Err(Denial::Starting) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            activated => return activated.map(|_| ()),
        }
    }
}
