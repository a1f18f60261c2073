//! A process that is forked while its store is in use: the child has the sessions, but only the thread that has forked.

use std::collections::HashSet;
use std::io::{PipeWriter, Read, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use cloakroom::{SessionId, SessionStore, Sweeper};

use crate::support::{TICK, TTL, session, store};

/// A blocked child is killed after this many seconds.
const DEADLINE: libc::c_uint = 20;

/// Runs `child` in a forked child, which must return true. Returns the child's output when the child has ended.
fn in_a_child(child: impl FnOnce(&mut PipeWriter) -> bool) -> String {
    let (mut from_child, mut to_parent) = pipe().expect("a pipe");
    // SAFETY: what the child does then, allocating included, the C libraries of Linux and macOS allow in the child of a
    // process with several threads. It ends by `_exit`, so that it runs none of the parent's destructors and tests.
    let process = unsafe { libc::fork() };
    if process == 0 {
        // SAFETY: as of any call of the system.
        unsafe { libc::alarm(DEADLINE) };
        let ended_well = catch_unwind(AssertUnwindSafe(|| child(&mut to_parent)));
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!ended_well.unwrap_or(false))) }
    }
    assert!(process > 0, "there is no child");
    drop(to_parent);
    let mut written = String::new();
    from_child.read_to_string(&mut written).expect("text");
    let mut status = 0;
    // SAFETY: `status` is there to be written to.
    assert_eq!(unsafe { libc::waitpid(process, &raw mut status, 0) }, process);
    assert!(!libc::WIFSIGNALED(status), "the child was ended by signal {}", libc::WTERMSIG(status));
    assert_eq!(libc::WEXITSTATUS(status), 0, "the child has not done all that it should");
    written
}

/// Calls every operation with a known session and a new one. Returns whether all succeeded.
fn use_all(store: &SessionStore, known: &SessionId) -> bool {
    let Ok(id) = store.create_with([("user", "bob")]) else { return false };
    let got = store.get(known, "user").as_deref() == Some("ada") && store.get(&id, "user").as_deref() == Some("bob");
    let set = store.set(known, "role", "guest").is_ok() && store.set(&id, "role", "admin").is_ok();
    let Ok(next) = store.rotate_id(&id) else { return false };
    let deleted = !store.exists(&id) && store.delete(&next) && !store.exists(&next);
    store.flush();
    got && set && deleted
}

#[test]
fn a_child_has_the_sessions_and_may_drop_or_stop_the_sweeper_that_is_not_there() {
    // The parent's sweeper is at a different point at each fork.
    for round in 0..50 {
        let (store, clock) = store(1_000);
        let store = Arc::new(store);
        let known = session(&store);
        let sweeper = Sweeper::start(Arc::clone(&store), TICK).expect("a thread");
        let forked = in_a_child(|_| {
            let used = use_all(&store, &known);
            clock.advance(TTL + TICK);
            let evicted = store.evict_expired() == 1 && store.count() == 0;
            if round % 2 == 0 {
                drop(sweeper)
            } else {
                sweeper.stop()
            }
            // The child's own sweeper, which has a thread.
            let store = Arc::new(SessionStore::default());
            let started = Sweeper::start(Arc::clone(&store), TICK).map(Sweeper::stop).is_ok();
            used && evicted && started && Arc::strong_count(&store) == 1
        });
        assert_eq!(forked, "");
        assert!(use_all(&store, &known), "what the child did is done to the parent's sessions");
    }
}

#[test]
fn operations_in_progress_at_the_fork_block_no_operation_in_the_child() {
    let (store, _clock) = store(0);
    let known = session(&store);
    let ((inside, is_inside), (go_on, told_to)) = (channel(), channel::<()>());
    thread::scope(|scope| {
        let (store, known) = (&store, &known);
        scope.spawn(move || {
            // A reader, which holds back retired memory.
            store.read(known, |_| {
                inside.send(()).expect("the test waits");
                let _ = told_to.recv_timeout(Duration::from_secs(60));
            })
        });
        is_inside.recv().expect("it reads");
        let forked = in_a_child(|_| {
            let ids: Vec<_> = (0..10_000).map(|_| session(store)).collect();
            let deleted = ids.iter().all(|id| store.delete(id));
            use_all(store, known) && deleted && store.evict_expired() == 0 && store.count() == 1
        });
        drop(go_on);
        assert_eq!(forked, "");
    });
}

