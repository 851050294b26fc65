//! The guard before routes that show what the mesh says of customers. A browser can sign in: it shows the key as a
//! password, of which it takes care itself.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::grant::Scope;
use crate::{events::discard, service::Service};

/// Lets pass who may read, and who may operate the mesh for what isn't reading.
pub(crate) async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let (access, headers) = (&service.access, request.headers());
    let reads = request.method().is_safe();
    // A password that a browser remembers goes along with whatever another site makes it send: good for reading only,
    // whose answers that site doesn't get to see.
    let caller = match password(headers).filter(|_| reads) {
        Some(key) => access.holder(&key).await,
        None => access.caller(headers).await,
    };
    let scope = if reads { Scope::Read } else { Scope::Operate };
    let denial = match caller.and_then(|caller| caller.may(scope)) {
        Ok(()) => return next.run(request).await,
        Err(denial) => denial,
    };
    discard(request.into_body().into_data_stream()).await;
    let mut response = denial.into_response();
    if reads && response.status() == StatusCode::UNAUTHORIZED {
        let ask = HeaderValue::from_static("Basic realm=\"tiermesh: any name, and an API key as the password\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, ask);
    }
    response
}

/// The password of `authorization: Basic …`.
fn password(headers: &HeaderMap) -> Option<String> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}
