//! What a session says about its id: which application accepts it, and how long the browser keeps its cookie.

use super::{SessionStore, Timeouts};
use crate::audience::Audience;
use crate::content::Content;
use crate::entry::life::Life;
use crate::entry::{EntryRef, Overrides, Ticket};
use crate::error::MissingError;
use crate::expiry::{Limits, Tick, span};
use crate::id::SessionId;
use crate::table::Change;
use core::time::Duration;

/// A cookie is sent again when this part of its lifetime has passed.
const PARTS: u64 = 8;

/// Says which application accepts the id of a session, with which lifetime its cookie is to be sent, and whether it is
/// time to send it again. Returned by [`SessionStore::ticket`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionTicket {
    /// The application that accepts the id ([`NewSession::audience`](crate::NewSession::audience)).
    pub audience: Option<Audience>,
    /// The lifetime that a cookie that is sent now should have: that of [`Timeouts::cookie`], or the remaining time of
    /// the session if it is shorter. `None` if the session does not say it.
    pub max_age: Option<Duration>,
    /// Whether the cookie was not sent with this lifetime yet; or whether the session was used since it was sent, so
    /// that a cookie that is sent now lasts longer by an eighth of its lifetime or more, or up to the session's
    /// absolute timeout.
    pub is_due: bool,
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns which application accepts the session's id, and the lifetime that its cookie should have, without
    /// touching the session. `None` if there is no such session.
    ///
    /// If several applications share the store, each takes a session of another [`Audience`] for none.
    ///
    /// A server that sends the cookie asks for it whenever it sends the id. After a request that has kept the id it
    /// sends the cookie again only if that is [due](SessionTicket::is_due), and then calls
    /// [`renew_cookie`](Self::renew_cookie). So a cookie lasts as long as its session without a `Set-Cookie` in each
    /// response.
    ///
    /// Lock-free; allocates nothing. Takes effect when the stamp is loaded; if the session has expired, when this call
    /// ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{ManualClock, SessionStore, Timeouts};
    /// use std::time::Duration;
    ///
    /// let (clock, day) = (ManualClock::new(), Duration::from_secs(24 * 60 * 60));
    /// let store = SessionStore::builder().clock(clock.clone()).build()?;
    /// let remembered = Timeouts::default().idle(8 * day).cookie(Some(8 * day));
    /// let id = store.new_session().timeouts(remembered).create()?;
    /// let ticket = |id| store.ticket(id).unwrap();
    /// assert_eq!((ticket(&id).max_age, ticket(&id).is_due), (Some(8 * day), false));
    ///
    /// clock.advance(day);
    /// store.touch(&id);
    /// assert!(ticket(&id).is_due);
    /// assert_eq!(store.renew_cookie(&id), Some(8 * day));
    /// assert!(!ticket(&id).is_due);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ticket(&self, id: &SessionId) -> Option<SessionTicket> {
        loop {
            let moment = self.moment();
            let ticket = self.read_version(id, false, |version| self.ticket_of(version, moment.now()));
            match ticket {
                Ok(Some(ticket)) => return Some(ticket),
                // The version was replaced or ended after it was found.
                Ok(None) => {}
                Err(_) => return None,
            }
        }
    }

    /// Notes that the session's cookie is sent again, if that is due, and returns the lifetime to send it with. `None`
    /// if it is not due, or if there is no such session. Does not touch the session.
    ///
    /// If several requests find it due at once, one of them gets the lifetime. **Sessions with a value** are not copied
    /// for this: there is no note of it, so it stays due until the session gets another id, and each call returns the
    /// lifetime.
    ///
    /// Lock-free; allocates if it is due. Takes effect when the session's previous version is superseded.
    ///
    /// # Examples
    ///
    /// See [`ticket`](Self::ticket).
    #[must_use = "the cookie must be sent"]
    pub fn renew_cookie(&self, id: &SessionId) -> Option<Duration> {
        let moment = self.moment();
        let mut renewed = None;
        let result = self.update_version(id, moment, |version, _| {
            renewed = None;
            let Life::Live(stamp) = version.life().load() else { return Ok::<_, MissingError>(Change::Keep) };
            let ticket = self.ticket_of(version, moment.now()).filter(|ticket| ticket.is_due);
            let Some(SessionTicket { max_age, .. }) = ticket else { return Ok(Change::Keep) };
            renewed = max_age;
            let before = version.overrides();
            let overrides =
                Overrides { ticket: Ticket { sent: moment.now().in_era_of(stamp), ..before.ticket }, ..before };
            let noted = T::copied(version, version.next_head(stamp, &overrides));
            Ok(noted.map_or(Change::Keep, Change::Replace))
        });
        result.ok().and(renewed)
    }

    /// The ticket of a version that was found live. `None` if it no longer is.
    fn ticket_of(&self, version: EntryRef<'_, T::Payload>, now: Tick) -> Option<SessionTicket> {
        let Ticket { audience, cookie_life, sent } = version.ticket();
        let audience = Audience::from_key(audience);
        if cookie_life == 0 {
            return Some(SessionTicket { audience, max_age: None, is_due: false });
        }
        let Life::Live(stamp) = version.life().load() else { return None };
        let left = self.time_left(version, stamp, now);
        let Limits { idle, end } = self.limits_of(version);
        let cookie_life = cookie_life.min(idle);
        // Until when the cookie lasts that was sent, and one that is sent because of the last use.
        let [before, after] = [sent, stamp.max(sent)].map(|sent| sent.after(cookie_life).min(end));
        let longer = after.get() - before.get();
        let is_due = sent == Ticket::UNSENT || longer > 0 && (longer >= cookie_life / PARTS || after == end);
        Some(SessionTicket { audience, max_age: Some(span(cookie_life).min(left)), is_due })
    }

    /// The ticket of a session that gets another id, whose cookie is sent now. If another principal's session takes its
    /// place, it only has the audience in common with it.
    pub(super) fn ticket_of_new_id(&self, before: Ticket, kept: bool, timeouts: Timeouts, now: Tick) -> Ticket {
        let kept = if kept { before } else { Ticket { audience: before.audience, ..Ticket::NONE } };
        let ticket = Self::ticket_after(kept, timeouts, now);
        if ticket.cookie_life == 0 { ticket } else { Ticket { sent: now, ..ticket } }
    }
}
