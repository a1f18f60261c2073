//! A web server with sessions: log in from two browsers, see your devices, end the other one, watch the store.
//!
//! `cargo run --release --example server`, then open `http://localhost:3000` or use the curl commands it prints.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `PORT` | 3000 | the port on 127.0.0.1; 0 means any free port |
//! | `SESSION_TTL` | 1800 | the idle timeout in seconds |
//! | `PERSIST` | | a directory in which sessions outlive the server; it is made if only it is missing |
//! | `REDIS_URL` | | the engine in which several servers share their sessions, such as `redis://127.0.0.1:6379` |
//! | `INSECURE_COOKIES` | | `1` omits the cookie's `Secure` attribute, for Safari on plain `http://localhost` |
//!
//! | file | contents |
//! |---|---|
//! | `main.rs` | starting and stopping the server |
//! | `app.rs` | the routes |
//! | `shared.rs`, `node.rs` | the routes over sessions that servers share, and one of those servers |
//! | `devices.rs`, `live.rs` | the data that the page shows |
//! | `disk.rs` | sessions that outlive the server |
//! | `guard.rs` | the refusal of requests from other sites |
//! | `agent.rs` | the names of browsers |

use std::{
    env,
    error::Error,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use app::{SWEEP_INTERVAL, Settings, app, disk::Disk};
use cloakroom::{SessionStore, Sweeper, WhenFull, WhenPrincipalFull};
use tokio::{net::TcpListener, sync::oneshot};

mod app;
mod node;

const MAX_SESSIONS: usize = 100_000;

/// The most devices on which a user may be logged in. One more login ends the user's idlest session.
const MAX_DEVICES: usize = 20;

/// The absolute timeout: the user logs in again after it, even if the session is in use.
const LONGEST_SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// The time that requests in flight have to complete after the stop signal.
const GRACE: Duration = Duration::from_secs(5);

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
    let port = number_from("PORT", 3000_u16)?;
    let ttl = Duration::from_secs(number_from("SESSION_TTL", 1800)?);
    if let Some(url) = env::var_os("REDIS_URL") {
        return node::run(&url.to_string_lossy(), port, ttl).await;
    }
    let settings = settings();

    let store = SessionStore::builder()
        .ttl(ttl)
        .absolute_timeout(LONGEST_SESSION)
        .max_sessions(MAX_SESSIONS)
        // Visitors never displace the session of a user that is logged in.
        .when_full(WhenFull::EndUnbound)
        .max_sessions_per_principal(MAX_DEVICES)
        .when_principal_full(WhenPrincipalFull::EndIdlest);
    let (disk, store) = match env::var_os("PERSIST").filter(|directory| !directory.is_empty()) {
        Some(directory) => Disk::open(Path::new(&directory), store).map(|(disk, store)| (Some(disk), store))?,
        None => (None, Arc::new(store.build()?)),
    };
    let listener = listen(port).await?;
    // Before the address is printed, because a program that has read it may send a signal.
    let stop = stop_signal()?;
    let sweeper = Sweeper::start(Arc::clone(&store), SWEEP_INTERVAL)?;

    say(&how_to_try(listener.local_addr()?, settings));
    let app = app(Arc::clone(&store), settings);
    let Some(disk) = disk else {
        serve(listener, app, stop).await?;
        sweeper.stop();
        say(&format!("goodbye; sessions ended with the server: {}", store.count()));
        return Ok(());
    };
    say(&disk.restored());
    serve(listener, disk.around(app), stop).await?;
    sweeper.stop();
    disk.close()?;
    say(&format!("goodbye; sessions kept on disk: {}", store.count()));
    Ok(())
}

fn settings() -> Settings {
    Settings { secure_cookies: env::var_os("INSECURE_COOKIES").is_none_or(|value| value != "1") }
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))
}

/// Serves until the stop signal, then gives requests in flight the time `GRACE` to complete.
async fn serve(
    listener: TcpListener,
    app: axum::Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, told_to_stop) = oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        say("stopping");
        // The receiver is gone only if the server has already ended.
        let _ = stopping.send(());
    });
    let out_of_patience = async {
        let _ = told_to_stop.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server.into_future() => result,
        () = out_of_patience => {
            say("some requests did not finish in time");
            Ok(())
        }
    }
}

/// Installs the signal handlers before it returns. The future completes at the first Ctrl-C or SIGTERM.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    })
}

/// Installs the handler before it returns. The future completes at the first Ctrl-C.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

fn number_from<T: FromStr>(variable: &str, default: T) -> Result<T, String> {
    let Some(text) = env::var_os(variable) else { return Ok(default) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{variable} is not a number in range: {}", text.display()))
}

fn how_to_try(address: SocketAddr, settings: Settings) -> String {
    let page = format!("http://localhost:{}", address.port());
    let cookies = if settings.secure_cookies {
        "Cookies are Secure: on plain http they work on localhost in Chrome, Firefox and curl >= 7.79.\n\
         For Safari, start with INSECURE_COOKIES=1."
    } else {
        "INSECURE_COOKIES=1: cookies are not Secure. Use this on this machine only."
    };
    format!(
        "listening on http://{address}\n\n\
         In a browser: {page}\n\n\
         With curl:\n  \
           curl -i -b jar.txt -c jar.txt -d user=ada {page}/login\n  \
           curl -i -b jar.txt -c jar.txt {page}/profile\n  \
           curl -i -b jar.txt -c jar.txt -X POST {page}/logout\n\n\
         {cookies}\nCtrl-C stops the server.\n"
    )
}

/// Prints a line. Unlike `println!`, it does not panic if standard output is closed.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
