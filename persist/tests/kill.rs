//! A process that is killed at random instants under load, again and again: what it has answered holds.
//!
//! The victim is this test itself in a child process. It prints what it is about to do, and what it has done.
//! `CLOAKROOM_KILLS` sets how many times it is killed. It works from the beginning, while its sessions are restored.

mod support;

use cloakroom::{Principal, SessionId};
use cloakroom_persist::{Changes, Options, Persistence};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use support::Dir;

fn options() -> Options {
    Options::new().changes(Changes::Within(Duration::from_millis(30)))
}

/// The same, and sessions are restored slowly, so that the process is killed in the midst.
fn slowly() -> Options {
    options().restore_first(0).before_each(|_| thread::sleep(Duration::from_millis(2)))
}

/// A number that seems random, and is another one at each call.
fn random() -> u64 {
    let id = SessionId::random().unwrap();
    u64::from_le_bytes(*id.as_bytes().first_chunk().unwrap())
}

fn say(line: &str) {
    // In one piece, because several threads say something.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn hex(id: &SessionId) -> String {
    id.hex().to_string()
}

/// The load, until it is killed. Gets ids of sessions from before by its input.
#[test]
#[ignore = "the victim of the other test"]
fn victim() {
    let Some(dir) = std::env::var_os("CLOAKROOM_VICTIM") else { return };
    let sessions = Persistence::open(Path::new(&dir), slowly()).unwrap();
    let restoration = sessions.restoration();
    thread::spawn(move || {
        restoration.wait();
        say("restored all");
    });
    let before: Vec<SessionId> =
        std::io::stdin().lines().map(|line| line.unwrap()).filter_map(|line| line.parse().ok()).collect();
    let principals = AtomicU64::new(random());
    thread::scope(|scope| {
        for part in 0..2 {
            let mut own: Vec<SessionId> = before.iter().skip(part).step_by(2).copied().collect();
            let (sessions, principals) = (&sessions, &principals);
            scope.spawn(move || {
                let store = sessions.store();
                loop {
                    let chosen = own.len().checked_sub(1).map(|last| random() as usize % (last + 1));
                    match (random() % 12, chosen) {
                        (0..4, _) | (_, None) => {
                            let id = store.create_with([("n", "0")]).unwrap();
                            say(&format!("created {}", hex(&id)));
                            own.push(id);
                        }
                        (4, _) => {
                            sessions.flush().unwrap();
                            own.iter().for_each(|id| say(&format!("flushed {}", hex(id))));
                        }
                        (5 | 6, Some(chosen)) => {
                            let id = own.swap_remove(chosen);
                            say(&format!("ending {}", hex(&id)));
                            assert!(store.delete(&id), "a live session was not found");
                            say(&format!("ended {}", hex(&id)));
                        }
                        (7, Some(chosen)) => {
                            let id = own.swap_remove(chosen);
                            say(&format!("ending {}", hex(&id)));
                            let new = store.rotate_id(&id).unwrap();
                            say(&format!("flushed {}", hex(&new)));
                            say(&format!("ended {}", hex(&id)));
                            own.push(new);
                        }
                        (8, _) => {
                            let name = Principal::new(principals.fetch_add(1, Ordering::Relaxed).to_le_bytes());
                            let all = [(); 3].map(|()| store.new_session().principal(name).create().unwrap());
                            if random().is_multiple_of(2) {
                                sessions.flush().unwrap();
                            }
                            assert_eq!(store.end_sessions_of(&name), 3);
                            all.iter().for_each(|id| say(&format!("ended {}", hex(id))));
                        }
                        (_, Some(chosen)) => {
                            store.increment(&own[chosen], "n", 1).unwrap();
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn what_a_killed_process_has_answered_holds() {
    let kills = std::env::var("CLOAKROOM_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let dir = Dir::new();
    let (mut live, mut ended) = (HashSet::new(), HashSet::new());
    let mut in_the_midst = 0;
    let mut lines_seen = HashMap::<String, usize>::new();
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--ignored", "--nocapture", "--test-threads=1"])
            .env("CLOAKROOM_VICTIM", dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        live.iter().take(100).for_each(|id| writeln!(input, "{}", hex(id)).unwrap());
        drop(input);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // At first until it works, because it has to open the directory.
        let first = lines.by_ref().map(|line| line.unwrap()).find(|line| line.starts_with('@'));
        assert!(first.is_some(), "the victim has ended by itself");
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_micros(random() % 250_000));
            child.kill().unwrap();
            child.wait().unwrap()
        });
        // A last line that is cut off is no line.
        let said: Vec<String> = first.into_iter().chain(lines.map_while(Result::ok)).collect();
        assert!(!killer.join().unwrap().success(), "the victim has ended by itself");
        in_the_midst += usize::from(!said.iter().any(|line| line == "@restored all"));
        for line in said.iter().filter_map(|line| line.strip_prefix('@')) {
            let Some((what, id)) = line.split_once(' ') else { continue };
            let Ok(id) = id.parse::<SessionId>() else { continue };
            *lines_seen.entry(what.to_owned()).or_default() += 1;
            match what {
                "flushed" => _ = live.insert(id),
                // It may have ended or not, unless the next line says so.
                "ending" => _ = live.remove(&id),
                "ended" => _ = ended.insert(id),
                _ => {}
            }
        }
        let sessions = Persistence::open(dir.path(), options()).unwrap();
        for id in &ended {
            assert!(!sessions.store().exists(id), "kill {kill}: a session that has ended came back");
        }
        for id in &live {
            assert!(sessions.store().exists(id), "kill {kill}: a session that was on disk is lost");
        }
        sessions.close().unwrap();
    }
    assert!(in_the_midst >= kills / 4, "{in_the_midst} of {kills} were killed while sessions were restored");
    for what in ["created", "flushed", "ending", "ended"] {
        assert!(lines_seen.get(what).is_some_and(|lines| *lines >= kills / 4), "{what}: {lines_seen:?}");
    }
}
