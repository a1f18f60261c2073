//! The socket of a connection.

use crate::error::ConnectError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A stream to the engine.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

/// Where TLS begins.
pub(super) async fn secured(_: TcpStream, _: &str) -> Result<Box<dyn Socket>, ConnectError> {
    Err(ConnectError::Url("TLS is not supported"))
}
