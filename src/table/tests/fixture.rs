//! A table of counted versions, with its clock in the test's hand.

use super::super::*;
use crate::entry::account::{Account, Binding};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Head, Overrides, Owned};
use crate::expiry::Tick;
use crate::table::RemovalCause;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Ticks that a session may lie untouched.
pub(super) const IDLE: u64 = 10;

/// A version with a value, which tells by the count of its tokens when it is dropped.
pub(super) struct Version {
    pub(super) value: u64,
    _token: Arc<()>,
}

pub(super) struct Fixture {
    pub(super) table: Table<Version>,
    /// Has the account of the principal that sessions are bound to.
    _accounts: Table<Account>,
    binding: Binding,
    tokens: Arc<()>,
    now: AtomicU64,
    /// Whether sessions count bytes, and have a text of which the length depends on their value.
    sized: bool,
}

fn key(number: usize) -> Key {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}

impl Fixture {
    pub(super) fn new(shards: usize, limit: usize) -> Self {
        let accounts = Table::new(1, 0);
        let account = Owned::new(Head::first(key(9), Tick::new(0), &Overrides::NONE), Account::new(0), 0, |_| {});
        let binding = Binding::new(account.pointer(), 0, 1, 0);
        let moment = Moment::TIMELESS;
        let place = accounts.enter(&key(9)).expect("there is no limit");
        assert!(accounts.insert(place, account, moment).is_ok());
        let table = Table::new(shards, limit);
        Self { table, _accounts: accounts, binding, tokens: Arc::new(()), now: AtomicU64::new(0), sized: false }
    }

    /// The same with sessions whose bytes are counted and change with their values.
    pub(super) fn sized(self) -> Self {
        Self { table: self.table.within_bytes(0, usize::MAX), sized: true, ..self }
    }

    fn now(&self) -> Tick {
        Tick::new(self.now.load(Ordering::Relaxed))
    }

    pub(super) fn pass(&self, ticks: u64) {
        self.now.fetch_add(ticks, Ordering::Relaxed);
    }

    pub(super) fn set_back(&self, ticks: u64) {
        self.now.fetch_sub(ticks, Ordering::Relaxed);
    }

