//! API keys: who may publish for which sources, and who may operate the mesh.

mod access;
mod caller;
mod grant;
mod guard;
mod keyring;
mod secret;

pub(crate) use access::{Access, require_operate};
pub(crate) use caller::Caller;
pub(crate) use grant::covers;
pub use grant::{KeyError, Scope};
pub(crate) use guard::guard;
pub use secret::NewKey;
