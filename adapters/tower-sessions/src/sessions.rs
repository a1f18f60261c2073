//! Records in a cloakroom store, without the types of either version of the traits. Both kinds of store share this.

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use cloakroom::{FulfilError, InsertError, ReserveError, SessionId, SessionStore, Timeouts};
use serde_json::Value;
use time::OffsetDateTime;

use crate::settings::Settings;
use crate::size;
use crate::wall::Wall;

/// The data of a session in tower-sessions: values by their names.
pub type Data = HashMap<String, Value>;

/// The time for which a sweep runs before it yields to other tasks of the executor.
const SWEPT_AT_ONCE: Duration = Duration::from_micros(500);

/// The longest time from a look-up in a cache that misses to the save that fills the cache. A fill that takes longer is
/// not cached.
const FILLED_WITHIN: Duration = Duration::from_secs(10);

/// The time after a deletion from a cache in which the cache takes no copy of the session from the store behind it: the
/// store may be deleting it still, and another request may have loaded it before.
const BARRED_FOR: Duration = Duration::from_secs(60);

/// The content of a session in the table: a record without its id.
struct Held {
    data: Data,
    expiry_date: OffsetDateTime,
}

/// A record without its id.
pub(crate) type Content = (Data, OffsetDateTime);

pub(crate) struct Sessions {
    table: SessionStore<Held>,
    wall: Wall,
    max_session_bytes: usize,
}

/// The id's 16 bytes, followed by zeros. tower-sessions draws them from a cryptographic generator.
fn key(id: i128) -> SessionId {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&id.to_le_bytes());
    SessionId::from_bytes(bytes)
}

impl Sessions {
    pub(crate) fn new(settings: &Settings) -> Self {
        let wall = settings.wall();
        let builder = SessionStore::builder()
            // A session lives until its expiry date, because tower-sessions does not count a read as activity.
            .ttl(Duration::MAX)
            .max_sessions(settings.max_sessions)
            .when_full(settings.when_full)
            .clock(wall.clock());
        let table = builder.build_typed().expect("the cookie has its default name");
        Self { table, wall, max_session_bytes: settings.max_session_bytes }
    }

    /// Refuses data that exceeds the size limit.
    pub(crate) fn check(&self, data: &Data) -> Result<(), InsertError> {
        let limit = self.max_session_bytes;
        match size::of(data, limit) {
            size if size > limit => Err(InsertError::TooLarge { size, limit }),
            _ => Ok(()),
        }
    }

    /// Inserts a record, unless there is a live one with its id. Does not store an expired record.
    pub(crate) fn insert(&self, id: i128, data: &Data, expiry_date: OffsetDateTime) -> Result<(), InsertError> {
        let Some(left) = self.wall.until(expiry_date) else {
            return if self.table.exists(&key(id)) { Err(InsertError::Occupied) } else { Ok(()) };
        };
        let held = Held { data: data.clone(), expiry_date };
        self.table.insert_with(&key(id), Timeouts::default().absolute(left), held)
    }

    /// Replaces the live record with this id, if there is one. Returns whether there was. An expired record ends the
    /// session.
    pub(crate) fn replace(&self, id: i128, data: &Data, expiry_date: OffsetDateTime) -> bool {
        let Some(left) = self.wall.until(expiry_date) else { return self.table.delete(&key(id)) };
        let held = |_: &Held| Held { data: data.clone(), expiry_date };
        self.table.replace_with(&key(id), Timeouts::default().absolute(left), held).is_ok()
    }

    /// Replaces the live record with this id, or puts the record in place of the reservation of its id. Otherwise it
    /// does nothing: a record without a reservation may be of a session that has been deleted.
    ///
    /// Lock-free: it repeats its steps only if another thread has filled or ended the session between them.
    pub(crate) fn fill(&self, id: i128, data: &Data, expiry_date: OffsetDateTime) -> Result<(), FulfilError> {
        loop {
            if self.replace(id, data, expiry_date) {
                return Ok(());
            }
            let Some(reservation) = self.table.reservation(&key(id)) else {
                if self.table.exists(&key(id)) {
                    continue;
                }
                return Ok(());
            };
            let Some(left) = self.wall.until(expiry_date) else { return Ok(()) };
            let held = Held { data: data.clone(), expiry_date };
            match reservation.fulfil_with(Timeouts::default().absolute(left), held) {
                Err(FulfilError::Ended) => {}
                other => return other,
            }
        }
    }

    /// The live record with this id. If there is none, reserves the id for the record that is fetched next.
    pub(crate) fn load_or_reserve(&self, id: i128) -> Option<Content> {
        self.load(id).or_else(|| match self.table.reserve(&key(id), FILLED_WITHIN) {
            Ok(reservation) => {
                reservation.detach();
                None
            }
            // Another request has filled it.
            Err(ReserveError::Occupied) => self.load(id),
            // Another request is fetching it, or it has been deleted, or too many are being fetched.
            Err(_) => None,
        })
    }

    /// Ends a session and takes no copy of it for a while.
    pub(crate) fn delete_and_bar(&self, id: i128) {
        self.table.delete_and_bar(&key(id), BARRED_FOR);
    }

    /// The live record with this id.
    pub(crate) fn load(&self, id: i128) -> Option<Content> {
        let now = self.wall.now();
        // The table counts time in milliseconds; the expiry date is exact.
        let copy = |held: &Held| (held.expiry_date > now).then(|| (held.data.clone(), held.expiry_date));
        self.table.read(&key(id), copy).flatten()
    }

    pub(crate) fn delete(&self, id: i128) {
        self.table.delete(&key(id));
    }

    pub(crate) fn delete_where(&self, mut f: impl FnMut(&Data) -> bool) -> usize {
        self.table.delete_where(|session| f(&session.content().data))
    }

    pub(crate) fn count(&self) -> usize {
        self.table.count()
    }

    /// Ends the sessions that have expired. First completes a round that another caller may have begun, then runs one
    /// more.
    pub(crate) async fn delete_expired(&self) {
        for _ in 0..2 {
            while !self.table.evict_expired_within(SWEPT_AT_ONCE).complete {
                yield_once().await;
            }
        }
    }
}

/// Lets other tasks of the executor run.
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloakroom::ManualClock;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn sessions() -> (Sessions, ManualClock) {
        let clock = ManualClock::new();
        (Sessions::new(&Settings::new().clock(clock.clone())), clock)
    }

    #[test]
    fn an_expiry_date_is_kept_to_the_nanosecond() {
        let (sessions, clock) = sessions();
        let expiry_date = sessions.wall.now() + Duration::from_nanos(1_500_000);
        sessions.insert(1, &Data::new(), expiry_date).expect("there is room");
        clock.advance(Duration::from_nanos(1_499_999));
        assert_eq!(sessions.load(1), Some((Data::new(), expiry_date)));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(sessions.load(1), None);
    }

    /// A round that began before the sessions expired does not remove them.
    #[test]
    fn sessions_that_expire_during_a_round_are_deleted_by_a_later_call() {
        let (sessions, clock) = sessions();
        let expiry_date = sessions.wall.now() + Duration::from_secs(60);
        for id in 0..5_000 {
            sessions.insert(id, &Data::new(), expiry_date).expect("there is room");
        }
        assert!(!sessions.table.evict_expired_within(Duration::ZERO).complete);
        clock.advance(Duration::from_secs(61));
        let mut deletion = pin!(sessions.delete_expired());
        while deletion.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
        assert_eq!(sessions.count(), 0);
    }
}
