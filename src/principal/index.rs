//! The index of sessions by principal.
//!
//! The index is two tables of the same kind as the table of sessions, so its changes are linearizable and lock-free
//! too:
//!
//! * `accounts` has one [`Account`] for each principal that has sessions. It decides which of them are revoked.
//! * `segments` has lists of up to 16 sessions each. A list is an immutable version, which every change replaces. A
//!   change copies one segment, so it costs the same for any number of sessions. An empty segment is removed. The
//!   segments of a principal are numbered from 0, and its account has an upper bound of their number.
//!
//! # Members
//!
//! A session is a member *before* it is inserted into the table of sessions, and until after it has ended there:
//!
//! ```text
//! ──join──▶ arriving ──arrive──▶ present ──┬──leave──▶ (removed)
//!               └──────────────────────────┘
//! ```
//!
//! While a session changes its id it has two members of one serial number: the old id and the new one. A look-up finds
//! the session under one of them, except between the effect of a rotation and its end.
//!
//! # Ending all sessions
//!
//! [`User::revoke`] raises the account's generation. This ends all older sessions at once: no look-up treats them as
//! live from then on. The rest reclaims memory: the revoking thread removes their members and ends the sessions one by
//! one. A session that is arriving or changing its id at that time is ended by the thread that brings it.
//!
//! # Limits
//!
//! A limit is divided among the segments, and a segment never has more sessions than its share. So a principal never
//! has more sessions than the limit allows. A full segment is searched for members whose sessions have ended, because a
//! suspended thread may not have removed them yet; they make room. Without a limit no thread needs to know which
//! members are arriving, and [`Joining::arrive`] changes nothing.

use crate::entry::account::{Account, Binding, NOBODY, Standing, Use};
use crate::entry::{EntryRef, Head, Key, Overrides, Owned};
use crate::expiry::{Moment, Tick};
use crate::sync::{AtomicU64, MODEL, Ordering, step};
use crate::table::RemovalCause;
use crate::table::{Change, Refusal, Table};
use core::convert::Infallible;

/// The most members of a segment.
const SEGMENT: usize = if MODEL { 2 } else { 16 };

/// The distance at which segments are prefetched.
const AHEAD: usize = 4;

/// One id of one session.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) id: Key,
    generation: u32,
    pub(crate) serial: u32,
    /// Whether the session may not be in the table yet.
    arriving: bool,
}

impl Member {
    /// Whether the member is not revoked. `standing` must have been loaded after the member was found, because an
    /// earlier one may be older than the session.
    fn stands(&self, standing: Standing) -> bool {
        standing.includes(self.generation, self.serial)
    }
}

/// The members of one segment.
#[derive(Clone, Default)]
struct Segment(Box<[Member]>);

impl Segment {
    /// The number of sessions.
    fn sessions(&self) -> usize {
        let first = |&(at, member): &(usize, &Member)| !self.0[..at].iter().any(|other| other.serial == member.serial);
        self.0.iter().enumerate().filter(first).count()
    }

    fn with(&self, member: Member) -> Self {
        Self(self.0.iter().copied().chain([member]).collect())
    }

    /// A copy without the members for which `gone` returns true; `None` if there are no such members.
    fn without(&self, gone: impl Fn(&Member) -> bool) -> Option<Self> {
        let left: Box<[Member]> = self.0.iter().filter(|member| !gone(member)).copied().collect();
        (left.len() < self.0.len()).then_some(Self(left))
    }
}

/// The result of a change to a segment.
enum Next {
    Same,
    Segment(Segment),
}

impl From<Option<Segment>> for Next {
    fn from(segment: Option<Segment>) -> Self {
        segment.map_or(Self::Same, Self::Segment)
    }
}

/// The error that a principal has reached its limit of sessions.
#[derive(Debug)]
struct Full;

/// The index of sessions by principal.
pub(crate) struct Index {
    accounts: Table<Account>,
    segments: Table<Segment>,
    /// The number of accounts that have been made.
    made: AtomicU64,
}

