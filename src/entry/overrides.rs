//! Overrides: the optional parts of a version. They are limits of its own, its binding to a principal, its former id,
//! a serial number, its audience, and the lifetime of its cookie.
//!
//! Most sessions have none of these, so they take no room in the header. One word of the header, the shape, tells which
//! of them precede the text in the entry's tail, and how long the text is.
//!
//! ```text
//! a session:  | limits: idle, end (16) | binding (20) | former key, serial (40) | ticket (32) | text ... |
//! a forward:  | limits: idle, end (16) | key (32) |
//! a reservation: | limits: idle, end (16) | number (8) | unused (24) |
//! ```
//!
//! A *forward* is the last version under a session's former key. It is not a session and has no content. It leads to
//! the key under which the session lives on, until its `end`.
//!
//! A *reservation* is a version that has its key's slot and is no session either, until its `end`. Its successor is.

use super::Key;
use super::account::Binding;
use crate::expiry::{FOREVER, Limits, Tick};

/// The optional parts of a version. Each version of a session inherits them.
#[derive(Clone, Copy)]
pub(crate) struct Overrides {
    /// The session's own limits, in place of the store's.
    pub(crate) limits: Option<Limits>,
    /// The binding to a principal.
    pub(crate) binding: Option<Binding>,
    /// The former key, which may still have a forward.
    pub(crate) former: Option<Key>,
    /// The serial number of a session whose id may be reused; 0 for others.
    pub(crate) serial: u64,
    /// What the bearer of the id is told.
    pub(crate) ticket: Ticket,
}

/// Which application accepts the id, and how long the browser keeps its cookie. The store only keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The application; zeros for none.
    pub(crate) audience: [u8; 16],
    /// How long the browser keeps the cookie, in ticks; 0 if the session does not say.
    pub(crate) cookie_life: u64,
    /// The tick at which the cookie was sent; [`UNSENT`](Self::UNSENT) if it was not sent with this lifetime.
    pub(crate) sent: Tick,
}

impl Ticket {
    /// No audience, and no lifetime of the cookie.
    pub(crate) const NONE: Self = Self { audience: [0; 16], cookie_life: 0, sent: Tick::new(0) };

    pub(crate) const UNSENT: Tick = Tick::NEVER;

    fn says_something(&self) -> bool {
        self.cookie_life != 0 || self.audience != Self::NONE.audience
    }
}

/// The parts that a version has, and the length of its text; or that it is a forward or a reservation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape(u32);

const LIMITS: u32 = 1 << 31;
const BINDING: u32 = 1 << 30;
const ORIGIN: u32 = 1 << 29;
const TICKET: u32 = 1 << 28;
const KEY_LEN: usize = size_of::<Key>();
const LIMITS_LEN: usize = 16;
const ORIGIN_LEN: usize = KEY_LEN + 8;
const TICKET_LEN: usize = 32;

impl Shape {
    /// The longest text of a version.
    pub(super) const LONGEST_TEXT: u32 = TICKET - 4;

    /// The shape of a forward. No session has it, because the length of its text would be above the maximum.
    pub(super) const FORWARD: Self = Self(u32::MAX);

    /// The shape of a forward to a session that is no longer bound to the principal of the version before. No session
    /// has it either.
    pub(super) const PARTING: Self = Self(u32::MAX - 1);

    /// The shape of a reservation. No session has it either.
    pub(super) const RESERVATION: Self = Self(u32::MAX - 2);

    /// # Panics
    ///
    /// Panics if the text is longer than [`LONGEST_TEXT`](Self::LONGEST_TEXT).
    pub(super) fn new(overrides: &Overrides, text_len: u32) -> Self {
        assert!(text_len <= Self::LONGEST_TEXT, "a text this long has no place in an entry");
        let flag = |there: bool, flag| if there { flag } else { 0 };
        let limits = flag(overrides.limits.is_some(), LIMITS);
        let binding = flag(overrides.binding.is_some(), BINDING);
        let origin = flag(overrides.has_origin(), ORIGIN);
        Self(text_len | limits | binding | origin | flag(overrides.ticket.says_something(), TICKET))
    }

    /// Whether the version is a session's: neither a forward nor a reservation.
    #[inline]
    pub(super) fn is_session(self) -> bool {
        self.0 < Self::RESERVATION.0
    }

    #[inline]
    pub(super) fn is_reservation(self) -> bool {
        self == Self::RESERVATION
    }

    /// The shape of a session's first version: bound to a principal or not, with a serial number or without.
    pub(super) fn of_first(bound: bool, numbered: bool, text_len: u32) -> Self {
        let Self(plain) = Self::new(&Overrides::NONE, text_len);
        Self(plain | if bound { BINDING } else { 0 } | if numbered { ORIGIN } else { 0 })
    }

