//! Ports for servers.

use std::net::{Ipv4Addr, TcpListener};

/// A loopback port that nobody listens on.
///
/// Not one that the system would pick: those serve outgoing connections too, and one of them could take the port
/// while the test has its server stopped.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    (0..1000)
        .map(|_| rand::random_range(10_000..32_000))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("1000 random ports of 10000..32000 are all taken")
}
