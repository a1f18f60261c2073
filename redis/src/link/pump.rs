//! The thread of the link: reads, writes, and reconnects.

use super::engine::{Connection, Target};
use super::keeper::Keeper;
use super::{Link, Request, Settings};
use crate::Shared;
use crate::error::ConnectError;
use crate::near::Near;
use crate::resp;
use crate::trace::{self, Lost};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// The shortest and the longest time between two attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));
/// How much is read at a time.
const CHUNK: usize = 16 * 1024;
/// The most requests that are taken before the connection is looked at again.
const BATCH: usize = 256;

type Requests<T> = mpsc::UnboundedReceiver<Request<<T as cloakroom_codec::Stored>::Owned>>;

/// Starts the link, and waits for its first connection.
pub(crate) async fn start<T: Shared + ?Sized>(
    near: Arc<Near<T::Owned>>,
    settings: Settings,
) -> Result<Link<T::Owned>, ConnectError> {
    let (requests, receiver) = mpsc::unbounded_channel();
    let (connected, first) = oneshot::channel();
    // Its own thread and runtime, so that one that is blocked or busy does not let the near cache grow old.
    thread::Builder::new().name("cloakroom-redis".to_owned()).spawn(move || {
        match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
            Ok(runtime) => runtime.block_on(run::<T>(&near, &settings, receiver, connected)),
            Err(error) => _ = connected.send(Err(error.into())),
        }
        near.serve_until(0);
    })?;
    first.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::BrokenPipe).into()))?;
    Ok(Link { requests })
}

async fn run<T: Shared + ?Sized>(
    near: &Near<T::Owned>,
    settings: &Settings,
    mut requests: Requests<T>,
    connected: oneshot::Sender<Result<(), ConnectError>>,
) {
    let first = match Target::new(settings) {
        Ok(target) => target.connect().await.map(|connection| (target, connection)),
        Err(error) => Err(error),
    };
    let (target, mut connection) = match first {
        Ok(first) => first,
        Err(error) => {
            let _ = connected.send(Err(error));
            return;
        }
    };
    let mut keeper = Keeper::<T>::new(near, settings);
    let mut connected = Some(connected);
    trace::connected();
    loop {
        keeper.connected();
        let place = connection.place.clone();
        let lost = serve(&mut keeper, &target, connection, &mut requests, &mut connected).await;
        let Some(lost) = lost else { return };
        trace::away(lost);
        keeper.disconnected();
        let since = Instant::now();
        let Some(next) = reconnect(&mut keeper, &target, &mut requests).await else { return };
        if next.place != place {
            trace::another_primary();
        }
        trace::back(since.elapsed());
        connection = next;
    }
}

/// Half to one and a half of a time, at random, so that servers do not all come back at the same instant.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without randomness they do.
    let _ = getrandom::fill(&mut random);
    pause / 2 + pause * u32::from(random[0]) / 256
}

/// Connects again. `None` if nobody needs it any more.
async fn reconnect<T: Shared + ?Sized>(
    keeper: &mut Keeper<'_, T>,
    target: &Target<'_>,
    requests: &mut Requests<T>,
) -> Option<Connection> {
    let mut pause = PAUSES.0;
    let mut told = None;
    loop {
        let at = Instant::now() + jittered(pause);
        let attempt = async {
            sleep_until(at).await;
            target.connect().await
        };
        let mut attempt = core::pin::pin!(attempt);
        let mut tick = Instant::now() + interval(keeper.settings);
        loop {
            tokio::select! {
                made = &mut attempt => match made {
                    Ok(connection) => return Some(connection),
                    Err(error) => {
                        if let Some(reason) = error.reason().filter(|reason| told.replace(*reason) != Some(*reason)) {
                            trace::refused(reason);
                        }
                        break;
                    }
                },
                request = requests.recv() => keeper.take(request?),
                () = sleep_until(tick) => {
                    keeper.tick();
                    tick = Instant::now() + interval(keeper.settings);
                }
            }
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn interval(settings: &Settings) -> Duration {
    settings.staleness / 5
}

/// Writes some of the bytes, and returns how many. Without bytes, it sends what the socket keeps back.
async fn send(socket: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return socket.flush().await.map(|()| 0);
    }
    match socket.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        bytes => Ok(bytes),
    }
}

/// Serves until the connection is lost, and returns why. `None` if nobody needs it any more.
async fn serve<T: Shared + ?Sized>(
    keeper: &mut Keeper<'_, T>,
    target: &Target<'_>,
    connection: Connection,
    requests: &mut Requests<T>,
    connected: &mut Option<oneshot::Sender<Result<(), ConnectError>>>,
) -> Option<Lost> {
    let (mut reader, mut writer) = tokio::io::split(connection.socket);
    let mut read = connection.read;
    let mut tick = Instant::now() + interval(keeper.settings);
    let mut superseded = core::pin::pin!(target.superseded(connection.place));
    let (buffers, mut unsent) = (connection.buffers, false);
    loop {
        let mut used = 0;
        loop {
            match resp::read(&read[used..]) {
                Ok(Some((value, len))) => {
                    used += len;
                    keeper.receive(value);
                }
                Ok(None) => break,
                Err(resp::Malformed) => return Some(Lost::Protocol),
            }
        }
        read.drain(..used);
        if keeper.broken {
            return Some(Lost::NotPrimary);
        }
        if keeper.near.has_answered()
            && let Some(connected) = connected.take()
        {
            let _ = connected.send(Ok(()));
        }
        if keeper.written == keeper.out.len() {
            keeper.out.clear();
            keeper.written = 0;
        }
        read.reserve(CHUNK);
        tokio::select! {
            bytes = reader.read_buf(&mut read) => match bytes {
                Ok(0) | Err(_) => return Some(Lost::Closed),
                Ok(_) => {}
            },
            sent = send(&mut writer, &keeper.out[keeper.written..]), if unsent || !keeper.out.is_empty() => {
                let Ok(bytes) = sent else { return Some(Lost::Closed) };
                keeper.written += bytes;
                unsent = buffers && bytes > 0;
            }
            request = requests.recv() => {
                keeper.take(request?);
                for _ in 1..BATCH {
                    let Ok(request) = requests.try_recv() else { break };
                    keeper.take(request);
                }
            }
            () = &mut superseded => return Some(Lost::Superseded),
            () = sleep_until(tick) => {
                if !keeper.tick() {
                    return Some(Lost::NoAnswer);
                }
                tick = Instant::now() + interval(keeper.settings);
            }
        }
    }
}