    pub(super) fn timed<R>(&self, f: impl FnOnce(Moment<'_>) -> R) -> R {
        let now = || self.now();
        f(Moment::new(now(), IDLE, &now))
    }

    fn version(&self, number: usize, stamp: Tick, value: u64) -> Owned<Version> {
        let head = Head::first(key(number), stamp, &Overrides::NONE);
        let text_len = if self.sized { (value as u32 + 1) % 5 * 40 } else { 0 };
        Owned::new(head, Version { value, _token: self.tokens.clone() }, text_len, |_| {})
    }

    pub(super) fn insert(&self, number: usize) -> bool {
        self.insert_with(number, 0)
    }

    pub(super) fn insert_with(&self, number: usize, value: u64) -> bool {
        let mut new = self.version(number, self.now(), value);
        loop {
            let Some(mut place) = self.table.enter(&key(number)) else { return false };
            if self.sized {
                assert!(place.resize(new.borrow().charge()), "there is no limit");
            }
            match self.timed(|moment| self.table.insert(place, new, moment)) {
                Ok(()) => return true,
                Err(back) => new = back,
            }
            // A reservation is in no insert's way, in the store.
            if !self.is_reserved(number) {
                return false;
            }
            self.table.end_reservation(&key(number), |_| true);
        }
    }

    fn is_reserved(&self, number: usize) -> bool {
        matches!(self.timed(|moment| self.table.taken(&key(number), moment)), Some(Taken::Reservation(_)))
    }

    pub(super) fn reserve(&self, number: usize, reservation: u64) -> bool {
        let absent = Version { value: 0, _token: self.tokens.clone() };
        let end = self.now().after(10 * IDLE);
        self.timed(|moment| self.table.reserve_key(&key(number), reservation, end, absent, moment)).is_ok()
    }

    pub(super) fn fulfil(&self, number: usize, reservation: u64, value: u64) -> bool {
        let Some(place) = self.table.enter(&key(number)) else { return false };
        self.timed(|moment| {
            let build = |stamp| self.version(number, stamp, value);
            self.table.fulfil(&key(number), reservation, place, moment, build)
        })
    }

    /// Inserts a session that is bound to a principal or not.
    pub(super) fn insert_as(&self, number: usize, bound: bool) -> bool {
        let Some(place) = self.table.enter(&key(number)) else { return false };
        self.insert_into(place, number, bound)
    }

    /// The same into the place of one that is ended for it, if there is one.
    pub(super) fn insert_in_place(&self, number: usize, bound: bool, whose: Whose, among: usize) -> bool {
        match self.timed(|moment| self.table.make_room(&key(number), whose, among, moment)) {
            Room::Place(place) => self.insert_into(place, number, bound),
            Room::None => false,
            Room::Again => panic!("no other thread is at work"),
        }
    }

    fn insert_into(&self, place: Place<'_>, number: usize, bound: bool) -> bool {
        let binding = bound.then_some(self.binding);
        let overrides = Overrides { binding, ..Overrides::NONE };
        let head = Head::first(key(number), self.now(), &overrides);
        let new = Owned::new(head, Version { value: 0, _token: self.tokens.clone() }, 0, |_| {});
        self.timed(|moment| self.table.insert(place, new, moment)).is_ok()
    }

    pub(super) fn remove(&self, number: usize) -> bool {
        self.timed(|moment| self.table.remove(&key(number), moment))
    }

    pub(super) fn update(&self, number: usize) -> Result<(), Refusal<()>> {
        self.append(number, 0).map(drop)
    }

    /// Appends a digit to the value and returns what has come of it.
    pub(super) fn append(&self, number: usize, digit: u64) -> Result<u64, Refusal<()>> {
        let mut value = 0;
        let updated = self.timed(|moment| {
            self.table.update(&key(number), moment, |version, stamp| {
                value = version.payload().value * 10 + digit;
                Ok(Change::Replace(self.version(number, stamp, value)))
            })
        });
        updated.map(|()| value)
    }

    /// Replaces the value, at a moment of its own; `meanwhile` runs after the version was judged.
    pub(super) fn update_at(
        &self,
        number: usize,
        moment: Moment<'_>,
        value: u64,
        meanwhile: impl Fn(),
    ) -> Result<(), Refusal<()>> {
        self.table.update(&key(number), moment, |_, stamp| {
            meanwhile();
            Ok(Change::Replace(self.version(number, stamp, value)))
        })
    }

    /// Moves a session to another number, and returns its value.
    pub(super) fn rotate(&self, number: usize, to: usize) -> Option<u64> {
        self.move_to(number, to, Former::Ends(RemovalCause::Rotated), || {})
    }

    /// The same with a forward, whose time is over at the first tick.
    pub(super) fn rotate_forwarding(&self, number: usize, to: usize) -> Option<u64> {
        self.rotate_forwarding_and(number, to, || {})
    }

    /// The same; `meanwhile` runs before the new version is made.
    pub(super) fn rotate_forwarding_and(&self, number: usize, to: usize, meanwhile: impl Fn()) -> Option<u64> {
        let absent = || Version { value: 0, _token: Arc::new(()) };
        self.move_to(number, to, Former::Forwards { end: Tick::new(0), absent, touch: true }, meanwhile)
    }

    fn move_to(&self, number: usize, to: usize, former: Former<Version>, meanwhile: impl Fn()) -> Option<u64> {
        let mut value = None;
        let moved = self.timed(|moment| {
            self.table.rotate(&key(number), former, moment, self.table.reservation().as_mut(), |version, stamp| {
                meanwhile();
                value = Some(version.payload().value);
                let forwards = matches!(former, Former::Forwards { .. });
                let overrides = Overrides { former: forwards.then(|| key(number)), ..Overrides::NONE };
                let payload = Version { value: version.payload().value, _token: self.tokens.clone() };
                Owned::new(Head::first(key(to), stamp, &overrides), payload, 0, |_| {})
            })
        });
        value.filter(|_| moved.is_ok())
    }

    pub(super) fn has(&self, number: usize) -> bool {
        self.timed(|moment| self.table.read(&key(number), false, moment, |_| ())).is_ok()
    }

    pub(super) fn read(&self, number: usize) -> Option<u64> {
        self.timed(|moment| self.table.read(&key(number), true, moment, |version| version.payload().value)).ok()
    }

    pub(super) fn sweep(&self) -> usize {
        self.timed(|moment| self.table.sweep(moment))
    }

    pub(super) fn sweep_some(&self, entries: usize) -> usize {
        self.timed(|moment| self.table.sweep_some(entries, moment))
    }

    /// A round in pieces, to its end.
    pub(super) fn sweep_on(&self) -> usize {
        let mut expired = 0;
        loop {
            let part = self.timed(|moment| self.table.sweep_on(moment, || false));
            expired += part.expired;
            if part.over {
                return expired;
            }
        }
    }

    /// The keys of all sessions.
    pub(super) fn keys(&self) -> Vec<Key> {
        let (mut all, mut keys) = (Vec::new(), Vec::new());
        for shard in 0..self.table.shards() {
            self.table.keys(shard, &mut keys);
            all.append(&mut keys);
        }
        all
    }

    /// What must hold when no operation is under way.
    pub(super) fn assert_at_rest(&self) {
        let (mut held, mut live, mut bytes) = (Vec::new(), 0, 0);
        for shard in &self.table.shards {
            let before = held.len();
            self.table.pin_to(shard, Moment::TIMELESS, |pinned| {
                let mut array = Some(shard.current(pinned.guard));
                while let Some(slots) = array {
                    for word in (0..slots.capacity()).map(|index| slots.slot(index).load()) {
                        if word.holds_entry() {
                            let entry = pinned.entry(word);
                            held.push(entry.pointer().addr());
                            if let Some(version) = live_version(entry) {
                                live += 1;
                                bytes += version.charge();
                            }
                            let ended = !matches!(entry.life().load(), Life::Live(_));
                            assert!(word.is_frozen() || !ended, "an ended entry is left in its slot");
                        }
                    }
                    array = slots.next(pinned.guard);
                }
            });
            assert_eq!(shard.occupied(), held.len() - before, "entries counted and entries in slots");
        }
        assert_eq!(self.table.len(), live, "sessions counted and sessions live");
        let counted = if self.table.limits_bytes() { bytes } else { 0 };
        assert_eq!(self.table.bytes_taken(), counted, "bytes counted and bytes of live versions");
        let entries = held.len();
        held.sort_unstable();
        held.dedup();
        assert_eq!(held.len(), entries, "an entry in two slots");
    }

    /// Drops the table and waits until every version is dropped: other tests' threads may hold back the collector for a
    /// while.
    pub(super) fn assert_all_freed(self) {
        let Self { table, tokens, .. } = self;
        drop(table);
        let began = Instant::now();
        while Arc::strong_count(&tokens) > 1 {
            assert!(began.elapsed() < Duration::from_secs(60), "{} versions leaked", Arc::strong_count(&tokens) - 1);
            memory::collect(1_000);
            std::thread::yield_now();
        }
    }
}

fn live_version(mut version: EntryRef<'_, Version>) -> Option<EntryRef<'_, Version>> {
    loop {
        match version.life().load() {
            Life::Live(_) => return Some(version).filter(|version| version.is_session()),
            Life::Dead | Life::Pending => return None,
            Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
        }
    }
}
