//! Room for a session that is created or becomes larger: what the limits leave, or what another session leaves that is
//! ended for it.

use super::SessionStore;
use crate::config::WhenFull;
use crate::content::Content;
use crate::entry::Entry;
use crate::error::CreateError;
use crate::expiry::Moment;
use crate::id::SessionId;
use crate::table::{Place, Refusal, Reservation, Room, Whose};

/// The most entries that a search for an expired session looks at, in a full store, and a search for a session to end.
const ENTRIES_SEARCHED_WHEN_FULL: usize = 512;

/// The most entries that a search for an unbound session looks at, for a bound session, before a bound one is ended.
const ENTRIES_SEARCHED_FOR_THE_BOUND: usize = 8_192;

/// The most searches for expired sessions by one operation that needs bytes. Each of them but the last has found one.
const SEARCHES_FOR_BYTES: u32 = 64;

/// What is left of a search for room.
struct Search {
    /// How many times expired sessions may be searched for.
    sweeps: u32,
    /// The most entries that the next search for a session to end looks at.
    among: usize,
}

impl Search {
    fn new(sweeps: u32) -> Self {
        Self { sweeps, among: usize::MAX }
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// The bytes that a new session takes of [`max_bytes`](crate::SessionConfig#structfield.max_bytes); 0 without such
    /// a limit. Refuses a session that is larger than the limit, before any session is ended for it.
    #[inline]
    pub(super) fn bytes_of_new(&self, bound: bool, numbered: bool, text_len: usize) -> Result<usize, CreateError> {
        if self.table.limits_bytes() { self.bytes_within_limit(bound, numbered, text_len) } else { Ok(0) }
    }

    #[inline(never)]
    fn bytes_within_limit(&self, bound: bool, numbered: bool, text_len: usize) -> Result<usize, CreateError> {
        let text_len = u32::try_from(text_len).expect("a session's size limit fits 32 bits");
        let bytes = Entry::<T::Payload>::charge_of_first(bound, numbered, text_len);
        if bytes > self.config.max_bytes { Err(CreateError::BytesFull) } else { Ok(bytes) }
    }

    /// Reserves a place and bytes for a new session: free ones, or those of sessions that are ended. `held` is a place
    /// that the new session has already. `bound` says whether the new session is bound to a principal.
    #[inline]
    pub(super) fn enter<'s>(
        &'s self,
        held: Option<Place<'s>>,
        id: &SessionId,
        bound: bool,
        bytes: usize,
        moment: Moment<'_>,
    ) -> Result<Place<'s>, CreateError> {
        match held.or_else(|| self.table.enter(id.as_bytes())) {
            Some(place) if bytes == 0 => Ok(place),
            held => self.enter_limited(held, id, bound, bytes, moment),
        }
    }

    #[inline(never)]
    fn enter_limited<'s>(
        &'s self,
        mut held: Option<Place<'s>>,
        id: &SessionId,
        bound: bool,
        bytes: usize,
        moment: Moment<'_>,
    ) -> Result<Place<'s>, CreateError> {
        let mut search = Search::new(if bytes == 0 { 1 } else { SEARCHES_FOR_BYTES });
        loop {
            let lacking = match held.take().or_else(|| self.table.enter(id.as_bytes())) {
                None => CreateError::Full,
                Some(mut place) => {
                    if place.resize(bytes) {
                        return Ok(place);
                    }
                    held = Some(place);
                    CreateError::BytesFull
                }
            };
            match self.make_room(&mut search, id, bound, moment) {
                Room::Place(freed) => match &mut held {
                    Some(place) => place.absorb(freed),
                    None => held = Some(freed),
                },
                Room::Again => {}
                Room::None => return Err(lacking),
            }
        }
    }

    /// Carries out an operation that may make a session larger, again as long as it needs more bytes than it has
    /// reserved, and sessions are ended for it. [`Refusal::Full`] if there is no room.
    pub(super) fn with_room<R, E>(
        &self,
        id: &SessionId,
        moment: Moment<'_>,
        mut operation: impl FnMut(Option<&mut Reservation<'_>>) -> Result<R, Refusal<E>>,
    ) -> Result<R, Refusal<E>> {
        let mut reserved = self.table.reservation();
        loop {
            match operation(reserved.as_mut()) {
                Err(Refusal::Full) if self.reserve_more(reserved.as_mut(), id, moment) => {}
                result => return result,
            }
        }
    }

    /// Reserves what the operation needs that was refused. False if there is no room.
    #[cold]
    fn reserve_more<'s>(&'s self, reserved: Option<&mut Reservation<'s>>, id: &SessionId, moment: Moment<'_>) -> bool {
        let Some(reserved) = reserved else { return false };
        let mut search = Search::new(SEARCHES_FOR_BYTES);
        // No session is ended for one that is larger than the limit.
        while let Some(shortage) = reserved.shortage().filter(|shortage| shortage.whole <= self.config.max_bytes) {
            if reserved.resize(shortage.more) {
                return true;
            }
            match self.make_room(&mut search, id, shortage.bound, moment) {
                Room::Place(freed) => reserved.absorb(freed.into_bytes()),
                Room::Again => {}
                Room::None => break,
            }
        }
        self.rejections.note_change();
        self.tracer.change_refused();
        false
    }

    /// Ends some expired sessions, or a session in favour of `newcomer`, if the policy allows it.
    fn make_room<'s>(&'s self, search: &mut Search, newcomer: &SessionId, bound: bool, moment: Moment<'_>) -> Room<'s> {
        if search.sweeps > 0 {
            let ended = self.table.sweep_some(ENTRIES_SEARCHED_WHEN_FULL, moment);
            search.sweeps = if ended > 0 { search.sweeps - 1 } else { 0 };
            return Room::Again;
        }
        let (whose, among) = match (self.config.when_full, bound) {
            (WhenFull::Refuse, _) => return Room::None,
            (WhenFull::EndIdlest, _) => (Whose::Any, usize::MAX),
            (WhenFull::EndUnbound, false) => (Whose::Unbound, ENTRIES_SEARCHED_WHEN_FULL),
            (WhenFull::EndUnbound, true) => (Whose::UnboundFirst, ENTRIES_SEARCHED_FOR_THE_BOUND),
        };
        let room = self.table.make_room(newcomer.as_bytes(), whose, among.min(search.among), moment);
        if let Room::Place(_) = room {
            search.among = ENTRIES_SEARCHED_WHEN_FULL;
        }
        room
    }
}
