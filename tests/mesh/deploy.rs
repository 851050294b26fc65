//! What stands in `docker-compose.yml` and `deploy/`, checked without a container engine: against the schemas, against
//! what the command takes, and by starting every service with exactly the settings that the files give it.

pub(crate) mod containers;
mod files;
mod image;
mod starting;
pub(crate) mod watching;
