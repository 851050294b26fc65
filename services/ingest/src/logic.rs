//! `/v1/logic`: how facts are folded. The next way is put in force by an operator, once every instance knows it.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use tiermesh_domain::scoring::KNOWN_LOGIC;
use tiermesh_proto::v1::{LogicActivated, control};

use crate::{answer::Denial, events::read_body, service::Service};

/// Most bytes of a request.
const LARGEST: usize = 1_024;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    logic: u32,
}

impl Service {
    /// Folds so from here on, for good. False: it is in force already.
    ///
    /// # Errors
    /// [`Denial::UnknownLogic`], [`Denial::OldLogic`]; the log may not be available.
    async fn activate_logic(&self, logic: u32) -> Result<bool, Denial> {
        let outlet = self.activation.outlet.lock().await;
        let active = self.active_logic()?;
        if logic == active {
            return Ok(false);
        }
        if !KNOWN_LOGIC.contains(&logic) {
            return Err(Denial::UnknownLogic { sent: logic, known: KNOWN_LOGIC });
        }
        if logic < active {
            return Err(Denial::OldLogic { sent: logic, active });
        }
        self.put_in_force(&outlet, "", control::Control::LogicActivated(LogicActivated { logic })).await?;
        tracing::info!(before = active, logic, "logic activated");
        Ok(true)
    }

    fn active_logic(&self) -> Result<u32, Denial> {
        let view = self.view.borrow();
        view.control.logic.filter(|_| view.read).ok_or(Denial::Starting)
    }
}

/// `POST /v1/logic`.
pub(crate) async fn post_logic(State(service): State<Arc<Service>>, body: Body) -> Result<Json<Value>, Denial> {
    let bytes = read_body(body, LARGEST, "choosing a logic").await?;
    let wanted: Wanted = serde_json::from_slice(&bytes)
        .map_err(|error| Denial::BadRequest(format!("expected {{\"logic\": NUMBER}}: {error}")))?;
    let changed = service.activate_logic(wanted.logic).await?;
    let status = if changed { "activated" } else { "unchanged" };
    Ok(Json(json!({"status": status, "logic": wanted.logic, "changed": changed})))
}

/// `GET /v1/logic`.
pub(crate) async fn get_logic(State(service): State<Arc<Service>>) -> Result<Json<Value>, Denial> {
    Ok(Json(json!({"active": service.active_logic()?, "known": KNOWN_LOGIC})))
}