    /// Whether the version is a session's and has no overrides.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.0 < TICKET
    }

    /// Whether the version is a session's, without limits of its own and without a principal.
    #[inline]
    pub(super) fn has_common_terms(self) -> bool {
        // Forwards and reservations have both bits.
        !self.has(LIMITS | BINDING)
    }

    #[inline]
    pub(super) fn is_forward(self) -> bool {
        self.0 >= Self::PARTING.0
    }

    #[inline]
    pub(super) fn is_parting(self) -> bool {
        self == Self::PARTING
    }

    #[inline]
    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    #[inline]
    pub(super) fn is_bound(self) -> bool {
        self.has(BINDING) && self.is_session()
    }

    #[inline]
    fn part(self, flag: u32, len: usize) -> usize {
        if self.has(flag) { len } else { 0 }
    }

    /// The size of the parts before the text, in bytes.
    #[inline]
    pub(super) fn overrides_len(self) -> usize {
        if self.is_plain() {
            return 0;
        }
        if !self.is_session() {
            return LIMITS_LEN + KEY_LEN;
        }
        self.before_ticket() + self.part(TICKET, TICKET_LEN)
    }

    #[inline]
    pub(super) fn text_len(self) -> usize {
        if self.is_plain() {
            return self.0 as usize;
        }
        if self.is_session() { (self.0 & (TICKET - 1)) as usize } else { 0 }
    }

    /// The size of the parts before the ticket.
    #[inline]
    fn before_ticket(self) -> usize {
        self.part(LIMITS, LIMITS_LEN) + self.part(BINDING, Binding::LEN) + self.part(ORIGIN, ORIGIN_LEN)
    }

    #[inline]
    pub(super) fn tail_len(self) -> usize {
        self.overrides_len() + self.text_len()
    }

    /// The length of the tail if the version had limits of its own and a ticket.
    pub(super) fn tail_len_with_terms(self) -> usize {
        self.tail_len() + LIMITS_LEN - self.part(LIMITS, LIMITS_LEN) + TICKET_LEN - self.part(TICKET, TICKET_LEN)
    }

    #[inline]
    pub(super) fn limits(self, tail: &[u8]) -> Option<Limits> {
        if !self.has(LIMITS) {
            return None;
        }
        Some(Limits { idle: number(tail, 0), end: Tick::from_bits(number(tail, 8)) })
    }

    #[inline]
    pub(super) fn binding(self, tail: &[u8]) -> Option<Binding> {
        let at = self.part(LIMITS, LIMITS_LEN);
        // SAFETY: the bytes were written by `Overrides::write` from a binding.
        self.is_bound().then(|| unsafe { Binding::from_bytes(&array(tail, at)) })
    }

    /// The key to which a forward leads.
    #[inline]
    pub(super) fn forward(self, tail: &[u8]) -> Option<Key> {
        self.is_forward().then(|| array(tail, LIMITS_LEN))
    }

    #[inline]
    pub(super) fn ticket(self, tail: &[u8]) -> Ticket {
        if !self.has(TICKET) || !self.is_session() {
            return Ticket::NONE;
        }
        let at = self.before_ticket();
        let sent = Tick::from_bits(number(tail, at + 24));
        Ticket { audience: array(tail, at), cookie_life: number(tail, at + 16), sent }
    }

    /// The number of a reservation.
    #[inline]
    pub(super) fn reservation(self, tail: &[u8]) -> Option<u64> {
        self.is_reservation().then(|| number(tail, LIMITS_LEN))
    }

    /// Reads what [`Overrides::write`] wrote.
    pub(super) fn overrides(self, tail: &[u8]) -> Overrides {
        let at = self.part(LIMITS, LIMITS_LEN) + self.part(BINDING, Binding::LEN);
        let has_origin = self.has(ORIGIN) && self.is_session();
        let former = if has_origin { array(tail, at) } else { NO_KEY };
        let serial = if has_origin { number(tail, at + KEY_LEN) } else { 0 };
        let former = (former != NO_KEY).then_some(former);
        let (limits, binding, ticket) = (self.limits(tail), self.binding(tail), self.ticket(tail));
        Overrides { limits, binding, former, serial, ticket }
    }
}

/// Stands for no former key. No random source draws an id of zeros, and a given id of zeros has no forward.
const NO_KEY: Key = [0; KEY_LEN];

impl Overrides {
    /// No overrides.
    pub(crate) const NONE: Self = Self { limits: None, binding: None, former: None, serial: 0, ticket: Ticket::NONE };

    fn has_origin(&self) -> bool {
        self.former.is_some() || self.serial != 0
    }

    /// Writes the parts to the front of `tail`.
    pub(super) fn write(&self, tail: &mut [u8]) {
        let mut tail = Writer(tail);
        if let Some(limits) = self.limits {
            tail.put_limits(limits);
        }
        if let Some(binding) = &self.binding {
            tail.put(&binding.to_bytes());
        }
        if self.has_origin() {
            tail.put(&self.former.unwrap_or(NO_KEY));
            tail.put(&self.serial.to_le_bytes());
        }
        if self.ticket.says_something() {
            tail.put(&self.ticket.audience);
            tail.put(&self.ticket.cookie_life.to_le_bytes());
            tail.put(&self.ticket.sent.get().to_le_bytes());
        }
    }
}

