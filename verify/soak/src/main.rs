//! Uses one store from several threads for as long as you like, and checks all along that it keeps its promises.
//!
//! `cargo run --release -p soak -- --minutes 10`; `--help` for more. Ends with a summary and exit status 0, or,
//! as soon as anything is not as it should be, with a line that says what and exit status 1.
//!
//! The workers do what a web server does: they log users in and out, look sessions up, set attributes, on sessions of
//! their own, on sessions that others use and end as well, and on one session that all use. Meanwhile the population
//! goes up to a hundred thousand and down to some hundred, again and again: deleted, or left to expire under a clock
//! that runs much faster than real time, and swept by a [`Sweeper`](cloakroom::Sweeper). At the top and at the bottom
//! of each wave all stop for a moment, and the figures of the store are compared with those of the threads.
//!
//! | file | what |
//! |---|---|
//! | `worker.rs` | a thread that uses the store |
//! | `session.rs` | a session that one worker alone uses, and what must be true of it |
//! | `waves.rs` | up and down, and the checks at rest |
//! | `watch.rs` | the clock's hand, and the display |
//! | `hall.rs` | the state that all share |
//! | `time.rs`, `memory.rs` | the fast clock; the counting allocator |
//! | `tally.rs`, `report.rs` | counts of operations and checks; the summary |

mod arguments;
mod hall;
mod memory;
mod report;
mod session;
mod tally;
mod time;
mod watch;
mod waves;
mod worker;

use std::error::Error;
use std::panic;
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use arguments::{Arguments, USAGE};
use hall::Hall;
use report::Report;
use tally::{Invariant, Tally};
use watch::Watch;
use waves::Waves;
use worker::Worker;

fn main() -> ExitCode {
    // So that the counting allocator sees all memory of the store.
    cloakroom::Memory::Allocator.choose();
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    exit_when_any_thread_panics();
    match run(arguments) {
        Ok(report) => {
            println!("{}", report.text());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The others would wait for it for ever.
fn exit_when_any_thread_panics() {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        say(panic);
        process::exit(1);
    }));
}

fn run(arguments: Arguments) -> Result<Report, Box<dyn Error>> {
    let Arguments { time, threads, seed } = arguments;
    println!("soaking for {} with {threads} threads, seed {seed}", report::clock_time(time));
    let hall = Hall::new(threads)?;
    let (start, over) = (Instant::now(), AtomicBool::new(false));
    let mut tally = Tally::default();
    tally.created = 1;
    let (waves, watch) = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn({
                    let hall = &hall;
                    move || Worker::work(hall, number, seed)
                })
            })
            .collect();
        let watch = scope.spawn(|| Watch::until(&over, &hall, time));
        let waves = Waves::lead(&hall, time, seed);
        for worker in workers {
            tally.add(&worker.join().expect("a panic ends the process"));
        }
        over.store(true, Ordering::Relaxed);
        (waves, watch.join().expect("a panic ends the process"))
    });
    tally.add(&waves.tally);
    tally.add(&watch.tally);
    close(&hall, &mut tally);
    Ok(Report {
        took: start.elapsed(),
        waves: hall.waves.load(Ordering::Relaxed),
        highest: waves.highest,
        clock: hall.clock.milliseconds(),
        tally,
        first: waves.first.unwrap_or_default(),
        peak: watch.peak,
        last: waves.last,
        band: waves.band,
        arguments,
    })
}

/// Ends the sessions that are left.
fn close(hall: &Hall, tally: &mut Tally) {
    let guests = (0..hall.lobby.len()).filter_map(|place| hall.guest(place));
    for id in guests.map(|guest| guest.id).chain([hall.hot]) {
        tally.deleted += u64::from(hall.store.delete(&id));
    }
    let count = hall.store.count();
    tally.check(Invariant::Count, count == 0, || format!("it is {count} when all sessions have been deleted"));
}
