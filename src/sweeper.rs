//! A thread that evicts expired sessions at intervals.
//!
//! Sessions expire without it: an expired session is never returned. The thread frees their memory, which otherwise
//! happens only when an operation asks for them.

use crate::content::Content;
use crate::store::{Eviction, SessionStore};
use core::ops::Deref;
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Builder, JoinHandle};
use std::{io, mem, process};

const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// How long the thread sweeps at a time, and how long it rests in between.
const SLICE: Duration = Duration::from_millis(1);

/// Evicts expired sessions at intervals, on its own thread, until it is dropped.
///
/// The thread goes through the store in rounds, with [`SessionStore::evict_expired_within`]: it sweeps for a
/// millisecond at a time and rests for a millisecond in between, so it takes at most half of one core. After a round it
/// frees the memory of the ended sessions, and with the feature `metrics` it exports the store's figures.
///
/// The interval is the longest pause between two rounds, in real time, whatever clock the store has. The shortest
/// interval is a millisecond; a shorter one, including zero, counts as that. If a round has ended an eighth of all
/// sessions or more, the next pause is halved, down to a sixteenth of the interval. If it has ended at most a
/// thirty-second, the next pause is doubled, up to the interval.
///
/// The thread keeps the store alive. Sweeping does not delay other threads. If the store's clock panics, the panic hook
/// reports it, and the round continues after the interval; with `panic = "abort"` the process ends.
///
/// **Dropping the sweeper may block**: it stops the thread and waits for its end, which takes as long as the sweep of a
/// millisecond and the freeing after it. A pause ends at once. If the sweeper is dropped on its own thread, which a
/// custom clock or a listener could do, it does not wait, and the present sweep is the last.
///
/// **A forked child** has the sweeper, but not its thread: nothing sweeps there, and dropping the sweeper does nothing
/// (and leaks the thread's handle of the store). A child that uses the store starts its own sweeper.
///
/// # Examples
///
/// ```
/// use cloakroom::{SessionStore, Sweeper};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let store = Arc::new(SessionStore::builder().build()?);
/// let sweeper = Sweeper::start(Arc::clone(&store), Duration::from_secs(60))?;
/// store.create()?;
/// sweeper.stop();
/// assert_eq!(Arc::strong_count(&store), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping a sweeper stops it"]
pub struct Sweeper {
    /// `None` only while the sweeper is being dropped. Nothing is ever sent: the thread ends when the channel is
    /// closed.
    running: Option<(Sender<()>, JoinHandle<()>)>,
    /// The process that has the thread. A forked child has a copy of this sweeper, but not the thread.
    process: u32,
}

impl Sweeper {
    /// Starts a thread that sweeps `store`, an `Arc<SessionStore>` or a `&'static SessionStore`. The first round begins
    /// after one `interval`.
    ///
    /// Allocates. Makes a system call, and **may block** as [`std::thread::Builder::spawn`] does.
    ///
    /// # Errors
    ///
    /// The error of the operating system if it cannot start a thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionStore, Sweeper};
    /// use std::sync::LazyLock;
    /// use std::time::Duration;
    ///
    /// static SESSIONS: LazyLock<SessionStore> = LazyLock::new(|| SessionStore::new(SessionConfig::default()));
    ///
    /// let sweeper = Sweeper::start(&*SESSIONS, Duration::from_secs(60))?;
    /// SESSIONS.create().expect("a session");
    /// # drop(sweeper);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start<S, T>(store: S, interval: Duration) -> io::Result<Self>
    where
        S: Deref<Target = SessionStore<T>> + Send + 'static,
        T: Content + ?Sized,
    {
        let interval = interval.max(SHORTEST_INTERVAL);
        let (open, closed) = channel();
        let thread =
            Builder::new().name("cloakroom-sweeper".to_owned()).spawn(move || run(&store, interval, &closed))?;
        Ok(Self { running: Some((open, thread)), process: process::id() })
    }

    /// Stops the thread and waits for its end, as dropping the sweeper does. **May block.** Does nothing in a forked
    /// child.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        let Some((open, thread)) = self.running.take() else { return };
        let own = thread.thread().id() == thread::current().id();
        if !own && process::id() != self.process {
            // A forked child: there is no thread to join or detach. Closing the channel could wait forever, because the
            // thread may have held the channel's lock at the fork.
            mem::forget((open, thread));
            return;
        }
        drop(open);
        if !own {
            // An error is a panic in the `Drop` of the store's handle, which the panic hook has reported.
            let _ = thread.join();
        }
    }
}

