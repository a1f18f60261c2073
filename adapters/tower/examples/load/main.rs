//! One server over three kinds of sessions, for `ci/load.sh` to compare them:
//! `cargo run --release -p cloakroom-tower --example load -- KIND`.
//!
//! | kind | sessions |
//! |---|---|
//! | `cloakroom` | the layer of this package |
//! | `memory` | tower-sessions with its `MemoryStore` |
//! | `tower-sessions` | tower-sessions over a cloakroom store |
//!
//! Every kind has the same routes: `POST /login` starts a session with three attributes, `GET /profile` reads one of
//! them, and `POST /visit` changes one. The server listens on a free port of 127.0.0.1, which it prints in its first
//! line, and ends when its standard input ends.

use std::{env, error::Error, io::Write, net::Ipv4Addr, process::ExitCode};

use axum::Router;
use tokio::{
    io::{AsyncReadExt, stdin},
    net::TcpListener,
};

#[path = "native.rs"]
mod native;
#[path = "portable.rs"]
mod portable;

/// The attributes of a session after its login: the user, a token against forged requests, and a count.
const USER: &str = "ada@example.com";
const TOKEN: &str = "6f1d3a9be27c4f5088d1b6a0c4e7f213";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let kind = env::args().nth(1).unwrap_or_default();
    let app = app(&kind).ok_or("name the sessions to use: cloakroom, memory or tower-sessions")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let closed = async { while stdin().read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {} };
    tokio::select! {
        result = axum::serve(listener, app).into_future() => Ok(result?),
        () = closed => Ok(()),
    }
}

fn app(kind: &str) -> Option<Router> {
    match kind {
        "cloakroom" => Some(native::app()),
        "memory" => Some(portable::app(tower_sessions::MemoryStore::default())),
        "tower-sessions" => Some(portable::app(cloakroom_tower_sessions::CloakroomStore::default())),
        _ => None,
    }
}
