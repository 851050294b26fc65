//! Going live: the gate that ordinary events pass, and `POST /v1/live`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, extract::State};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    answer::Denial,
    control::{ControlView, Holder},
    service::Service,
};

/// Lets ordinary events pass once the mesh is live, and makes it live for the first of them.
pub(crate) struct Gate {
    view: watch::Receiver<ControlView>,
    holder: Holder,
    /// The mesh is live, and nothing ends that.
    open: AtomicBool,
}

impl Gate {
    pub(crate) fn new(view: watch::Receiver<ControlView>, holder: Holder) -> Self {
        Self { view, holder, open: AtomicBool::new(false) }
    }

    /// Returns when the partitions have been told that the mesh is live.
    pub(crate) async fn pass(&self) -> Result<(), Denial> {
        if self.open.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (live, read) = {
            let view = self.view.borrow();
            (view.control.live, view.read)
        };
        if !read {
            return Err(Denial::Starting);
        }
        let holding = if live { self.holder.holding() } else { self.holder.holding_soon().await };
        match holding {
            Some(holding) => holding.live(false).await?,
            // Whoever holds control has copied it, or is about to. A history session can't be open any more.
            None if live => {}
            None => return Err(Denial::NotHolder),
        }
        self.open.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Makes the mesh live, also if a history session was left open and has been silent since.
pub(crate) async fn post_live(State(service): State<Arc<Service>>) -> Result<Json<Value>, Denial> {
    let holding = service.holder.holding_soon().await.ok_or(Denial::NotHolder)?;
    holding.live(true).await?;
    Ok(Json(json!({"live": true})))
}
