//! Serving HTTP until the process is asked to stop.

use std::{io, net::SocketAddr};

use axum::{Router, serve::ListenerExt};
use tokio::net::TcpListener;

use crate::shutdown::Shutdown;

/// Takes the address, or says which one could not be taken.
///
/// # Errors
/// The address is taken, or not of this machine.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listening = TcpListener::bind(address).await;
    listening.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => "; is another tiermesh running? Stop it, or name another address with --listen",
            io::ErrorKind::AddrNotAvailable => "; name an address of this machine with --listen",
            _ => "",
        };
        io::Error::new(error.kind(), format!("can't listen on {address}: {error}{remedy}"))
    })
}

/// Serves until the soft stop, then finishes the requests that are running, until the hard stop.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: &Shutdown) -> io::Result<()> {
    // An answer is one small packet: waiting to fill it would cost the sender 40 ms.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(shutdown.soft().cancelled_owned());
    tokio::select! {
        served = server => served,
        () = shutdown.hard_stopped() => Ok(()),
    }
}