impl Index {
    pub(crate) fn new(shards: usize) -> Self {
        Self { accounts: Table::new(shards, 0), segments: Table::new(shards, 0), made: AtomicU64::new(0) }
    }

    #[cfg(loom)]
    pub(crate) fn check_at_rest(&self) {
        self.accounts.check_at_rest();
        self.segments.check_at_rest();
    }

    /// Registers a user of the principal's account, and makes the account if there is none. Lock-free.
    pub(crate) fn open(&self, principal: &Key) -> User<'_> {
        loop {
            if let Some(user) = self.find(principal) {
                return user;
            }
            let number = self.made.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number.
            let new = Owned::new(Head::first(*principal, NEVER, &Overrides::NONE), Account::new(number), 0, |_| {});
            let first = Use::first(&new);
            let place = self.accounts.enter(principal).expect("any number of principals");
            if self.accounts.insert(place, new, Moment::TIMELESS).is_ok() {
                return User::new(self, first);
            }
        }
    }

    /// Registers a user of the principal's account, if there is one. Lock-free.
    pub(crate) fn find(&self, principal: &Key) -> Option<User<'_>> {
        loop {
            match self.accounts.read(principal, false, Moment::TIMELESS, Use::enter) {
                Ok(Some(used)) => return Some(User::new(self, used)),
                Ok(None) => self.remove_closed(principal),
                Err(_) => return None,
            }
        }
    }

    /// Removes an account that its last user has closed.
    fn remove_closed(&self, principal: &Key) {
        step("account closed");
        let closed = |version: EntryRef<'_, Account>, _| {
            let closed = version.payload().is_closed();
            Ok::<_, Infallible>(if closed { Change::End(RemovalCause::Deleted) } else { Change::Keep })
        };
        // Not found if another thread has removed it.
        let _ = self.accounts.update(principal, Moment::TIMELESS, closed);
    }

    /// Removes an ended session from the index, if it is `listed`, and ends its use of its account. To be called once
    /// for each session, by the thread that has ended it.
    pub(crate) fn leave(&self, session: Use, binding: Binding, listed: bool) {
        let user = User::new(self, session);
        if listed {
            user.remove(binding, |_| true);
        }
    }

    /// Replaces a segment by the result of `f`, and returns the other result of `f`, which may be called several times.
    /// Lock-free.
    fn change<R>(&self, SegmentKey(key): SegmentKey, mut f: impl FnMut(&Segment) -> (Next, R)) -> R {
        loop {
            let mut result = None;
            let changed = self.segments.update(&key, Moment::TIMELESS, |version, _| {
                let (next, made) = f(version.payload());
                result = Some(made);
                Ok::<_, Infallible>(match next {
                    Next::Same => Change::Keep,
                    Next::Segment(segment) if segment.0.is_empty() => Change::End(RemovalCause::Deleted),
                    Next::Segment(segment) => {
                        Change::Replace(Owned::new(version.next_head(NEVER, &Overrides::NONE), segment, 0, |_| {}))
                    }
                })
            });
            match (changed, result) {
                (Ok(()), Some(made)) => return made,
                (Err(Refusal::Build(never)), _) => match never {},
                // There is no such segment, or it became empty before this change took effect.
                _ => {
                    let (next, made) = f(&Segment::default());
                    if self.begin(&key, next) {
                        return made;
                    }
                }
            }
        }
    }

    /// Inserts the first version of a segment. False if the segment exists already.
    fn begin(&self, key: &Key, next: Next) -> bool {
        let Next::Segment(segment) = next else { return true };
        let new = Owned::new(Head::first(*key, NEVER, &Overrides::NONE), segment, 0, |_| {});
        let place = self.segments.enter(key).expect("any number of segments");
        self.segments.insert(place, new, Moment::TIMELESS).is_ok()
    }

    /// The members of a segment, and the number of its version.
    fn segment(&self, key: SegmentKey) -> (Vec<Member>, Option<u32>) {
        let read = |version: EntryRef<'_, Segment>| (version.payload().0.to_vec(), Some(version.version()));
        self.segments.read(&key.0, false, Moment::TIMELESS, read).unwrap_or_default()
    }

    /// The number of principals that have sessions.
    #[cfg(test)]
    pub(crate) fn principals(&self) -> usize {
        self.accounts.len()
    }
}

