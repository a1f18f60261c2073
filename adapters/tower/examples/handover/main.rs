//! A server that its successor replaces while it is in use: no request fails, and nobody is logged out.
//!
//! Who listens is not the server: a supervisor, or systemd, opens the socket and passes it on (`LISTEN_FDS`). While no
//! server accepts connections, they wait in the socket's backlog.
//!
//! ```sh
//! cargo run --release -p cloakroom-tower --example handover -- proof 10
//! ```
//!
//! plays ten handovers under load, and prints what they cost.
//!
//! | command | |
//! |---|---|
//! | `supervise` | starts the server. At SIGHUP it starts a successor, and tells the server to end once the successor is prepared. A server that crashes is started again |
//! | `serve` | the server alone, for `systemctl restart` with `cloakroom.socket` |
//! | `proof [handovers] [sessions]` | the load |
//!
//! | variable | default | |
//! |---|---|---|
//! | `PERSIST` | `$STATE_DIRECTORY`, or `sessions` | the directory of the sessions |
//! | `ADDRESS` | `127.0.0.1:3000` | where it listens, if it is given no socket |
//! | `LINGER_MS` | 3000 | for how long a server that is told to end waits for the next request of an idle connection |
//!
//! | file | contents |
//! |---|---|
//! | `app.rs` | the routes |
//! | `server.rs` | from the socket to the closed directory |
//! | `drain.rs` | how connections end without a failed request |
//! | `supervisor.rs` | the supervisor |
//! | `load.rs`, `proof.rs` | the load, and what it shows |
//! | `cloakroom.socket`, `cloakroom.service` | units for systemd |

#[cfg(unix)]
mod app;
#[cfg(unix)]
mod drain;
#[cfg(unix)]
mod load;
#[cfg(unix)]
mod proof;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod supervisor;

#[cfg(unix)]
#[tokio::main]
async fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => server::run().await,
        ["supervise"] => supervisor::run().await,
        ["proof", ref numbers @ ..] if numbers.len() <= 2 => proof::run(numbers).await,
        _ => Err("usage: handover serve | supervise | proof [handovers] [sessions]".into()),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Prints a line. Unlike `println!`, it does not panic if standard output is closed.
#[cfg(unix)]
fn say(line: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example passes a socket on as systemd does, which needs Unix");
}
