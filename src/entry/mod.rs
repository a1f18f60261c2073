//! An entry: one version of a session, in one allocation.
//!
//! ```text
//! | life | successor | key (32 bytes) | shape of the tail | version | payload | tail: overrides, text ... |
//! ```
//!
//! Once an entry is published, everything except `life` and `successor` is immutable. [`life`] lists the transitions of
//! `life`. `successor` is null until a writer sets it, once, to the version that is to replace this one. That version
//! takes effect when this one becomes `Superseded`. If this one dies instead, the successor never takes effect, and is
//! freed with it.
//!
//! The tail saves the dependent cache miss of a second allocation: a look-up loads the line of slots and the entry.
//!
//! [`Owned`] is an entry that no other thread knows. [`EntryRef`] is an entry that may be shared, borrowed while its
//! thread is pinned. The thread that removes an entry from the table's slots retires it. Freeing an entry that was not
//! superseded also frees its successor, which never took effect ([`free`]).
//!
//! A panic in a payload's `Drop` is contained, because any thread may free what others have retired, in the middle of
//! an operation on another session. The panic hook has reported it. The memory is freed, and so is everything else.

pub(crate) mod account;
mod charge;
pub(crate) mod life;
mod overrides;

pub(crate) use overrides::{Overrides, Ticket};

use crate::expiry::{Limits, Tick};
use crate::memory::Guard;
use crate::memory::{Block, Contents, Kind, RetiredObject, allocate, free_owned, prefetch};
use crate::sync::{AtomicPtr, Ordering, contain, ordered};
use account::Binding;
use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{needs_drop, offset_of};
use core::ptr::{self, NonNull};
use life::{Life, LifeWord};
use overrides::{Shape, write_forward, write_reservation};

/// The key of an entry: the bytes of a session id.
pub(crate) type Key = [u8; 32];

/// The content of a version, besides its tail.
pub(crate) trait Payload: Send + Sync + 'static {}

impl<P: Send + Sync + 'static> Payload for P {}

/// One version of a session. Its tail follows it in memory, and is not part of the type.
#[repr(C)]
pub(crate) struct Entry<P> {
    life: LifeWord,
    successor: AtomicPtr<Entry<P>>,
    key: Key,
    shape: Shape,
    version: u32,
    payload: P,
}

impl<P: Payload> Entry<P> {
    const TAIL: usize = offset_of!(Self, payload) + size_of::<P>();

    /// The alignment of entries. The system's allocator grants 16 bytes at no cost, and the low bits of addresses are
    /// free.
    const ALIGN: usize = if align_of::<Self>() > 16 { align_of::<Self>() } else { 16 };

    /// The granularity of sizes. It costs nothing, because the allocator rounds up too, and makes it likelier that a
    /// block can be reused.
    const GRAIN: usize = 8;

    fn layout(tail_len: usize) -> Layout {
        let size = Self::TAIL.checked_add(tail_len).map(|size| size.max(size_of::<Self>()));
        let size = size.and_then(|size| size.checked_next_multiple_of(Self::GRAIN));
        let layout = size.map(|size| Layout::from_size_align(size, Self::ALIGN));
        layout.expect("entry size overflows").expect("entry size overflows")
    }
}

/// The longest text of an entry, in bytes.
pub(crate) const LONGEST_TEXT: u32 = Shape::LONGEST_TEXT;

/// The number of the reservations that nobody can fulfil.
pub(crate) const BAR: u64 = 0;

/// A version without its content.
pub(crate) struct Head<'a> {
    pub(crate) key: Key,
    pub(crate) stamp: Tick,
    /// The number of the version. Wraps after 2^32.
    pub(crate) version: u32,
    pub(crate) overrides: &'a Overrides,
}

impl<'a> Head<'a> {
    /// The head of a session's first version.
    pub(crate) fn first(key: Key, stamp: Tick, overrides: &'a Overrides) -> Self {
        Self { key, stamp, version: 0, overrides }
    }
}

