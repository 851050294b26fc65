//! A line between clients and a server that can be slowed, left without an answer and cut.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How many bytes pass at once.
const PIECE_BYTES: usize = 16 << 10;

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// All passes at once.
    Open,
    /// Each piece of up to 16 KiB is held back for so long.
    Slow(Duration),
    /// Connections stay, and nothing passes.
    Silent,
    /// Connections end, and new ones end at once.
    Cut,
}

/// A loopback proxy to a server on this machine. Dropped, its connections end.
pub struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Leads to this port; the server may come later.
    ///
    /// # Panics
    /// If there is no port or no thread for it.
    #[must_use]
    pub fn to(server: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread can be had");
        let port = crate::free_port();
        // Bound here and not in the runtime: whoever calls may be in a runtime of its own.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("nobody listened there");
        listener.set_nonblocking(true).expect("a listener can be told not to block");
        let line = watch::Sender::new(Line::Open);
        let watched = line.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("it was told not to block");
            loop {
                // A connection that was given up already is nobody's.
                let Ok((client, _)) = listener.accept().await else { continue };
                tokio::spawn(connect(client, server, watched.subscribe()));
            }
        });
        Self { port, line, runtime: Some(runtime) }
    }

    /// Where clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From here on the line is so.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// Ends all connections; new ones are made at once.
    pub fn interrupt(&self) {
        self.set(Line::Cut);
        // Each connection has to see it.
        std::thread::sleep(Duration::from_millis(100));
        self.set(Line::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connect(mut client: TcpStream, server: u16, line: watch::Receiver<Line>) {
    if *line.borrow() == Line::Cut {
        return;
    }
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    for stream in [&client, &server] {
        // It would only cost delay.
        let _ = stream.set_nodelay(true);
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    // Whichever ends first, both ends are closed.
    tokio::select! {
        () = pass(from_client, to_server, line.clone()) => {}
        () = pass(from_server, to_client, line.clone()) => {}
    }
}

async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut line: watch::Receiver<Line>) {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = tokio::select! {
            read = from.read(&mut piece) => read,
            _ = line.wait_for(|line| *line == Line::Cut) => return,
        };
        let Ok(count @ 1..) = read else { return };
        match line.wait_for(|line| *line != Line::Silent).await.map(|line| *line) {
            Ok(Line::Slow(delay)) => tokio::time::sleep(delay).await,
            Ok(Line::Open) => {}
            Ok(Line::Silent | Line::Cut) | Err(_) => return,
        }
        if to.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}
