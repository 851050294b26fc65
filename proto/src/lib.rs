//! The contracts: what stands on every topic, generated from `tiermesh/v1/*.proto`.
//!
//! This crate holds generated code only. It must never know what a message means.
#![forbid(unsafe_code)]

/// Version 1 of the contracts, package `tiermesh.v1`.
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/tiermesh.v1.rs"));
}
