//! Events that come over gRPC, on the port of HTTP: the same checks, the same limits, the same dead letters.

mod publish;
mod serving;
mod status;
mod stream;

pub(crate) use serving::routes;

/// The contract: messages, client and server of `tiermesh.v1.Publisher`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("tiermesh.v1");
}

/// The contract as reflection tells it.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/publish.bin"));
