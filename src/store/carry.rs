//! Taking a session to another store: showing everything that belongs to it, and putting it into a store under its id.

use super::{SessionStore, SessionView};
use crate::attributes::pack;
use crate::audience::Audience;
use crate::content::{Content, packed_entry, typed_entry};
use crate::entry::{EntryRef, Head, Overrides, Owned, Ticket};
use crate::error::ImportError;
use crate::expiry::{Limits, Moment, Tick, limit, span, ticks_down, timeout};
use crate::id::SessionId;
use crate::principal::Principal;
use crate::sync::Ordering;
use core::time::Duration;

/// Holds what belongs to a session besides its id and its content: see [`SessionStore::export`].
///
/// Times are spans, because the clock of another store has another origin. `Debug` does not show the principal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Carried {
    /// The time since the last use.
    pub idle_for: Duration,
    /// The idle timeout, if the session has one of its own.
    pub idle_timeout: Option<Duration>,
    /// The time until the absolute timeout, if there is one.
    pub ends_in: Option<Duration>,
    /// The principal to which the session is bound.
    pub principal: Option<Principal>,
    /// The application that accepts the session's id, if it is given.
    pub audience: Option<Audience>,
    /// How long the browser keeps the cookie, if the session says so.
    pub cookie_life: Option<Duration>,
    /// The time since the cookie was sent with this lifetime; `None` if it was not.
    pub cookie_sent: Option<Duration>,
    /// The number of the session's [`Version`](crate::Version).
    pub version: u32,
    /// The session's [serial number](SessionStore::serial).
    pub serial: u64,
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Shows a session, and what belongs to it, to a closure, without touching the session: for copies of it elsewhere.
    /// Returns the result of the closure, or `None` if there is no such session.
    ///
    /// All is of one version. If the id still forwards after a [rotation](Self::rotation) with grace, the session is
    /// shown, whose [`id`](SessionView::id) is another one. The rules for the closure are those of
    /// [`read`](Self::read).
    ///
    /// Lock-free; allocates nothing. Takes effect when the stamp is loaded; if the session has expired, when this call
    /// ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let id = store.new_session().principal(ada).create_with([("theme", "dark")])?;
    ///
    /// let other = SessionStore::default();
    /// let (theme, carried) = store
    ///     .export(&id, |session, carried| (session.content().get("theme").map(str::to_owned), carried.clone()))
    ///     .expect("the session is live");
    /// other.import_with(&id, &carried, theme.map(|theme| ("theme", theme)))?;
    /// assert_eq!(other.get(&id, "theme").as_deref(), Some("dark"));
    /// assert_eq!(other.sessions_of(&ada), [id]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn export<R>(&self, id: &SessionId, f: impl FnOnce(&SessionView<'_, T>, &Carried) -> R) -> Option<R> {
        let mut f = Some(f);
        loop {
            // The principal of an id never changes.
            let principal = self.principal(id);
            let moment = self.moment();
            let shown = self.read_version(id, false, |version| {
                let view = SessionView::new(self, version, moment.now())?;
                if version.is_bound() != principal.is_some() {
                    return None;
                }
                let carried = self.carried(version, &view, principal, view.now());
                f.take().map(|f| f(&view, &carried))
            });
            match shown {
                Ok(Some(result)) => return Some(result),
                // The version was replaced or ended after it was found.
                Ok(None) => {}
                Err(_) => return None,
            }
        }
    }

    fn carried(
        &self,
        version: EntryRef<'_, T::Payload>,
        view: &SessionView<'_, T>,
        principal: Option<Principal>,
        now: Tick,
    ) -> Carried {
        let (limits, ticket) = (version.limits(), version.ticket());
        let sent = Some(ticket.sent).filter(|sent| ticket.cookie_life > 0 && *sent != Ticket::UNSENT);
        Carried {
            audience: Audience::from_key(ticket.audience),
            cookie_life: (ticket.cookie_life > 0).then(|| span(ticket.cookie_life)),
            cookie_sent: sent.map(|sent| span(now.get().saturating_sub(sent.get()))),
            idle_for: view.idle_for(),
            idle_timeout: limits.map(|limits| timeout(limits.idle, self.time.resolution())),
            ends_in: limits.and_then(|limits| limits.left_until_end(now)).map(span),
            principal,
            version: version.version(),
            serial: view.serial(),
        }
    }

    /// Puts a session into the table under its id. Ends no other session to make room.
    fn import_entry(
        &self,
        id: &SessionId,
        carried: &Carried,
        build: impl FnOnce(Head<'_>) -> Owned<T::Payload>,
    ) -> Result<(), ImportError> {
        let moment = self.moment();
        let (stamp, limits) = self.times(carried, moment)?;
        if self.read_version(id, false, |_| ()).is_ok() {
            return Err(ImportError::Occupied);
        }
        let limit = self.config.max_sessions_per_principal;
        let joining = match &carried.principal {
            None => None,
            Some(principal) => {
                let joined =
                    self.index.open(principal.key()).join(*id.as_bytes(), limit, |id| self.table.holds(id, moment));
                Some(joined.map_err(|_| ImportError::PrincipalFull)?)
            }
        };
        let mut place = self.table.enter(id.as_bytes()).ok_or(ImportError::Full)?;
        // Relaxed: only the number matters, as where it is counted up.
        self.inserted.fetch_max(carried.serial, Ordering::Relaxed);
        let binding = joining.as_ref().map(|joining| joining.binding);
        let ticket = Ticket {
            audience: carried.audience.map_or(Ticket::NONE.audience, Audience::key),
            cookie_life: carried.cookie_life.map_or(0, ticks_down),
            sent: match (carried.cookie_life, carried.cookie_sent) {
                (None, _) => Ticket::NONE.sent,
                (Some(_), None) => Ticket::UNSENT,
                (Some(_), Some(ago)) => moment.now().before(ticks_down(ago)),
            },
        };
        let overrides = Overrides { limits, binding, serial: carried.serial, ticket, ..Overrides::NONE };
        let head = Head { version: carried.version, ..Head::first(*id.as_bytes(), stamp, &overrides) };
        let new = build(head);
        if self.table.limits_bytes() && !place.resize(new.borrow().charge()) {
            return Err(ImportError::Full);
        }
        self.table.insert(place, new, moment).map_err(|_| ImportError::Occupied)?;
        if let Some(joining) = joining {
            self.arrive(joining, id, moment.now());
        }
        self.tracer.created(id.as_bytes());
        Ok(())
    }

    /// The tick of the last use, and the limits of a session that is imported now.
    fn times(&self, carried: &Carried, moment: Moment<'_>) -> Result<(Tick, Option<Limits>), ImportError> {
        let Carried { idle_for, idle_timeout, ends_in, .. } = carried;
        let limits = (idle_timeout.is_some() || ends_in.is_some()).then(|| Limits {
            idle: idle_timeout.map_or(self.idle, |timeout| limit(timeout, self.time.resolution())),
            end: ends_in.map_or(Tick::NEVER, |left| moment.now().after(ticks_down(left))),
        });
        let idle = ticks_down(*idle_for);
        if idle > limits.map_or(self.idle, |limits| limits.idle) {
            return Err(ImportError::Expired);
        }
        Ok((moment.now().before(idle), limits))
    }
}

