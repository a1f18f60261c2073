//! A proxy before an engine, which delays, swallows and breaks connections.

#![allow(dead_code, reason = "each test file uses a part of it")]

use super::support::free_port;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// One direction of all connections.
#[derive(Default)]
struct Direction {
    /// How long each piece waits.
    delay: AtomicU64,
    /// Whether pieces vanish, while the connection stays: half-open.
    swallows: AtomicBool,
    /// After how many more bytes the connection breaks. Negative for never.
    left: AtomicI64,
}

#[derive(Default)]
struct Shared {
    to_engine: Direction,
    to_node: Direction,
    open: Mutex<Vec<TcpStream>>,
    refuses: AtomicBool,
}

/// Takes connections on a port of its own and passes them on.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn before(engine: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().map_or_else(|_| free_port(), |address| address.port());
        let shared = Arc::new(Shared::default());
        shared.to_engine.left.store(-1, Relaxed);
        shared.to_node.left.store(-1, Relaxed);
        let accepts = Arc::clone(&shared);
        thread::spawn(move || {
            for node in listener.incoming().flatten() {
                if !accepts.refuses.load(Relaxed) {
                    accepts.join(node, engine);
                }
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Delays what goes to the engine, and what comes from it.
    pub(crate) fn delay(&self, to_engine: Duration, to_node: Duration) {
        self.shared.to_engine.delay.store(to_engine.as_micros() as u64, Relaxed);
        self.shared.to_node.delay.store(to_node.as_micros() as u64, Relaxed);
    }

    /// Lets requests, replies or both vanish. They do not come later: break the connections before ending it.
    pub(crate) fn swallow(&self, to_engine: bool, to_node: bool) {
        self.shared.to_engine.swallows.store(to_engine, Relaxed);
        self.shared.to_node.swallows.store(to_node, Relaxed);
    }

    /// Breaks connections in the middle of a reply, after so many bytes.
    pub(crate) fn cut_reply_after(&self, bytes: u16) {
        self.shared.to_node.left.store(bytes.into(), Relaxed);
    }

    /// Accepts no connections, or accepts them again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Relaxed);
    }

    /// Breaks all connections.
    pub(crate) fn reset(&self) {
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Does nothing to connections from now on. Those that have lost something are broken.
    pub(crate) fn heal(&self) {
        let swallowed = [&self.shared.to_engine, &self.shared.to_node].map(|way| way.swallows.swap(false, Relaxed));
        self.delay(Duration::ZERO, Duration::ZERO);
        self.shared.to_node.left.store(-1, Relaxed);
        self.refuse(false);
        if swallowed != [false; 2] {
            self.reset();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse(true);
        self.reset();
    }
}

impl Shared {
    fn join(self: &Arc<Self>, node: TcpStream, engine: u16) {
        let Ok(engine) = TcpStream::connect(("127.0.0.1", engine)) else {
            let _ = node.shutdown(Shutdown::Both);
            return;
        };
        for stream in [&node, &engine] {
            let _ = stream.set_nodelay(true);
        }
        let (Ok(node_too), Ok(engine_too)) = (node.try_clone(), engine.try_clone()) else { return };
        if let (Ok(node), Ok(engine)) = (node.try_clone(), engine.try_clone()) {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([node, engine]);
        }
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || pass(node_too, engine_too, &there.to_engine));
        thread::spawn(move || pass(engine, node, &back.to_node));
    }
}

/// Passes on what comes, in order, until the connection breaks.
fn pass(mut from: TcpStream, mut to: TcpStream, way: &Direction) {
    let mut piece = [0; 4096];
    while let Ok(len @ 1..) = from.read(&mut piece) {
        let delay = way.delay.load(Relaxed);
        if delay > 0 {
            thread::sleep(Duration::from_micros(delay));
        }
        if way.swallows.load(Relaxed) {
            continue;
        }
        let left = way.left.load(Relaxed);
        let kept = if left < 0 { len } else { len.min(left as usize) };
        if to.write_all(&piece[..kept]).is_err() {
            break;
        }
        if left >= 0 {
            way.left.store(left - kept as i64, Relaxed);
            if kept < len {
                way.left.store(-1, Relaxed);
                break;
            }
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
