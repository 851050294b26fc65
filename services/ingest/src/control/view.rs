//! What every instance knows of `control`, by reading it.

use std::{sync::Arc, time::Duration};

use tiermesh_event_log::{EventLog, LogError, topics::CONTROL};
use tiermesh_service_host::Latch;
use tokio::sync::watch;

use super::standing::ControlStanding;

/// What is in force, and how far that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct ControlView {
    pub(crate) control: ControlStanding,
    /// Offset of the next record.
    pub(crate) next_offset: u64,
    /// All that stood in `control` at the start has been read.
    pub(crate) read: bool,
}

/// Follows `control` for ever. Drops the latch once what stands there is known, and it says how facts are folded.
pub(crate) async fn follow(log: Arc<dyn EventLog>, view: watch::Sender<ControlView>, latch: Latch) {
    let mut latch = Some(latch);
    loop {
        let Err(error) = follow_on(&log, &view, &mut latch).await;
        tracing::warn!("reading `control`: {error}; again in a second");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn follow_on(
    log: &Arc<dyn EventLog>,
    view: &watch::Sender<ControlView>,
    latch: &mut Option<Latch>,
) -> Result<std::convert::Infallible, LogError> {
    let end = log.extent(CONTROL.name, 0).await?.end;
    let from = view.borrow().next_offset;
    let mut reader = log.read(CONTROL.name, 0, from).await?;
    loop {
        view.send_if_modified(|view| {
            let was_read = view.read;
            view.read |= view.next_offset.max(1) >= end.max(1);
            if view.read && view.control.logic.is_some() {
                *latch = None;
            }
            view.read != was_read
        });
        let mut decoded = Vec::new();
        let mut outcome = Ok(());
        for record in reader.next(4_096).await? {
            match CONTROL.decode(&record) {
                Ok(control) => decoded.push((record.offset, control)),
                // What stands before it is in force.
                Err(unreadable) => {
                    outcome = Err(unreadable);
                    break;
                }
            }
        }
        view.send_modify(|view| {
            for (number, control) in &decoded {
                view.control.apply(*number, control);
                view.next_offset = number + 1;
            }
        });
        outcome?;
    }
}
