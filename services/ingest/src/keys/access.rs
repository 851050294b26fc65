//! Access: from the `authorization` of a request to its caller.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use tiermesh_service_host::Health;
use tiermesh_store::SaveStore;
use tokio::task::JoinHandle;

use super::{caller::Caller, grant::Scope, keyring::Keyring};
use crate::{answer::Denial, events::discard, service::Service};

/// Tells who sends a request.
pub(crate) struct Access {
    /// None: keys aren't asked for.
    keys: Option<(Keyring, JoinHandle<()>)>,
}

impl Access {
    /// Anyone may do anything.
    pub(crate) fn open() -> Self {
        Self { keys: None }
    }

    /// Only who holds a key gets in. Ready once the keys are read.
    pub(crate) fn by_keys(store: SaveStore, health: &Health) -> Self {
        let (keyring, reading) = Keyring::new(store, health.latch("ingest: API keys"));
        Self { keys: Some((keyring, tokio::spawn(reading))) }
    }

    pub(crate) fn asks_for_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Who sends a request with these headers.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Denial> {
        let Some((keyring, _)) = &self.keys else { return Ok(Caller::Anyone) };
        let authorization = headers.get(AUTHORIZATION).ok_or(Denial::NoKey)?;
        let bearer = authorization.to_str().ok().and_then(|text| text.split_once(' '));
        match bearer {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Caller::Holder(keyring.holder(key.trim()).await?))
            }
            _ => Err(Denial::NoKey),
        }
    }

    /// Who holds this key.
    pub(super) async fn holder(&self, key: &str) -> Result<Caller, Denial> {
        match &self.keys {
            Some((keyring, _)) => Ok(Caller::Holder(keyring.holder(key).await?)),
            None => Ok(Caller::Anyone),
        }
    }

    /// Whether who was let in still may be: to be asked again by what goes on for long.
    pub(crate) fn check(&self, caller: &Caller) -> Result<(), Denial> {
        match (&self.keys, caller) {
            (Some((keyring, _)), Caller::Holder(grant)) => keyring.check(grant),
            _ => Ok(()),
        }
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        if let Some((_, reading)) = &self.keys {
            reading.abort();
        }
    }
}

/// Lets pass who may operate the mesh.
pub(crate) async fn require_operate(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, Denial> {
    let caller = service.access.caller(request.headers()).await;
    if let Err(denial) = caller.and_then(|caller| caller.may(Scope::Operate)) {
        discard(request.into_body().into_data_stream()).await;
        return Err(denial);
    }
    Ok(next.run(request).await)
}