/// Writes the tail of a forward.
pub(super) fn write_forward(to: &Key, end: Tick, tail: &mut [u8]) {
    let mut tail = Writer(tail);
    tail.put_limits(Limits { idle: FOREVER, end });
    tail.put(to);
}

/// Writes the tail of a reservation.
pub(super) fn write_reservation(number: u64, end: Tick, tail: &mut [u8]) {
    let mut tail = Writer(tail);
    tail.put_limits(Limits { idle: FOREVER, end });
    tail.put(&number.to_le_bytes());
}

struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let (place, rest) = core::mem::take(&mut self.0).split_at_mut(bytes.len());
        place.copy_from_slice(bytes);
        self.0 = rest;
    }

    fn put_limits(&mut self, limits: Limits) {
        self.put(&limits.idle.to_le_bytes());
        self.put(&limits.end.get().to_le_bytes());
    }
}

#[inline]
fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("as many bytes as asked for")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_overrides_is_read_back_with_the_length_of_the_text() {
        for bits in 0..64 {
            let overrides = Overrides {
                limits: (bits & 1 != 0).then_some(Limits { idle: 7, end: Tick::NEVER }),
                binding: (bits & 2 != 0).then(Binding::dangling),
                former: (bits & 4 != 0).then_some([4; 32]),
                serial: if bits & 8 != 0 { u64::MAX } else { 0 },
                ticket: Ticket {
                    audience: if bits & 16 != 0 { [5; 16] } else { [0; 16] },
                    cookie_life: if bits & 32 != 0 { u64::MAX } else { 0 },
                    sent: Tick::new(if bits & 32 != 0 { 11 } else { 0 }),
                },
            };
            for text_len in [0, 1, Shape::LONGEST_TEXT] {
                let shape = Shape::new(&overrides, text_len);
                let mut tail = vec![0; shape.overrides_len()];
                overrides.write(&mut tail);
                let read = shape.overrides(&tail);
                assert_eq!(
                    (read.limits, read.former, read.serial, read.ticket),
                    (overrides.limits, overrides.former, overrides.serial, overrides.ticket)
                );
                assert_eq!(
                    read.binding.map(|read| read.to_bytes()),
                    overrides.binding.map(|binding| binding.to_bytes())
                );
                assert_eq!(shape.tail_len() - shape.overrides_len(), text_len as usize);
                assert!(shape.is_session() && shape.forward(&tail).is_none() && shape.reservation(&tail).is_none());
                assert_eq!((shape.is_plain(), shape.is_bound()), (bits == 0, bits & 2 != 0));
                assert_eq!(shape.has_common_terms(), read.limits.is_none() && read.binding.is_none());
            }
        }
    }

    #[test]
    fn a_forward_has_its_end_and_its_key_and_nothing_else() {
        for (shape, parting) in [(Shape::FORWARD, false), (Shape::PARTING, true)] {
            let mut tail = vec![0; shape.tail_len()];
            write_forward(&[3; 32], Tick::new(9), &mut tail);
            assert_eq!(shape.forward(&tail), Some([3; 32]));
            let read = shape.overrides(&tail);
            assert_eq!(read.limits, Some(Limits { idle: FOREVER, end: Tick::new(9) }));
            assert!(read.binding.is_none() && read.former.is_none() && read.serial == 0 && read.ticket == Ticket::NONE);
            assert!(shape.is_forward() && !shape.is_plain() && !shape.is_bound() && !shape.has_common_terms());
            assert_eq!((shape.text_len(), shape.is_parting()), (0, parting));
        }
    }

    #[test]
    fn a_reservation_has_its_end_and_its_number_and_nothing_else() {
        let shape = Shape::RESERVATION;
        let mut tail = vec![0; shape.tail_len()];
        write_reservation(7, Tick::new(9), &mut tail);
        assert_eq!((shape.reservation(&tail), Shape::FORWARD.reservation(&tail)), (Some(7), None));
        let read = shape.overrides(&tail);
        assert_eq!(read.limits, Some(Limits { idle: FOREVER, end: Tick::new(9) }));
        assert!(read.binding.is_none() && read.former.is_none() && read.serial == 0);
        assert!(shape.is_reservation() && !shape.is_session() && !shape.is_plain() && !shape.is_bound());
        assert!(!shape.has_common_terms());
        assert!(!shape.is_forward() && shape.forward(&tail).is_none() && shape.text_len() == 0);
    }

    #[test]
    fn a_session_without_overrides_has_text_only() {
        assert_eq!(Shape::new(&Overrides::NONE, 5).overrides_len(), 0);
    }

    #[test]
    #[should_panic(expected = "no place in an entry")]
    fn a_text_over_the_longest_is_refused() {
        Shape::new(&Overrides::NONE, Shape::LONGEST_TEXT + 1);
    }
}