/// An entry that no other thread can reach.
pub(crate) struct Owned<P: Payload>(NonNull<Entry<P>>);

// SAFETY: it owns its entry, and `P` may be sent.
unsafe impl<P: Payload> Send for Owned<P> {}
// SAFETY: a shared one only lends its entry, which threads may share.
unsafe impl<P: Payload> Sync for Owned<P> {}

impl<P: Payload> Owned<P> {
    /// A live version whose text of `text_len` bytes `fill` writes. Bytes that it does not write remain NUL characters.
    pub(crate) fn new(head: Head<'_>, payload: P, text_len: u32, fill: impl FnOnce(&mut Tail<'_>)) -> Self {
        let shape = Shape::new(head.overrides, text_len);
        let overrides = head.overrides;
        Self::with_tail(head, shape, payload, |tail| {
            let (front, text) = tail.split_at_mut(shape.overrides_len());
            overrides.write(front);
            fill(&mut Tail { rest: text });
        })
    }

    /// A forward that follows `version`, to the key `to`, until `end`. `parting` says that the session is bound under
    /// `version` and not under its new key.
    pub(crate) fn forward(
        version: EntryRef<'_, P>,
        stamp: Tick,
        payload: P,
        to: &Key,
        end: Tick,
        parting: bool,
    ) -> Self {
        let head = version.next_head(stamp, &Overrides::NONE);
        let shape = if parting { Shape::PARTING } else { Shape::FORWARD };
        Self::with_tail(head, shape, payload, |tail| write_forward(to, end, tail))
    }

    /// A reservation of `key` from `stamp` until `end`, with this number.
    pub(crate) fn reservation(key: Key, stamp: Tick, payload: P, number: u64, end: Tick) -> Self {
        let head = Head::first(key, stamp, &Overrides::NONE);
        Self::with_tail(head, Shape::RESERVATION, payload, |tail| write_reservation(number, end, tail))
    }

    fn with_tail(head: Head<'_>, shape: Shape, payload: P, fill: impl FnOnce(&mut [u8])) -> Self {
        let Head { key, stamp, version, .. } = head;
        let tail_len = shape.tail_len();
        let layout = Entry::<P>::layout(tail_len);
        let entry = allocate(layout).into_memory().cast::<Entry<P>>();
        let successor = AtomicPtr::new(ptr::null_mut());
        let header = Entry { life: LifeWord::live(stamp), successor, key, shape, version, payload };
        // SAFETY: freshly allocated, with room and alignment for it.
        unsafe { entry.write(header) };
        // SAFETY: the layout has `tail_len` bytes from `TAIL` on.
        let tail = unsafe { entry.cast::<u8>().add(Entry::<P>::TAIL) };
        // SAFETY: those bytes belong to the allocation. (If the header ends in padding, they begin in the padding,
        // which nothing reads.)
        unsafe { tail.write_bytes(0, tail_len) };
        let owned = Self(entry);
        // SAFETY: initialised just now, and not shared yet.
        fill(unsafe { core::slice::from_raw_parts_mut(tail.as_ptr(), tail_len) });
        owned
    }

    /// Makes the version pending.
    pub(crate) fn into_pending(self) -> Self {
        // SAFETY: owned, so no other thread uses the entry.
        unsafe { &mut *self.0.as_ptr() }.life = LifeWord::pending();
        self
    }

    pub(crate) fn key(&self) -> &Key {
        self.borrow().key()
    }

    pub(crate) fn pointer(&self) -> NonNull<Entry<P>> {
        self.0
    }

    /// Gives up ownership after the entry was published.
    pub(crate) fn publish(self) {
        core::mem::forget(self);
    }

    pub(crate) fn borrow(&self) -> EntryRef<'_, P> {
        // SAFETY: owned, so allocated while `self` is borrowed.
        unsafe { EntryRef::new(self.0) }
    }
}

impl<P: Payload> Drop for Owned<P> {
    fn drop(&mut self) {
        // SAFETY: no other thread knows the entry, and it is not used after this.
        unsafe { free(self.0) }
    }
}

