//! The server: from the socket that it is given to the closed directory.

use crate::app::app;
use crate::drain::{self, Patience};
use crate::say;
use cloakroom::{SessionStore, Sweeper};
use cloakroom_persist::{OpenError, Options, Persistence, SettledLayer};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::env;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

/// Told when everything is done that can fail without the directory: now the server before may end.
pub(crate) const PREPARED: &str = "X_CLOAKROOM_PREPARED=1";
/// Told when connections begin to wait.
pub(crate) const NOT_ACCEPTING: &str = "X_CLOAKROOM_NOT_ACCEPTING=1";

/// For how long the server before may take to end.
const WAIT: Duration = Duration::from_secs(60);

/// Connections that may wait while no server accepts them, within the system's limit (`net.core.somaxconn`).
const BACKLOG: u32 = 4_096;

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let listener = listener().await?;
    let linger = Duration::from_millis(env::var("LINGER_MS").map_or(Ok(3_000), |text| text.parse())?);
    let patience = Patience { linger, grace: linger + Duration::from_secs(10), silence: Duration::from_secs(1) };
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tell(NotifyState::Stopping);
    };

    tell(NotifyState::Custom(PREPARED));
    let store = SessionStore::builder().max_sessions(1_000_000).max_sessions_per_principal(20);
    let options = Options::new().store(store).wait_for_lock(WAIT);
    let kept = Arc::new(spawn_blocking(move || open(options)).await??);
    let sweeper = Sweeper::start(Arc::clone(kept.store()), Duration::from_secs(60))?;
    let app = app(Arc::clone(kept.store())).layer(SettledLayer::new(&kept));
    tell(NotifyState::Ready);

    drain::serve(listener, app, stop, patience, || tell(NotifyState::Custom(NOT_ACCEPTING))).await;
    sweeper.stop();
    let kept = Arc::into_inner(kept).ok_or("the sessions are still in use")?;
    let begun = Instant::now();
    spawn_blocking(move || kept.close()).await??;
    say(&format!("closed the directory in {} ms", begun.elapsed().as_millis()));
    Ok(())
}

fn open(options: Options) -> Result<Persistence, OpenError> {
    let begun = Instant::now();
    let kept = Persistence::open(directory(), options)?;
    let (sessions, took) = (kept.restored().total, begun.elapsed().as_millis());
    say(&format!("had the directory, with {sessions} sessions, after {took} ms"));
    Ok(kept)
}

fn directory() -> PathBuf {
    let given = ["PERSIST", "STATE_DIRECTORY"].into_iter().find_map(env::var_os);
    given.map_or_else(|| PathBuf::from("sessions"), PathBuf::from)
}

/// Tells the supervisor, or systemd. Nothing if there is neither.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        say(&format!("the supervisor was not told: {error}"));
    }
}

/// The socket that the process was given, or one of its own.
pub(crate) async fn listener() -> io::Result<TcpListener> {
    if let Some(given) = ListenFd::from_env().take_tcp_listener(0)? {
        given.set_nonblocking(true)?;
        return TcpListener::from_std(given);
    }
    let address = env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
