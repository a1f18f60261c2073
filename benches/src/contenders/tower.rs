//! tower-sessions' `MemoryStore`, used as its middleware uses it: a request loads the record, and saves it with a new
//! expiry date.
//!
//! Its ids have 16 bytes; the other 16 bytes of an id are zero here. Only its interface is asynchronous: it never waits
//! for anything except its one mutex, so it needs no runtime but a loop that yields the thread.

use crate::contender::{Contender, Extent, Setup};
use crate::ids::{Id, Ids};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use time::OffsetDateTime;
use tower_sessions::{MemoryStore, SessionStore, session};

pub struct Tower {
    store: MemoryStore,
    ttl: Duration,
    ids: Ids,
}

impl Tower {
    fn load(&self, id: &Id) -> Option<session::Record> {
        block_on(self.store.load(&session_id(id))).expect("memory does not fail")
    }

    fn save(&self, mut record: session::Record) {
        record.expiry_date = self.expiry_date();
        block_on(self.store.save(&record)).expect("memory does not fail");
    }

    fn expiry_date(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.ttl
    }
}

fn session_id(id: &Id) -> session::Id {
    session::Id(i128::from_le_bytes(std::array::from_fn(|index| id[index])))
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // Another thread has locked the mutex.
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

impl Contender for Tower {
    const NAME: &'static str = "tower-sessions MemoryStore";
    const EXTENT: Extent = Extent::WithoutEviction;
    const OWN_CLOCK: bool = true;

    fn open(setup: Setup) -> Self {
        Self { store: MemoryStore::default(), ttl: setup.ttl, ids: setup.ids }
    }

    fn create(&self, attributes: &[(&str, &str)]) -> Id {
        let mut id = self.ids.draw();
        id[16..].fill(0);
        let data = attributes.iter().map(|&(key, value)| (key.to_owned(), value.into())).collect();
        let mut record = session::Record { id: session_id(&id), data, expiry_date: self.expiry_date() };
        block_on(self.store.create(&mut record)).expect("memory does not fail");
        assert!(record.id == session_id(&id), "an id was drawn twice");
        id
    }

    fn read<R>(&self, id: &Id, key: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let record = self.load(id)?;
        let result = record.data.get(key).and_then(|value| value.as_str()).map(f);
        self.save(record);
        result
    }

    fn set(&self, id: &Id, key: &str, value: &str) -> bool {
        let Some(mut record) = self.load(id) else { return false };
        record.data.insert(key.to_owned(), value.into());
        self.save(record);
        true
    }

    fn exists(&self, id: &Id) -> bool {
        self.load(id).is_some()
    }

    fn delete(&self, id: &Id) -> bool {
        let existed = self.exists(id);
        block_on(self.store.delete(&session_id(id))).expect("memory does not fail");
        existed
    }

    fn evict_expired(&self) -> usize {
        unreachable!("the store cannot evict")
    }
}