/// The text of a new entry, to be written from front to back. Only whole strings are written, over NUL characters, so
/// it is valid UTF-8 at any time.
pub(crate) struct Tail<'a> {
    rest: &'a mut [u8],
}

impl fmt::Write for Tail<'_> {
    /// Appends `text`. Fails and writes nothing if there is not enough room.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.rest.len() {
            return Err(fmt::Error);
        }
        let (place, rest) = core::mem::take(&mut self.rest).split_at_mut(text.len());
        place.copy_from_slice(text.as_bytes());
        self.rest = rest;
        Ok(())
    }

    #[inline]
    fn write_char(&mut self, character: char) -> fmt::Result {
        if !character.is_ascii() {
            return self.write_str(character.encode_utf8(&mut [0; 4]));
        }
        let (place, rest) = core::mem::take(&mut self.rest).split_first_mut().ok_or(fmt::Error)?;
        *place = character as u8;
        self.rest = rest;
        Ok(())
    }
}

/// An entry that other threads may share. It stays allocated for `'g`.
pub(crate) struct EntryRef<'g, P>(NonNull<Entry<P>>, PhantomData<&'g Entry<P>>);

impl<P> Clone for EntryRef<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<P> Copy for EntryRef<'_, P> {}
impl<P> PartialEq for EntryRef<'_, P> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<'g, P: Payload> EntryRef<'g, P> {
    /// # Safety
    ///
    /// The caller must ensure that the entry was initialised, as this thread sees it, and stays allocated for `'g`.
    #[inline]
    pub(crate) unsafe fn new(pointer: NonNull<Entry<P>>) -> Self {
        Self(pointer, PhantomData)
    }

    #[inline]
    fn header(self) -> &'g Entry<P> {
        // SAFETY: initialised, allocated for `'g`, and only its atomics change.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn pointer(self) -> NonNull<Entry<P>> {
        self.0
    }

    /// Prefetches the cache lines of the life word and of the key.
    #[inline]
    pub(crate) fn prefetch(self) {
        let key = self.0.as_ptr().wrapping_byte_add(offset_of!(Entry<P>, key) + size_of::<Key>() - 1);
        prefetch(self.0.as_ptr().cast());
        prefetch(key.cast());
    }

    /// Prefetches the cache line behind the header. To be called before the header is loaded, because a touch in
    /// between delays later loads until the header's line has arrived.
    #[inline]
    pub(crate) fn prefetch_rest(self) {
        prefetch(self.0.as_ptr().wrapping_byte_add(64).cast());
    }

    #[inline]
    pub(crate) fn key(self) -> &'g Key {
        &self.header().key
    }

    #[inline]
    pub(crate) fn life(self) -> &'g LifeWord {
        &self.header().life
    }

    #[inline]
    pub(crate) fn payload(self) -> &'g P {
        &self.header().payload
    }

    /// The number of this version among those of its session.
    #[inline]
    pub(crate) fn version(self) -> u32 {
        self.header().version
    }

    /// The head of the next version of the same session, with the same overrides.
    pub(crate) fn next_head(self, stamp: Tick, overrides: &Overrides) -> Head<'_> {
        Head { key: *self.key(), stamp, version: self.version().wrapping_add(1), overrides }
    }

    /// The session's own limits, if it has any.
    #[inline]
    pub(crate) fn limits(self) -> Option<Limits> {
        let shape = self.header().shape;
        if shape.is_plain() { None } else { shape.limits(self.tail()) }
    }

    /// The session's audience and the lifetime of its cookie.
    #[inline]
    pub(crate) fn ticket(self) -> Ticket {
        let shape = self.header().shape;
        if shape.is_plain() { Ticket::NONE } else { shape.ticket(self.tail()) }
    }

    #[inline]
    pub(crate) fn overrides(self) -> Overrides {
        let shape = self.header().shape;
        if shape.is_plain() { Overrides::NONE } else { shape.overrides(self.tail()) }
    }

    /// Whether this version is a session's: neither a forward nor a reservation.
    #[inline]
    pub(crate) fn is_session(self) -> bool {
        self.header().shape.is_session()
    }

    /// The number of a reservation.
    #[inline]
    pub(crate) fn reservation(self) -> Option<u64> {
        self.header().shape.reservation(self.tail())
    }

    /// Whether this version is a reservation that nobody can fulfil.
    #[inline]
    pub(crate) fn is_bar(self) -> bool {
        self.reservation() == Some(BAR)
    }

    /// Whether the version is a session's, and has no overrides.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.header().shape.is_plain()
    }

    /// Whether the version is a session's, without limits of its own and without a principal: the store's idle timeout
    /// alone ends it.
    #[inline]
    pub(crate) fn has_common_terms(self) -> bool {
        self.header().shape.has_common_terms()
    }

    /// Whether this version is a forward.
    #[inline]
    pub(crate) fn is_forward(self) -> bool {
        self.header().shape.is_forward()
    }

    /// Whether this version is a forward to a session that has left its principal with the rotation.
    #[inline]
    pub(crate) fn is_parting(self) -> bool {
        self.header().shape.is_parting()
    }

    /// The key to which a forward leads.
    #[inline]
    pub(crate) fn forward(self) -> Option<Key> {
        self.header().shape.forward(self.tail())
    }

    /// Whether the session is bound to a principal.
    #[inline]
    pub(crate) fn is_bound(self) -> bool {
        self.header().shape.is_bound()
    }

    #[inline]
    pub(crate) fn binding(self) -> Option<Binding> {
        self.header().shape.binding(self.tail())
    }

    /// Whether the session was revoked together with its principal's other sessions.
    ///
    /// # Safety
    ///
    /// The caller must ensure that it has seen this version live under `guard`.
    #[inline]
    pub(crate) unsafe fn is_revoked(self, guard: &Guard) -> bool {
        let Some(binding) = self.binding() else { return false };
        // SAFETY: the session used its account when it was seen live.
        let account = unsafe { binding.account(guard) };
        !binding.is_included(account.payload().standing())
    }

    /// The size of the entry in bytes.
    pub(crate) fn size(self) -> usize {
        Entry::<P>::layout(self.header().shape.tail_len()).size()
    }

    #[inline]
    fn tail(self) -> &'g [u8] {
        let len = self.header().shape.tail_len();
        // SAFETY: the allocation has `len` bytes from `TAIL` on.
        let tail = unsafe { self.0.cast::<u8>().add(Entry::<P>::TAIL) };
        // SAFETY: written before the entry was published, and immutable since.
        unsafe { core::slice::from_raw_parts(tail.as_ptr(), len) }
    }

    #[inline]
    pub(crate) fn text(self) -> &'g str {
        let shape = self.header().shape;
        // SAFETY: the allocation has the overrides, and then the text, from `TAIL` on.
        let text = unsafe { self.0.cast::<u8>().add(Entry::<P>::TAIL + shape.overrides_len()) };
        // SAFETY: written before the entry was published, and immutable since.
        let text = unsafe { core::slice::from_raw_parts(text.as_ptr(), shape.text_len()) };
        // SAFETY: only a `Tail` writes it, and it writes whole strings over NUL characters.
        unsafe { core::str::from_utf8_unchecked(text) }
    }

    /// The version that replaces, or is to replace, this one.
    #[inline]
    pub(crate) fn successor(self) -> Option<EntryRef<'g, P>> {
        // Acquire: the successor's fields, before they are used; pairs with E2.
        let successor = NonNull::new(self.header().successor.load(ordered("E1", Ordering::Acquire)))?;
        // SAFETY: a successor is not freed before its predecessor.
        Some(unsafe { EntryRef::new(successor) })
    }

    /// Sets the successor if there is none. Fails with `new` and the earlier successor.
    pub(crate) fn succeed(self, new: Owned<P>) -> Result<EntryRef<'g, P>, (Owned<P>, EntryRef<'g, P>)> {
        let pointer = new.pointer();
        // Release: publishes the new version's fields; pairs with E1 and E3.
        // Acquire on failure: the fields of the earlier successor; pairs with E2.
        let swap = self.header().successor.compare_exchange(
            ptr::null_mut(),
            pointer.as_ptr(),
            ordered("E2", Ordering::Release),
            ordered("E3", Ordering::Acquire),
        );
        match swap {
            Ok(_) => {
                new.publish();
                // SAFETY: from now on the entry is not freed before `self`.
                Ok(unsafe { EntryRef::new(pointer) })
            }
            Err(first) => {
                let first = NonNull::new(first).expect("a failed exchange found a successor");
                // SAFETY: as in `successor`.
                Err((new, unsafe { EntryRef::new(first) }))
            }
        }
    }

    /// Retires the entry, whose [size](Self::size) the caller gives: it is freed once all threads that are pinned now
    /// have unpinned.
    ///
    /// # Safety
    ///
    /// The caller must ensure that the entry is `Dead` or `Superseded`, that no thread that pins itself from now on can
    /// reach it, and that it is retired only once.
    #[inline]
    pub(crate) unsafe fn retire(self, size: usize, guard: &Guard) {
        // SAFETY: the kind's functions may run on any thread (`P: Send`); the rest is the caller's promise.
        unsafe { guard.retire(self.0.cast(), Entry::<P>::KIND, size) }
    }
}

