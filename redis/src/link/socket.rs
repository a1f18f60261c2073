//! The socket of a connection.

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream to the engine.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}
