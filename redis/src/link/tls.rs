//! TLS.

use super::engine::Socket;
use crate::error::ConnectError;
use tokio::net::TcpStream;

pub(super) async fn wrap(_: TcpStream, _: &str) -> Result<Box<dyn Socket>, ConnectError> {
    Err(ConnectError::Url("TLS is not supported"))
}