impl<P: Payload> Entry<P> {
    /// How retired entries are freed.
    const KIND: &Kind = if needs_drop::<P>() {
        &Kind { contents: Some(Contents { drop: drop_contents::<P>, bare: Self::BARE }), take_apart: take_apart::<P> }
    } else {
        Self::BARE
    };

    /// Entries whose payload needs no drop, or has been dropped.
    const BARE: &Kind = &Kind { contents: None, take_apart: take_apart::<P> };
}

/// Frees an entry and the successor that never took effect. Does not unwind, even if a payload's `Drop` panics.
///
/// # Safety
///
/// The caller must ensure that `entry` came out of an [`Owned`], that nothing else uses it now or later, and that it is
/// freed only once.
pub(crate) unsafe fn free<P: Payload>(entry: NonNull<Entry<P>>) {
    // SAFETY: the caller's promise.
    drop(unsafe { RetiredObject::new(entry.cast(), Entry::<P>::KIND) });
}

/// Drops the payload of an entry, and frees the successor that never took effect. Does not unwind.
///
/// # Safety
///
/// As for [`free`], where `entry` is an entry of `P`. The caller still has to [take it apart](take_apart).
unsafe fn drop_contents<P: Payload>(entry: NonNull<()>) {
    let entry = entry.cast::<Entry<P>>();
    // SAFETY: the caller's promise.
    unsafe { free_uncounted(entry) };
    // SAFETY: the caller's promise.
    unsafe { drop_payload(entry) };
}

