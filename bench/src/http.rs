//! A keep-alive connection to the mesh, as cheap as one can be: the generator runs on the same cores as what it measures.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, client::conn::http1::SendRequest, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Failure;

/// A connection on which one request is sent after the other.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // How it ended shows at the next request.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends a body and waits for the answer.
    ///
    /// # Errors
    /// If the connection breaks, or the answer isn't one of success.
    pub async fn post(&mut self, path: &str, content_type: &'static str, body: Bytes) -> Result<Bytes, Failure> {
        let request = Request::builder().method(Method::POST).uri(path).header(header::HOST, &self.host);
        let request = request.header(header::CONTENT_TYPE, content_type).body(Full::new(body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        match status.is_success() {
            true => Ok(body),
            false => Err(format!("{} answered {status}: {}", self.host, String::from_utf8_lossy(&body)).into()),
        }
    }
}