/// The key of a segment: the number of its account, and its own number.
struct SegmentKey(Key);

impl SegmentKey {
    fn new(account: u64, segment: usize) -> Self {
        let mut key = [0; size_of::<Key>()];
        key[..8].copy_from_slice(&account.to_le_bytes());
        key[8..16].copy_from_slice(&(segment as u64).to_le_bytes());
        Self(key)
    }
}

/// A user of an account, which keeps the account open.
pub(crate) struct User<'i> {
    index: &'i Index,
    /// `None` once this has been dropped.
    used: Option<Use>,
    number: u64,
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        if let Some(principal) = self.used.take().and_then(Use::end) {
            self.index.remove_closed(&principal);
        }
    }
}

impl<'i> User<'i> {
    fn new(index: &'i Index, used: Use) -> Self {
        let number = used.with(|account| account.payload().number);
        Self { index, used: Some(used), number }
    }

    fn used(&self) -> &Use {
        self.used.as_ref().expect("it is there until the user is dropped")
    }

    fn with<R>(&self, f: impl FnOnce(&Account) -> R) -> R {
        self.used().with(|account| f(account.payload()))
    }

    fn segment_key(&self, segment: usize) -> SegmentKey {
        SegmentKey::new(self.number, segment)
    }

    /// Lists a session that is about to be created. Takes effect when a segment is replaced. Fails and returns this
    /// user if the principal has `limit` sessions (0: any number). `is_live` returns whether a session is in the table.
    pub(crate) fn join(self, id: Key, limit: usize, is_live: impl Fn(&Key) -> bool) -> Result<Joining<'i>, Self> {
        let (serial, generation) = self.with(|account| (account.next_serial(), account.standing().generation()));
        let member = Member { id, generation, serial, arriving: limit > 0 };
        let Ok(segment) = self.add(member, limit, is_live) else { return Err(self) };
        let binding = self.used().bind(generation, serial, segment as u32);
        let session = Some(self.used().again());
        Ok(Joining { user: self, session, binding, id, limit })
    }

    /// Puts a member into a segment, and returns the number of the segment.
    fn add(&self, member: Member, limit: usize, is_live: impl Fn(&Key) -> bool) -> Result<usize, Full> {
        let most = if limit == 0 { usize::MAX } else { limit.div_ceil(SEGMENT) };
        loop {
            let segments = self.with(Account::segments);
            // The newest segment first, which is likely to be cached. Then any segment, because older ones may have
            // room.
            let number = u64::from_le_bytes(*member.id.last_chunk().expect("ids are longer")) as usize;
            for segment in [segments - 1, number % segments] {
                if self.add_to(segment, member, share(limit, segment)) {
                    return Ok(segment);
                }
            }
            if segments >= most {
                return self.add_where_one_has_left(segments, member, limit, is_live);
            }
            self.with(|account| account.add_segment(segments));
        }
    }

    /// Adds a member to a segment that has fewer sessions than its `share`.
    fn add_to(&self, segment: usize, member: Member, share: usize) -> bool {
        self.change(segment, |segment| {
            let full = segment.0.len() >= share && segment.sessions() >= share;
            if full {
                return (Next::Same, false);
            }
            (Next::Segment(segment.with(member)), true)
        })
    }

    /// Adds a member to any segment, in place of a member whose session has ended.
    #[cold]
    fn add_where_one_has_left(
        &self,
        segments: usize,
        member: Member,
        limit: usize,
        is_live: impl Fn(&Key) -> bool,
    ) -> Result<usize, Full> {
        loop {
            let mut seen = Vec::with_capacity(segments);
            for segment in 0..segments {
                let all_live = self.remove_ended(segment, &is_live);
                if self.add_to(segment, member, share(limit, segment)) {
                    return Ok(segment);
                }
                seen.push(all_live);
            }
            // The sessions were all live at one instant if no segment has changed while the others were examined.
            let same = |(segment, seen): (usize, &Option<u32>)| {
                let now = if segments == 1 { self.segment(segment).1 } else { self.remove_ended(segment, &is_live) };
                seen.is_some() && now == *seen
            };
            if seen.iter().enumerate().all(same) {
                return Err(Full);
            }
        }
    }

    /// Removes the members of a segment whose sessions have ended: members that suspended threads left behind. If there
    /// are none, returns the number of the version whose sessions were all live when it was read.
    fn remove_ended(&self, segment: usize, is_live: &impl Fn(&Key) -> bool) -> Option<u32> {
        let (members, version) = self.segment(segment);
        let live = |member: &&Member| self.stands(member) && (member.arriving || is_live(&member.id));
        let live: Vec<u32> = members.iter().filter(live).map(|member| member.serial).collect();
        // Examined again, because a new id may have arrived in place of one that had ended.
        let gone = |member: &Member| {
            members.iter().any(|seen| seen.serial == member.serial)
                && !live.contains(&member.serial)
                && !(self.stands(member) && (member.arriving || is_live(&member.id)))
        };
        if members.iter().all(|member| live.contains(&member.serial)) {
            return version;
        }
        self.change(segment, |segment| (Next::from(segment.without(gone)), ()));
        None
    }

    /// Whether a member that was found before is not revoked. Loads the standing anew, because an earlier one may be
    /// older than the member.
    fn stands(&self, member: &Member) -> bool {
        member.stands(self.with(Account::standing))
    }

    /// The members that are not revoked, in the order in which their sessions were bound.
    pub(crate) fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        for segment in 0..self.with(Account::segments) {
            members.append(&mut self.segment(segment).0);
        }
        let standing = self.with(Account::standing);
        members.retain(|member| member.stands(standing));
        members.sort_by_key(|member| member.serial);
        members
    }

    /// The ids under which a look-up may find a session now.
    pub(crate) fn ids_of(&self, serial: u32) -> Vec<Key> {
        let of_it = |member: &Member| (member.serial == serial).then_some(member.id);
        self.members().iter().filter_map(of_it).collect()
    }

    /// Lists the new id of a session beside its old one, before a rotation, unless the new id is listed. False if the
    /// session is not listed under the old id any more.
    pub(crate) fn announce_move(&self, binding: Binding, from: &Key, to: Key) -> bool {
        self.change(binding.segment as usize, |segment| {
            let old = segment.0.iter().find(|member| member.serial == binding.serial && member.id == *from);
            let listed = segment.0.iter().any(|member| member.serial == binding.serial && member.id == to);
            match old {
                Some(_) if listed => (Next::Same, true),
                Some(old) => (Next::Segment(segment.with(Member { id: to, ..*old })), true),
                None => (Next::Same, false),
            }
        })
    }

    /// Removes one of the two ids under which a session is listed.
    pub(crate) fn strike(&self, binding: Binding, id: &Key) {
        self.remove(binding, |member| member.id == *id);
    }

    /// Removes the members of a session for which `gone` returns true.
    fn remove(&self, binding: Binding, gone: impl Fn(&Member) -> bool) {
        self.change(binding.segment as usize, |segment| {
            let gone = |member: &Member| member.serial == binding.serial && gone(member);
            (Next::from(segment.without(gone)), ())
        });
    }

    fn change<R>(&self, segment: usize, f: impl FnMut(&Segment) -> (Next, R)) -> R {
        self.index.change(self.segment_key(segment), f)
    }

    fn segment(&self, segment: usize) -> (Vec<Member>, Option<u32>) {
        self.index.segment(self.segment_key(segment))
    }

    pub(crate) fn is_of(&self, binding: Binding) -> bool {
        self.used().is_of(binding)
    }

    /// Revokes all sessions except the one whose serial number `exempt` returns. They end at the instant of
    /// the exchange.
    pub(crate) fn revoke(&self, exempt: impl Fn() -> Option<Exempt>) {
        loop {
            let seen = self.with(Account::standing);
            let exempt = exempt().filter(|exempt| seen.includes(exempt.generation, exempt.serial));
            let next = seen.after_revocation(exempt.map_or(NOBODY, |exempt| exempt.serial));
            if self.with(|account| account.revoke(seen, next)) {
                step("revoked");
                return;
            }
        }
    }

    /// Removes all revoked members from the index, and returns their ids.
    pub(crate) fn take_revoked(&self) -> Vec<Key> {
        let segments = self.with(Account::segments);
        let mut ids = Vec::new();
        for segment in 0..segments {
            self.index.segments.prefetch(&self.segment_key(segment + AHEAD).0);
            let before = ids.len();
            self.change(segment, |segment| {
                let standing = self.with(Account::standing);
                let revoked = |member: &&Member| !member.stands(standing);
                ids.truncate(before);
                ids.extend(segment.0.iter().filter(revoked).map(|member| member.id));
                (Next::from(segment.without(|member| revoked(&member))), ())
            });
        }
        ids
    }

    /// The exempt session, if it is listed under this id.
    pub(crate) fn exempt(&self, id: &Key) -> Option<Exempt> {
        let member = self.members().into_iter().find(|member| member.id == *id)?;
        Some(Exempt { generation: member.generation, serial: member.serial })
    }
}