/// Turns an entry into its block, and frees the successor that never took effect, if it still has one.
///
/// # Safety
///
/// As for [`free`], where `entry` is an entry of `P` whose payload has been dropped, if it needs to be.
unsafe fn take_apart<P: Payload>(entry: NonNull<()>) -> Result<Block, usize> {
    let entry = entry.cast::<Entry<P>>();
    // SAFETY: the caller's promise.
    unsafe { free_uncounted(entry) };
    // SAFETY: the caller's promise.
    Ok(unsafe { into_block(entry) })
}

/// Frees the successor of an entry if it never took effect, and then the successor's own successor, one after the
/// other.
///
/// # Safety
///
/// As for [`free`], except that the entry itself stays.
unsafe fn free_uncounted<P: Payload>(entry: NonNull<Entry<P>>) {
    // SAFETY: the caller's promise.
    let mut next = unsafe { take_uncounted(entry) };
    while let Some(entry) = next {
        // SAFETY: only its predecessor ever pointed to it, because that was never superseded.
        next = unsafe { take_uncounted(entry) };
        // SAFETY: as above.
        unsafe { drop_payload(entry) };
        // SAFETY: as above.
        drop(unsafe { into_block(entry) });
    }
}

/// Takes the successor that never took effect from an entry.
///
/// # Safety
///
/// The caller must ensure that the entry is allocated, and that nothing else uses it.
unsafe fn take_uncounted<P: Payload>(entry: NonNull<Entry<P>>) -> Option<NonNull<Entry<P>>> {
    // SAFETY: allocated and initialised; a dropped payload is not used.
    let Entry { life, successor, .. } = unsafe { entry.as_ref() };
    // Relaxed, as below: nothing else uses the entry.
    let uncounted = NonNull::new(successor.load(Ordering::Relaxed))?;
    if life.load() == Life::Superseded {
        return None;
    }
    successor.store(ptr::null_mut(), Ordering::Relaxed);
    Some(uncounted)
}

