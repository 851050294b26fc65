//! `/v1/policies`: checked here, then into `control`, from where every partition gets its copy.

use std::{sync::Arc, time::Duration};

use axum::{Json, body::Body, extract::State};
use serde_json::{Value, json};
use tiermesh_domain::policy::{self, Document};
use tiermesh_event_log::topics::CONTROL;
use tiermesh_proto::v1::{Control, DetectorsActivated, PolicyActivated, control};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    answer::Denial,
    appending::{Outlet, Pending, control_record},
    control::Active,
    events::read_body,
    service::Service,
    settings::LARGEST_POLICY,
};

/// How long an answer waits for the copies; they come anyway.
const COPY_LIMIT: Duration = Duration::from_secs(5);

/// Activates policies and logic, one at a time: each has to be above the one before.
pub(crate) struct Activation {
    pub(crate) outlet: Mutex<Outlet>,
}

/// What became of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activated {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// False: this very text is in force already.
    pub changed: bool,
}

impl Activation {
    pub(crate) fn new(outlet: Outlet) -> Self {
        Self { outlet: Mutex::new(outlet) }
    }
}

impl Service {
    /// Checks a policy file and puts it in force.
    ///
    /// # Errors
    /// [`Denial::Policy`] says where the text is wrong; [`Denial::OldVersion`], [`Denial::NameTaken`]; the log may not
    /// be available.
    pub async fn activate(&self, text: &str) -> Result<Activated, Denial> {
        let document = policy::parse(text).map_err(Denial::Policy)?;
        let sent = Active::of(&document, text, 0);
        let outlet = self.activation.outlet.lock().await;
        {
            let view = self.view.borrow();
            if !view.read || view.control.logic.is_none() {
                return Err(Denial::Starting);
            }
            if let Some(active) = view.control.named(&sent.name) {
                if active.kind != sent.kind {
                    return Err(Denial::NameTaken(sent.name));
                }
                if active.text == text {
                    return Ok(Activated { name: sent.name, version: sent.version, changed: false });
                }
                if active.version >= sent.version {
                    return Err(Denial::OldVersion { name: sent.name, sent: sent.version, active: active.version });
                }
            }
        }
        self.put_in_force(&outlet, &sent.name, record_of(&document, text)).await?;
        Ok(Activated { name: sent.name, version: sent.version, changed: true })
    }

    /// Appends to `control` what was compared with what is in force, and waits for its copies.
    pub(crate) async fn put_in_force(
        &self,
        outlet: &Outlet,
        key: &str,
        control: control::Control,
    ) -> Result<(), Denial> {
        let number = self.append(outlet, key, control).await?;
        // The next activation is compared with this one.
        let mut view = self.view.clone();
        let seen = view.wait_for(|view| view.next_offset > number).await.map(drop);
        seen.map_err(|_| Denial::Starting)?;
        if let Some(holding) = self.holder.holding() {
            let _ = tokio::time::timeout(COPY_LIMIT, holding.copied(number)).await;
        }
        Ok(())
    }

    async fn append(&self, outlet: &Outlet, key: &str, control: control::Control) -> Result<u64, Denial> {
        let producer = outlet.producer().await?;
        let record = control_record(key, &Control { control: Some(control), origin: None });
        let mut pending = Pending::until(Instant::now() + self.intake.settings.ack_limit);
        let appended = match pending.send(&producer, CONTROL.name, 0, vec![record]).await {
            Ok(()) => pending.last_offset().await,
            Err(error) => Err(error),
        };
        if appended.is_err() {
            outlet.discard(&producer).await;
        }
        Ok(appended?)
    }
}

fn record_of(document: &Document, text: &str) -> control::Control {
    let text = text.to_owned();
    match document {
        Document::Tiers(_) => control::Control::PolicyActivated(PolicyActivated { text }),
        Document::Detectors(_) => control::Control::DetectorsActivated(DetectorsActivated { text }),
    }
}

/// `POST /v1/policies`.
pub(crate) async fn post_policy(State(service): State<Arc<Service>>, body: Body) -> Result<Json<Value>, Denial> {
    let bytes = read_body(body, LARGEST_POLICY, "policy files").await?;
    let text = std::str::from_utf8(&bytes).map_err(|error| Denial::BadRequest(format!("not UTF-8: {error}")))?;
    let activated = service.activate(text.trim_start_matches('\u{feff}')).await?;
    let status = if activated.changed { "activated" } else { "unchanged" };
    Ok(Json(
        json!({"status": status, "name": activated.name, "version": activated.version, "changed": activated.changed}),
    ))
}

/// `GET /v1/policies`.
pub(crate) async fn get_policies(State(service): State<Arc<Service>>) -> Result<Json<Value>, Denial> {
    let view = service.view.borrow();
    if !view.read {
        return Err(Denial::Starting);
    }
    let policies: Vec<Value> = view
        .control
        .active()
        .map(|active| {
            json!({
                "name": active.name,
                "kind": active.kind,
                "version": active.version,
                "number": active.number,
                "text": active.text,
            })
        })
        .collect();
    Ok(Json(json!({"live": view.control.live, "logic": view.control.logic, "policies": policies})))
}