/// Waits for `pause`, and returns whether the sweeper goes on.
fn waited(pause: Duration, closed: &Receiver<()>) -> bool {
    closed.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

fn run<T: Content + ?Sized>(store: &impl Deref<Target = SessionStore<T>>, interval: Duration, closed: &Receiver<()>) {
    let mut pause = interval;
    while waited(pause, closed) {
        let mut ended = 0;
        pause = loop {
            // Unwind safe, because a panic of the clock leaves the store unchanged. The panic hook has reported it.
            let Ok((eviction, left)) = catch_unwind(AssertUnwindSafe(|| sweep(store))) else { break interval };
            ended += eviction.ended;
            if eviction.complete {
                break next_pause(pause, interval, ended, left);
            }
            if !waited(SLICE, closed) {
                return;
            }
        };
    }
}

/// Does a slice of a round, and returns the number of sessions that are left too.
fn sweep<T: Content + ?Sized>(store: &SessionStore<T>) -> (Eviction, usize) {
    let eviction = store.evict_expired_within(SLICE);
    if eviction.complete {
        store.flush();
        #[cfg(feature = "metrics")]
        store.export_metrics();
    }
    (eviction, store.count())
}

/// The pause after a round that has ended `ended` sessions and left `left`.
fn next_pause(pause: Duration, interval: Duration, ended: usize, left: usize) -> Duration {
    let all = ended.saturating_add(left);
    if ended > 0 && ended >= all / 8 {
        (pause / 2).max(interval / 16).max(SHORTEST_INTERVAL)
    } else if ended <= all / 32 {
        pause.saturating_mul(2).min(interval)
    } else {
        pause
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    const DEADLINE: Duration = Duration::from_secs(20);
    const MILLISECOND: Duration = Duration::from_millis(1);
    const TTL: Duration = Duration::from_secs(60);

    fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < DEADLINE, "{what}: not in time");
            thread::yield_now();
        }
    }

    fn store_with(clock: impl Clock) -> Arc<SessionStore> {
        Arc::new(SessionStore::builder().ttl(TTL).clock(clock).build().unwrap())
    }

    /// Panics if `action` does not end in time, so that the test fails instead of hanging.
    fn in_time(what: &str, action: impl FnOnce() + Send + 'static) {
        let (done, finished) = channel();
        let thread = thread::spawn(move || {
            action();
            done.send(()).unwrap();
        });
        finished.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{what}: not in time"));
        thread.join().unwrap();
    }

    #[test]
    fn expired_sessions_are_evicted_and_live_ones_stay() {
        let clock = ManualClock::new();
        let store = store_with(clock.clone());
        let expiring = store.create().unwrap();
        clock.advance(TTL);
        let live = store.create().unwrap();
        let _sweeper = Sweeper::start(Arc::clone(&store), MILLISECOND).unwrap();

        clock.advance(MILLISECOND);
        wait_until("eviction", || store.count() == 1);
        assert!(store.exists(&live) && !store.exists(&expiring));

        clock.advance(TTL);
        wait_until("the next sweep", || store.count() == 0);
    }

    #[test]
    fn stop_ends_the_longest_pause_at_once() {
        for interval in [Duration::from_secs(3_600), Duration::MAX] {
            let store = store_with(ManualClock::new());
            let sweeper = Sweeper::start(Arc::clone(&store), interval).unwrap();
            in_time("stop", move || sweeper.stop());
            assert_eq!(Arc::strong_count(&store), 1);
        }
    }

    /// A handle of a store that calls a closure at each sweep, and when the sweeper's thread drops the handle.
    struct Handle<F: FnMut(Event) + Send + 'static>(Arc<SessionStore>, Mutex<F>);

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Event {
        Sweep,
        End,
    }

    impl<F: FnMut(Event) + Send + 'static> Deref for Handle<F> {
        type Target = SessionStore;

        fn deref(&self) -> &SessionStore {
            (self.1.lock().unwrap())(Event::Sweep);
            &self.0
        }
    }

    impl<F: FnMut(Event) + Send + 'static> Drop for Handle<F> {
        fn drop(&mut self) {
            (self.1.get_mut().unwrap())(Event::End);
        }
    }

    #[test]
    fn dropping_returns_after_the_thread_has_ended() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (returned, has_returned) = channel();
        let thread_log = Arc::clone(&log);
        let handle = Handle(
            store_with(ManualClock::new()),
            Mutex::new(move |event| {
                if event == Event::End {
                    // Gives a drop that does not wait the time to return first.
                    let _ = has_returned.recv_timeout(Duration::from_millis(100));
                    thread_log.lock().unwrap().push("thread has ended");
                }
            }),
        );
        let sweeper = Sweeper::start(handle, Duration::MAX).unwrap();
        drop(sweeper);
        log.lock().unwrap().push("drop has returned");
        let _ = returned.send(());
        wait_until("both", || log.lock().unwrap().len() == 2);
        assert_eq!(*log.lock().unwrap(), ["thread has ended", "drop has returned"]);
    }

    #[test]
    fn dropping_on_its_own_thread_neither_waits_for_itself_nor_sweeps_again() {
        let (events, seen) = channel();
        let own = Arc::new(Mutex::new(None::<Sweeper>));
        let handed = Arc::clone(&own);
        let handle = Handle(
            store_with(ManualClock::new()),
            Mutex::new(move |event| {
                if event == Event::Sweep {
                    drop(handed.lock().unwrap().take());
                }
                events.send(event).unwrap();
            }),
        );
        {
            let mut own = own.lock().unwrap();
            *own = Some(Sweeper::start(handle, MILLISECOND).unwrap());
        }
        assert_eq!(seen.recv_timeout(DEADLINE), Ok(Event::Sweep));
        assert_eq!(seen.recv_timeout(DEADLINE), Ok(Event::End));
    }

    #[test]
    fn an_interval_of_zero_counts_as_a_millisecond() {
        let (events, seen) = channel();
        let handle = Handle(store_with(ManualClock::new()), Mutex::new(move |event| events.send(event).unwrap_or(())));
        let start = Instant::now();
        let _sweeper = Sweeper::start(handle, Duration::ZERO).unwrap();
        for sweeps in 1..=20 {
            assert_eq!(seen.recv_timeout(DEADLINE), Ok(Event::Sweep));
            assert!(start.elapsed() >= sweeps * MILLISECOND, "{sweeps} sweeps");
        }
    }

    #[test]
    fn the_thread_has_a_name() {
        let (names, seen) = channel();
        let naming = move |event| {
            if event == Event::Sweep {
                let _ = names.send(thread::current().name().map(str::to_owned));
            }
        };
        let handle = Handle(store_with(ManualClock::new()), Mutex::new(naming));
        let _sweeper = Sweeper::start(handle, MILLISECOND).unwrap();
        assert_eq!(seen.recv_timeout(DEADLINE).unwrap().as_deref(), Some("cloakroom-sweeper"));
    }

    #[test]
    fn a_store_of_many_slices_is_swept_completely() {
        let clock = ManualClock::new();
        let store = store_with(clock.clone());
        for _ in 0..50_000 {
            store.create().unwrap();
        }
        clock.advance(TTL + MILLISECOND);
        let _sweeper = Sweeper::start(Arc::clone(&store), MILLISECOND).unwrap();
        wait_until("eviction", || store.count() == 0);
    }

    #[test]
    fn pauses_shrink_after_many_ends_grow_after_few_and_stay_within_bounds() {
        let interval = Duration::from_secs(16);
        let after = |seconds, ended, left| next_pause(Duration::from_secs(seconds), interval, ended, left).as_secs();
        assert_eq!([after(16, 125, 875), after(16, 1, 0), after(2, 5, 5), after(1, 5, 5)], [8, 8, 1, 1]);
        assert_eq!([after(4, 0, 0), after(4, 0, 1_000), after(4, 31, 969), after(16, 0, 9)], [8, 8, 8, 16]);
        assert_eq!([after(4, 32, 968), after(4, 124, 876)], [4, 4]);
        assert_eq!(next_pause(MILLISECOND, MILLISECOND, 9, 0), MILLISECOND);
        assert_eq!(next_pause(Duration::MAX, Duration::MAX, 0, 0), Duration::MAX);
    }

    struct Moody {
        time: ManualClock,
        panics_left: Mutex<u32>,
    }

    impl Clock for Moody {
        fn now(&self) -> Duration {
            let left = *self.panics_left.lock().unwrap();
            if left > 0 {
                *self.panics_left.lock().unwrap() -= 1;
                panic!("the clock is out of order, {left} times more");
            }
            self.time.now()
        }
    }

    #[test]
    fn the_sweeper_goes_on_after_panics_of_the_clock() {
        let time = ManualClock::new();
        let clock = Arc::new(Moody { time: time.clone(), panics_left: Mutex::new(0) });
        let store = store_with(Arc::clone(&clock));
        store.create().unwrap();
        *clock.panics_left.lock().unwrap() = 3;
        let _sweeper = Sweeper::start(Arc::clone(&store), MILLISECOND).unwrap();
        wait_until("three panics", || *clock.panics_left.lock().unwrap() == 0);
        time.advance(TTL + MILLISECOND);
        wait_until("eviction", || store.count() == 0);
    }
}