/// Drops the payload of an entry. Does not unwind.
///
/// # Safety
///
/// As for [`free`].
unsafe fn drop_payload<P: Payload>(entry: NonNull<Entry<P>>) {
    if needs_drop::<P>() {
        // SAFETY: the entry is allocated.
        let payload = unsafe { &raw mut (*entry.as_ptr()).payload };
        // SAFETY: initialised, and not used again; its memory outlives the call.
        contain(|| unsafe { payload.drop_in_place() });
    }
}

/// Turns an entry into its block.
///
/// # Safety
///
/// As for [`free`], where the payload has been dropped, if it needs to be.
unsafe fn into_block<P: Payload>(entry: NonNull<Entry<P>>) -> Block {
    // SAFETY: allocated and initialised until this function ends it.
    let header = unsafe { entry.as_ref() };
    let layout = Entry::<P>::layout(header.shape.tail_len());
    if needs_drop::<LifeWord>() {
        // A model's atomics have to be dropped, and notice if another thread still uses them.
        // SAFETY: the entry is allocated.
        let life = unsafe { &raw mut (*entry.as_ptr()).life };
        // SAFETY: as above.
        let successor = unsafe { &raw mut (*entry.as_ptr()).successor };
        // SAFETY: initialised, and not used again.
        unsafe { life.drop_in_place() };
        // SAFETY: as above.
        unsafe { successor.drop_in_place() };
    }
    // SAFETY: the entry's memory came from a block of this layout, and nothing else uses it.
    unsafe { Block::from_memory(entry.cast(), layout) }
}

/// Frees an entry in a slot of a table that is being dropped, and every later version. If the dropped content drops
/// other tables, their entries are freed afterwards.
///
/// # Safety
///
/// As for [`free`], and the caller must ensure that no other slot holds it.
pub(crate) unsafe fn free_with_successors<P: Payload>(entry: NonNull<Entry<P>>) {
    let mut next = Some(entry);
    while let Some(entry) = next {
        // SAFETY: allocated and initialised until it is freed.
        let header = unsafe { entry.as_ref() };
        let superseded = header.life.load() == Life::Superseded;
        // Relaxed: nothing else uses the table.
        let successor = NonNull::new(header.successor.load(Ordering::Relaxed));
        next = successor.filter(|_| superseded);
        // SAFETY: a successor is in no slot while its predecessor is in one; the rest is the caller's promise.
        free_owned(unsafe { RetiredObject::new(entry.cast(), Entry::<P>::KIND) });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::fmt::Write;

    #[test]
    fn a_tail_takes_whole_characters_as_long_as_there_is_room() {
        let entry = Owned::new(Head::first([1; 32], Tick::new(0), &Overrides::NONE), (), 4, |tail| {
            assert_eq!(tail.write_char('a'), Ok(()));
            assert_eq!(tail.write_char('é'), Ok(()));
            assert_eq!(tail.write_char('é'), Err(fmt::Error));
            assert_eq!(tail.write_char('b'), Ok(()));
            assert_eq!(tail.write_char('c'), Err(fmt::Error));
        });
        assert_eq!(entry.borrow().text(), "aéb");
    }
}