impl SessionStore {
    /// Puts a session that was [exported](Self::export) from another store into this one, under its id and with its
    /// remaining times, principal, version and serial number.
    ///
    /// **The id must not have ended in this store.** The rules are those of [`insert_with`](Self::insert_with), except
    /// that no other session is ended to make room. The journal is not told.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`ImportError`] if the session has expired, a live session has this id, or a limit is reached. On an error
    /// nothing has changed.
    ///
    /// # Examples
    ///
    /// [`export`](Self::export) has one.
    pub fn import_with<I, K, V>(&self, id: &SessionId, carried: &Carried, attributes: I) -> Result<(), ImportError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let packed = pack(attributes, self.config.limits()).map_err(ImportError::from)?;
        self.import_entry(id, carried, |head| packed_entry(head, &packed))
    }
}

impl<T: Send + Sync + 'static> SessionStore<T> {
    /// Puts a session with this value, which was [exported](Self::export) from another store, into this one: see the
    /// [same operation on attributes](SessionStore#method.import_with).
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`ImportError`] if the session has expired, a live session has this id, or a limit is reached. The value is
    /// dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionStore};
    ///
    /// let [store, other] = [(); 2].map(|()| SessionStore::<u32>::typed(SessionConfig::default()));
    /// let id = store.create_with(7)?;
    /// let (value, carried) = store
    ///     .export(&id, |session, carried| (*session.content(), carried.clone()))
    ///     .expect("the session is live");
    /// other.import_with(&id, &carried, value)?;
    /// assert_eq!(other.read(&id, |seven| *seven), Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn import_with(&self, id: &SessionId, carried: &Carried, value: T) -> Result<(), ImportError> {
        self.import_entry(id, carried, |head| typed_entry(head, value))
    }
}
