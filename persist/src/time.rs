//! Time that goes on over restarts.
//!
//! A record on disk counts milliseconds on a *timeline* of the directory's own. While a process runs, the timeline
//! follows the monotonic clock, so setting the wall clock changes nothing. At a restart it goes on by the time that has
//! passed since the last commit: by the system's own clock since its start, if the machine has not been started anew,
//! otherwise by the wall clock, but never backwards. So a wall clock that was set back lengthens no session beyond what
//! was left at the last commit.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells how much time has passed since another process looked.
///
/// The default is [`SystemWall`]. Another one is for tests.
pub trait Wall: Debug + Send + Sync + 'static {
    /// Returns the time since the Unix epoch by the wall clock, which may be set ahead or back at any time.
    fn now(&self) -> Duration;

    /// Returns a name of the machine's current run, and the time since its start including sleep, if the system tells
    /// both.
    fn since_start(&self) -> Option<([u8; 16], Duration)> {
        None
    }
}

/// The clocks of the system: the wall clock, and on Linux the time since the machine's start.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWall;

impl Wall for SystemWall {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    #[cfg(target_os = "linux")]
    fn since_start(&self) -> Option<([u8; 16], Duration)> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let mut digits = text.bytes().filter_map(|byte| char::from(byte).to_digit(16));
        let mut run = [0; 16];
        for byte in &mut run {
            *byte = (digits.next()? << 4 | digits.next()?) as u8;
        }
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Some((run, Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?)))
    }
}

/// Where the timeline was at a commit, by each clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The timeline's milliseconds.
    pub(crate) at: u64,
    /// The wall clock's milliseconds.
    wall: u64,
    /// The machine's run, and the milliseconds since its start. Zeros if unknown.
    run: [u8; 16],
    since_start: u64,
}

impl Mark {
    pub(crate) const LEN: usize = 40;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.wall.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.run);
        bytes[32..].copy_from_slice(&self.since_start.to_le_bytes());
        bytes
    }

    /// `None` if the timeline is further than it can ever be.
    pub(crate) fn read(bytes: &[u8; Self::LEN]) -> Option<Self> {
        Some(Self::from_bytes(bytes)).filter(|mark| mark.at <= u64::MAX / 2)
    }

    fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let number = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("eight bytes"));
        let mut run = [0; 16];
        run.copy_from_slice(&bytes[16..32]);
        Self { at: number(0), wall: number(8), run, since_start: number(32) }
    }
}

/// The timeline of a process.
pub(crate) struct Timeline {
    wall: Arc<dyn Wall>,
    /// The timeline's milliseconds at `origin`.
    at_origin: u64,
    origin: Instant,
}

pub(crate) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// An eighth of an idle timeout, in milliseconds.
pub(crate) fn eighth(timeout: Duration) -> u64 {
    (milliseconds(timeout) / 8).max(1)
}

/// For how long a use of a session with this idle timeout may be missing from its record, if all sessions are looked at
/// this often.
pub(crate) fn unwritten_use(timeout: Duration, scan: Duration) -> u64 {
    eighth(timeout).saturating_add(2 * milliseconds(scan))
}

/// Where the first timeline begins. Sessions may have been used before it.
const BEGINNING: u64 = 1 << 40;

impl Timeline {
    /// Goes on where another process stopped, if there was one.
    pub(crate) fn resume(wall: Arc<dyn Wall>, last: Option<Mark>) -> Self {
        let at_origin = last.map_or(BEGINNING, |last| {
            let away = match wall.since_start() {
                Some((run, now)) if run == last.run => milliseconds(now).saturating_sub(last.since_start),
                _ => milliseconds(wall.now()).saturating_sub(last.wall),
            };
            last.at.saturating_add(away)
        });
        Self { wall, at_origin, origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> u64 {
        self.at_origin.saturating_add(milliseconds(self.origin.elapsed()))
    }

    pub(crate) fn mark(&self) -> Mark {
        let (run, since_start) = self.wall.since_start().unwrap_or_default();
        Mark { at: self.now(), wall: milliseconds(self.wall.now()), run, since_start: milliseconds(since_start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    struct At(u64, Option<(u8, u64)>);

    impl Wall for At {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0)
        }

        fn since_start(&self) -> Option<([u8; 16], Duration)> {
            self.1.map(|(run, seconds)| ([run; 16], Duration::from_secs(seconds)))
        }
    }

    /// The seconds by which the timeline goes on from `before` to `after`.
    fn away(before: At, after: At) -> u64 {
        let mark = Timeline::resume(Arc::new(before), None).mark();
        let resumed = Timeline::resume(Arc::new(after), Some(Mark::from_bytes(&mark.to_bytes())));
        (resumed.at_origin - mark.at) / 1_000
    }

    const DAY: u64 = 86_400;

    #[test]
    fn the_time_away_is_the_wall_clocks_and_never_negative() {
        assert_eq!(away(At(10 * DAY, None), At(10 * DAY + 60, None)), 60);
        assert_eq!(away(At(10 * DAY, None), At(9 * DAY, None)), 0);
        assert_eq!(away(At(10 * DAY, Some((1, 500))), At(10 * DAY + 60, Some((2, 5)))), 60);
    }

    #[test]
    fn setting_the_wall_clock_changes_nothing_while_the_machine_runs() {
        for wall in [9 * DAY, 10 * DAY, 11 * DAY] {
            assert_eq!(away(At(10 * DAY, Some((1, 500))), At(wall, Some((1, 560)))), 60);
        }
    }

    #[test]
    fn the_system_names_its_run() {
        assert_eq!(SystemWall.since_start().is_some(), cfg!(target_os = "linux"));
        assert_eq!(SystemWall.since_start().map(|(run, _)| run), SystemWall.since_start().map(|(run, _)| run));
    }
}