/// The session that a revocation exempts.
#[derive(Clone, Copy)]
pub(crate) struct Exempt {
    generation: u32,
    serial: u32,
}

impl From<Binding> for Exempt {
    fn from(binding: Binding) -> Self {
        Self { generation: binding.generation, serial: binding.serial }
    }
}

/// The share of one segment in `limit` sessions (0: any number).
fn share(limit: usize, segment: usize) -> usize {
    if limit == 0 { SEGMENT } else { limit.saturating_sub(segment * SEGMENT).min(SEGMENT) }
}

/// A session that is listed but not in the table yet. Dropping this removes it from the index, unless it has arrived.
pub(crate) struct Joining<'i> {
    user: User<'i>,
    /// The session's use of its account, which the thread that ends the session ends. `None` once the session has
    /// arrived.
    session: Option<Use>,
    pub(crate) binding: Binding,
    id: Key,
    limit: usize,
}

impl Joining<'_> {
    /// Marks the session as present in the table. It uses its account until it [leaves](Index::leave). False if it has
    /// been revoked meanwhile; the caller then has to end it.
    pub(crate) fn arrive(mut self) -> bool {
        self.session = None;
        step("about to arrive");
        if self.limit > 0 {
            let serial = self.binding.serial;
            self.user.change(self.binding.segment as usize, |segment| {
                let arriving = |member: &Member| member.serial == serial && member.arriving;
                if !segment.0.iter().any(arriving) {
                    return (Next::Same, ());
                }
                let there =
                    |member: &Member| if arriving(member) { Member { arriving: false, ..*member } } else { *member };
                (Next::Segment(Segment(segment.0.iter().map(there).collect())), ())
            });
        }
        self.user.stands_after_arrival(self.binding)
    }
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.user.strike(self.binding, &self.id);
            let closed = session.end();
            debug_assert!(closed.is_none(), "the account has another user");
        }
    }
}

impl User<'_> {
    /// Whether a session that this thread has just inserted is not revoked.
    pub(crate) fn stands_after_arrival(&self, binding: Binding) -> bool {
        binding.is_included(self.with(Account::standing_after_arrival))
    }
}

/// The stamp of accounts and segments, which do not expire.
const NEVER: Tick = Tick::new(0);
