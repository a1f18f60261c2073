//! What both kinds of store and both versions of the traits share: records in the table, without the types of either
//! version.

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use cloakroom::{InsertError, SessionId, SessionStore, Timeouts};
use serde_json::Value;
use time::OffsetDateTime;

use crate::settings::Settings;
use crate::wall::Wall;

/// The data of a session, as tower-sessions has it: values by their names.
pub type Data = HashMap<String, Value>;

/// For how long a sweep keeps the executor's thread before it lets other tasks have it.
const SWEPT_AT_ONCE: Duration = Duration::from_micros(500);

/// What the table holds of a record.
struct Held {
    data: Data,
    expiry_date: OffsetDateTime,
}

/// A record without its id.
pub(crate) type Content = (Data, OffsetDateTime);

pub(crate) struct Sessions {
    table: SessionStore<Held>,
    wall: Wall,
}

/// The id's 16 bytes, then zeros. They come from the framework's generator, which is a cryptographic one.
fn key(id: i128) -> SessionId {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&id.to_le_bytes());
    SessionId::from_bytes(bytes)
}

impl Sessions {
    pub(crate) fn new(settings: &Settings) -> Self {
        let wall = settings.wall();
        let builder = SessionStore::builder()
            // A session lives until its expiry date, used or not: reading is no activity to tower-sessions.
            .ttl(Duration::MAX)
            .max_sessions(settings.max_sessions)
            .when_full(settings.when_full)
            .clock(wall.clock());
        let table = builder.build_typed().expect("the name of the cookie is the default one");
        Self { table, wall }
    }

    /// Puts a record in, unless there is a live one of its id. One whose time is over is not kept.
    pub(crate) fn insert(&self, id: i128, data: &Data, expiry_date: OffsetDateTime) -> Result<(), InsertError> {
        let Some(left) = self.wall.until(expiry_date) else {
            return if self.table.exists(&key(id)) { Err(InsertError::Occupied) } else { Ok(()) };
        };
        let held = Held { data: data.clone(), expiry_date };
        self.table.insert_with(&key(id), Timeouts::default().absolute(left), held)
    }

    /// Puts a record in place of the live one of its id, if there is one, and says whether. One whose time is over ends
    /// the session.
    pub(crate) fn replace(&self, id: i128, data: &Data, expiry_date: OffsetDateTime) -> bool {
        let Some(left) = self.wall.until(expiry_date) else { return self.table.delete(&key(id)) };
        let held = |_: &Held| Held { data: data.clone(), expiry_date };
        self.table.replace_with(&key(id), Timeouts::default().absolute(left), held).is_ok()
    }

    /// Puts a record in, whether or not there is one of its id.
    ///
    /// Goes on only when others have ended the session or put one in between its two steps, so it is lock-free as they
    /// are.
    pub(crate) fn fill(&self, id: i128, data: &Data, expiry_date: OffsetDateTime) -> Result<(), InsertError> {
        loop {
            if self.replace(id, data, expiry_date) {
                return Ok(());
            }
            match self.insert(id, data, expiry_date) {
                Err(InsertError::Occupied) => {}
                other => return other,
            }
        }
    }

    /// The live record of this id.
    pub(crate) fn load(&self, id: i128) -> Option<Content> {
        let now = self.wall.now();
        // The table tells time in milliseconds; the date is exact.
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

    /// Ends the sessions that have expired: what is left of the round that others may have begun, then a whole one.
    pub(crate) async fn delete_expired(&self) {
        for _ in 0..2 {
            while !self.table.evict_expired_within(SWEPT_AT_ONCE).complete {
                let_others_run().await;
            }
        }
    }
}

async fn let_others_run() {
    let mut have_run = false;
    poll_fn(|context| {
        if have_run {
            return Poll::Ready(());
        }
        have_run = true;
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

    /// Whoever has begun a round has seen what was live then.
    #[test]
    fn what_expires_in_the_midst_of_a_round_is_deleted_when_deletion_has_begun_after_that() {
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
