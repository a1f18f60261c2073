//! Restoring sessions while the store serves.
//!
//! [`Records`] holds what was on disk when the directory was opened. All of it is read, decrypted and parsed before
//! the store serves. So a record that cannot be read is met then, and no look-up waits for the disk or takes an error
//! of the disk for "no such session". A thread puts one record after the other into the store. What an operation
//! needs sooner, it puts there itself: the record of its id, those of its principal, or all of them.
//!
//! # No session comes back, and none is lost
//!
//! 1. A record is put into the store under its stand-in within its [`Once`](std::sync::Once). So each record is put
//!    there once, by whatever thread.
//! 2. An operation that finds no session under its id runs the `Once` of the record, or waits until it has run, and
//!    then looks at the stand-in. The session was put there before, so the operation finds it there or under its own
//!    id, unless it has ended (`src/store/journal.rs` of the core).
//! 3. A session ends in the store only. So its `Once` has run before, and 1 keeps the record from being put there
//!    again.
//! 4. The writing thread looks at the sessions of which it was told, and it is told of a session within the `Once` or
//!    after it. So a record on disk is removed only if its session has ended in the store, or the store has refused it.
//!    When the database is made anew, all records are put into the store first.

use crate::journal::Note;
use crate::names::DiskKey;
use crate::options::Told;
use crate::record;
use crate::records::{Record, Records, Restore};
use crate::writer::Shared;
use cloakroom::{ImportError, Principal};
use cloakroom_codec::{Kept, Refused};
use std::cell::Cell;
use std::sync::atomic::Ordering;

thread_local! {
    /// Whether this thread is putting a record into the store. A listener that is called in the midst must not wait for
    /// that record.
    static BRINGING: Cell<bool> = const { Cell::new(false) };
}

struct Bringing;

impl Bringing {
    fn begin() -> Self {
        BRINGING.set(true);
        Self
    }
}

impl Drop for Bringing {
    fn drop(&mut self) {
        BRINGING.set(false);
    }
}

impl<T: Kept + ?Sized> Restore for Shared<T> {
    fn bring(&self, key: &DiskKey) -> bool {
        let records = self.restoring.records();
        records.is_some_and(|records| records.find(key).is_some_and(|record| self.bring_one(&records, record)))
    }

    fn bring_of(&self, principal: &Principal) {
        if let Some(records) = self.restoring.records() {
            records.of(principal).for_each(|record| _ = self.bring_one(&records, record));
        }
    }

    fn bring_all(&self) {
        if let Some(records) = self.restoring.records() {
            // From the end, because the restoring thread comes from the beginning.
            records.records.iter().rev().for_each(|record| _ = self.bring_one(&records, record));
        }
    }
}

impl<T: Kept + ?Sized> Shared<T> {
    /// Puts all records into the store, and calls `progress` after each 10,000 sessions. `before` is called before each
    /// record with its number.
    pub(crate) fn restore(&self, progress: Option<&Told>, before: Option<&Told>) {
        const STEP: u64 = 10_000;
        let (Some(records), mut told) = (self.restoring.records(), 0) else { return };
        for (number, record) in records.records.iter().enumerate() {
            if let Some(before) = before {
                before(number as u64);
            }
            self.bring_one(&records, record);
            let sessions = self.restoring.sessions.load(Ordering::Relaxed);
            while told + STEP <= sessions {
                told += STEP;
                if let Some(progress) = progress {
                    progress(told);
                }
            }
        }
    }

    fn bring_one(&self, records: &Records, record: &Record) -> bool {
        let mut refused = false;
        if !record.brought.is_completed() && !BRINGING.get() {
            record.brought.call_once(|| {
                let _bringing = Bringing::begin();
                refused = self.import(records, record);
            });
        }
        refused
    }

    /// Puts a session into the store under its stand-in. Returns whether the store does not allow it any more.
    fn import(&self, records: &Records, record: &Record) -> bool {
        let (restoring, stand_in) = (&self.restoring, self.journal.names.stand_in(&record.key));
        let parsed = record::parse(records.bytes(record)).expect("it was parsed before");
        let timeout = parsed.idle_timeout.unwrap_or(self.store.ttl());
        // After a crash nobody knows whether the session was used since its last use was written.
        let unknown = if restoring.clean { 0 } else { self.unwritten_use(timeout) };
        let result = match parsed.carried(self.timeline.now(), unknown) {
            None => Err(Refused::Import(ImportError::Expired)),
            Some(carried) => T::restore(&self.store, &stand_in, &carried, parsed.content),
        };
        let (count, refused) = match result {
            Ok(()) => (&restoring.sessions, false),
            Err(Refused::Import(ImportError::Expired)) => (&restoring.expired, false),
            Err(Refused::Import(_)) => (&restoring.refused, true),
            // It was read before, and its type does not read it now. It stays on disk.
            Err(_) => (&restoring.refused, false),
        };
        count.fetch_add(1, Ordering::Relaxed);
        if matches!(result, Err(Refused::Import(_))) || record.stale {
            // The end of a session that had no place is on disk as soon as that of one that made room.
            self.journal.push(Note { id: stand_in, and: None, urgent: refused });
        }
        restoring.pass();
        refused
    }
}