/// Creates so many sessions, and returns the digits of their ids.
fn draw(store: &SessionStore, count: usize) -> Vec<String> {
    (0..count).map(|_| session(store).hex().to_string()).collect()
}

#[track_caller]
fn assert_all_different<'i>(ids: impl IntoIterator<Item = &'i str>, count: usize) {
    let all: HashSet<&str> = ids.into_iter().collect();
    assert_eq!(all.len(), count, "an id was drawn twice, or an id is missing");
    assert!(!all.contains(&*"0".repeat(64)), "an id of a page that was wiped");
}

#[test]
fn parent_and_child_make_different_ids() {
    const EACH: usize = 10_000;
    let (store, _clock) = store(0);
    // Wherever in a batch the fork meets the thread.
    for before in 1..=8 {
        let before = draw(&store, before);
        let count = if before.len() == 3 { EACH } else { 20 };
        let forked = in_a_child(|to_parent| to_parent.write_all(draw(&store, count).join("\n").as_bytes()).is_ok());
        let after = draw(&store, count);
        let all = before.iter().chain(&after).map(String::as_str).chain(forked.lines());
        assert_all_different(all, before.len() + 2 * count);
    }
}

#[test]
fn ids_that_a_child_and_its_own_child_draw_are_all_different() {
    let (store, _clock) = store(0);
    let before = draw(&store, 3);
    let forked = in_a_child(|to_parent| {
        let before = draw(&store, 3);
        let forked = in_a_child(|to_child| to_child.write_all(draw(&store, 20).join("\n").as_bytes()).is_ok());
        let after = draw(&store, 20);
        to_parent.write_all([before.join("\n"), forked, after.join("\n")].join("\n").as_bytes()).is_ok()
    });
    let after = draw(&store, 20);
    assert_all_different(before.iter().chain(&after).map(String::as_str).chain(forked.lines()), 3 + 20 + 43);
}

/// The kilobytes of this process's memory that the kernel wipes in a child, and whether all of it is left out of core
/// dumps.
#[cfg(target_os = "linux")]
fn wiped_memory() -> (usize, bool) {
    let maps = std::fs::read_to_string("/proc/self/smaps").expect("the kernel's list of mappings");
    let (mut size, mut wiped, mut all_undumped) = (0, 0, true);
    for line in maps.lines() {
        if let Some(kilobytes) = line.strip_prefix("Size:") {
            size = kilobytes.trim().trim_end_matches(" kB").parse().expect("a number");
        }
        if let Some(flags) = line.strip_prefix("VmFlags:").filter(|flags| flags.contains(" wf")) {
            wiped += size;
            all_undumped &= flags.contains(" dd");
        }
    }
    (wiped, all_undumped)
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_keeps_its_ids_in_memory_that_is_wiped_by_a_fork_and_not_dumped_and_is_unmapped_when_it_ends() {
    let (store, _clock) = store(0);
    // In a child, which has no threads but those of its own.
    let forked = in_a_child(|to_parent| {
        let store = &store;
        let in_a_thread = || thread::scope(|scope| scope.spawn(|| (session(store), wiped_memory()).1).join().ok());
        // The C library maps such memory too, for the first thread, and keeps it.
        in_a_thread();
        let before = wiped_memory();
        let Some(meanwhile) = in_a_thread() else { return false };
        let after = wiped_memory();
        write!(to_parent, "{} {} {before:?}", meanwhile.0 > before.0, meanwhile.1).is_ok() && before == after
    });
    assert!(forked.starts_with("true true"), "more memory meanwhile, none of it dumped: {forked}");
}
