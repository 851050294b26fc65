//! TLS of everything but Kafka: rustls with ring.

/// Chooses the implementation of TLS for the process; to be called before the first connection. Later calls change
/// nothing.
pub fn install_tls() {
    // Fails only if one was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
