//! Sessions bound to a principal.
//!
//! A session is bound when it is created, or when it gets a new id, and stays bound under that id: so an id's principal never changes.
//! How the index of principals and the table of sessions keep in step is told in [`crate::principal::index`].

use super::SessionStore;
use crate::content::{Content, Replicate};
use crate::entry::account::Binding;
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key};
use crate::error::{BindError, CreateError, RotateError};
use crate::events::RemovalCause;
use crate::expiry::{Moment, Tick, Ticking};
use crate::id::SessionId;
use crate::principal::index::{Exempt, Joining, User};
use crate::principal::{Principal, WhenPrincipalFull};
use crate::table::{Change, Place, Refusal};

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns the principal that a session is bound to, without touching the session. `None` if it is bound to none, does not exist or has expired (it is
    /// removed then).
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded, or where it had expired, when it is ended.
    pub fn principal(&self, id: &SessionId) -> Option<Principal> {
        let moment = self.moment();
        self.table.read_bound(id.as_bytes(), moment).ok().flatten().map(|(principal, _)| Principal::from_key(principal))
    }

    /// What the session of this very id is bound to, or why it is not there.
    pub(super) fn binding_of(&self, id: &SessionId) -> Result<Option<(Principal, Binding)>, Refusal<()>> {
        let moment = self.moment();
        let mut bound = false;
        // Not by reading, which would follow a forward.
        self.table.update(id.as_bytes(), moment, |version, _| {
            bound = version.is_bound();
            Ok(Change::Keep)
        })?;
        if !bound {
            return Ok(None);
        }
        let (principal, binding) = self.table.read_bound(id.as_bytes(), moment)?.ok_or(Refusal::NotFound)?;
        Ok(Some((Principal::from_key(principal), binding)))
    }

    /// Returns the live sessions of a principal, oldest first, without touching them: the devices that a user is logged in on.
    ///
    /// All that were there from before the call until after it are in it. Lock-free; allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let laptop = store.new_session().principal(ada).create_with([("device", "laptop")])?;
    /// let phone = store.new_session().principal(ada).create_with([("device", "phone")])?;
    /// assert_eq!(store.sessions_of(&ada), [laptop, phone]);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn sessions_of(&self, principal: &Principal) -> Vec<SessionId> {
        let Some(user) = self.index.find(principal.key()) else { return Vec::new() };
        let members = user.members();
        let sessions = members.chunk_by(|one, other| one.serial == other.serial);
        let ids = sessions.filter_map(|members| {
            let ids = members.iter().map(|member| member.id).collect();
            self.current_id(&user, members[0].serial, ids)
        });
        ids.collect()
    }

    /// The id under which a session is live, of those that the index had or has for it.
    fn current_id(&self, user: &User<'_>, serial: u32, mut ids: Vec<Key>) -> Option<SessionId> {
        let mut looked_up = Vec::new();
        while let Some(id) = ids.pop() {
            if let Some(current) = self.leads_to(user, serial, &id) {
                return Some(SessionId::from_bytes(current));
            }
            looked_up.push(id);
            if ids.is_empty() {
                // It may have been rotated since the index was read.
                ids = user.ids_of(serial).into_iter().filter(|id| !looked_up.contains(id)).collect();
            }
        }
        None
    }

    /// The key of the principal's live session of this serial number, if an id is or leads to that: a session that has
    /// just been rotated with grace may not be known yet by its new one.
    fn leads_to(&self, user: &User<'_>, serial: u32, id: &Key) -> Option<Key> {
        let key = |version: EntryRef<'_, _>| {
            let binding = version.binding().filter(|binding| binding.serial == serial && user.is_of(*binding));
            binding.map(|_| *version.key())
        };
        self.table.read(id, false, self.moment(), key).ok().flatten()
    }

    /// Ends all sessions of a principal, and returns how many: "log out everywhere", a changed password, a closed account (ASVS 5 requirements
    /// 7.4.2, 7.4.3).
    ///
    /// They all end at one instant. Nothing that was there before is usable after it, not even for a moment, whatever was in flight: one that is
    /// rotated at the same time has ended under either id. A login that comes at the same time counts as before or as after.
    ///
    /// The call then gives the sessions' places and memory back, one by one, and counts them. (One that an
    /// [eviction](Self::evict_expired) at the same time comes upon first is not counted.) Ending 100,000 takes some tens of milliseconds.
    ///
    /// Lock-free; allocates. Takes effect when the generation of the principal's account is raised.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let id = store.new_session().principal(ada).create()?;
    /// store.new_session().principal(ada).create()?;
    /// assert_eq!(store.end_sessions_of(&ada), 2);
    /// assert!(!store.exists(&id));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn end_sessions_of(&self, principal: &Principal) -> usize {
        self.end_all_but(principal, None)
    }

    /// Ends all sessions of a principal but one, and returns how many: "log out my other devices". If `kept` is not one of
    /// them, all are ended.
    ///
    /// As [`end_sessions_of`](Self::end_sessions_of) otherwise. `kept` may be an id that still leads to the session after a
    /// [rotation](Self::rotation) with grace. The session may be rotated at the same time, and survives that.
    pub fn end_other_sessions_of(&self, principal: &Principal, kept: &SessionId) -> usize {
        self.end_all_but(principal, Some(kept))
    }

    fn end_all_but(&self, principal: &Principal, kept: Option<&SessionId>) -> usize {
        let Some(user) = self.index.find(principal.key()) else { return 0 };
        // Read before the sessions end: from then on nothing may go wrong.
        let now = self.time.tick();
        user.revoke(|| kept.and_then(|kept| self.exempt(&user, kept)));
        self.table.end_revoked(&user.take_revoked(), false, self.moment_at(&now))
    }

    /// The session of this id, if it is one of the principal's.
    fn exempt(&self, user: &User<'_>, id: &SessionId) -> Option<Exempt> {
        match self.table.read_bound(id.as_bytes(), self.moment()) {
            Ok(bound) => bound.filter(|(_, binding)| user.is_of(*binding)).map(|(_, binding)| binding.into()),
            // It may be changing its id at this very moment.
            Err(_) => user.exempt(id.as_bytes()),
        }
    }

    /// Gives back what a session takes that this thread has brought, and that has been revoked meanwhile.
    fn end_revoked(&self, id: &SessionId, now: Tick) {
        self.table.end_revoked(core::slice::from_ref(id.as_bytes()), true, self.moment_at(&now));
    }

    /// Lists a session that is about to be created for its principal, if the principal may have one more, or has ended one for it.
    pub(super) fn join(
        &self,
        principal: &Principal,
        id: &SessionId,
        moment: Moment<'_>,
    ) -> Result<Joined<'_>, CreateError> {
        let mut user = self.index.open(principal.key());
        let mut place = None;
        loop {
            let limit = self.config.max_sessions_per_principal;
            match user.join(*id.as_bytes(), limit, |id| self.table.holds(id, moment)) {
                Ok(joining) => return Ok(Joined { joining, place }),
                Err(full) if self.config.when_principal_full == WhenPrincipalFull::EndIdlest => {
                    // Each round ends one, or finds that one has been used or has ended meanwhile.
                    user = full;
                    match self.end_idlest(&user, id, moment) {
                        Idlest::Ended(left) => place = Some(left),
                        Idlest::Changed => {}
                        Idlest::None => return Err(CreateError::PrincipalFull),
                    }
                }
                Err(_) => return Err(CreateError::PrincipalFull),
            }
        }
    }

    /// Ends the principal's session that has lain untouched for the longest time, in favour of `newcomer`, which gets its place.
    fn end_idlest(&self, user: &User<'_>, newcomer: &SessionId, moment: Moment<'_>) -> Idlest<'_> {
        let stamps = user.members().into_iter().filter_map(|member| Some((self.stamp(&member.id, moment)?, member.id)));
        let Some((stamp, idlest)) = stamps.min_by_key(|(stamp, _)| *stamp) else { return Idlest::None };
        let cause = RemovalCause::PrincipalLimit;
        match self.table.end_for(&idlest, stamp, newcomer.as_bytes(), cause, moment) {
            Some(place) => Idlest::Ended(place),
            None => Idlest::Changed,
        }
    }

    /// The tick in which the session of this very id was touched last.
    fn stamp(&self, id: &Key, moment: Moment<'_>) -> Option<Tick> {
        loop {
            let life =
                self.table.read(id, false, moment, |version| (version.key() == id).then(|| version.life().load()));
            match life {
                Ok(Some(Life::Live(stamp))) => return Some(stamp),
                Ok(Some(Life::Superseded)) => {}
                Ok(None | Some(Life::Dead | Life::Pending)) | Err(_) => return None,
            }
        }
    }

    /// The session of this id, which has joined, is in the table. If it has been revoked meanwhile, it is ended.
    pub(super) fn arrive(&self, joining: Joining<'_>, id: &SessionId, now: Tick) {
        if !joining.arrive() {
            self.end_revoked(id, now);
        }
    }

    /// Where the index is to list a session that changes its id: as before under the new id, or as a newcomer to a principal.
    pub(super) fn seat(
        &self,
        before: Option<(Principal, Binding)>,
        principal: Option<&Principal>,
        from: &SessionId,
        to: &SessionId,
        moment: Moment<'_>,
    ) -> Result<Seat<'_>, BindError> {
        match (before, principal) {
            (Some((before, binding)), _) => {
                let user =
                    self.index.find(before.key()).filter(|user| user.is_of(binding)).ok_or(BindError::NotFound)?;
                if !user.announce_move(binding, from.as_bytes(), *to.as_bytes()) {
                    return Err(BindError::NotFound);
                }
                Ok(Seat::Moves(Move { user, binding, from: *from, to: *to }))
            }
            // The place of a session that has ended for the principal's limit is given back: this one brings its own.
            (None, Some(principal)) => match self.join(principal, to, moment) {
                Ok(joined) => Ok(Seat::Joins(joined.joining)),
                Err(_) => Err(BindError::PrincipalFull),
            },
            (None, None) => Ok(Seat::Unbound),
        }
    }
}

/// A session that is listed for its principal, and the place of the one that has ended for it.
pub(super) struct Joined<'s> {
    pub(super) joining: Joining<'s>,
    pub(super) place: Option<Place<'s>>,
}

enum Idlest<'s> {
    /// It has ended, and left this place.
    Ended(Place<'s>),
    /// It has been used or has ended meanwhile.
    Changed,
    /// There is none that can be ended.
    None,
}

/// How the index goes on to list a session that changes its id.
pub(super) enum Seat<'s> {
    Unbound,
    Moves(Move<'s>),
    Joins(Joining<'s>),
}

impl Seat<'_> {
    /// The binding of a session that was not bound before.
    pub(super) fn binding(&self) -> Option<Binding> {
        if let Self::Joins(joining) = self { Some(joining.binding) } else { None }
    }

    /// The session is in the table under its new id. If it has been revoked meanwhile, it is ended.
    pub(super) fn take<T: Content + ?Sized>(self, store: &SessionStore<T>, id: &SessionId, now: Tick) {
        let stands = match self {
            Self::Unbound => true,
            Self::Moves(announced) => announced.finish(),
            Self::Joins(joining) => joining.arrive(),
        };
        if !stands {
            store.end_revoked(id, now);
        }
    }
}

/// A session that is listed under its new id beside the old one. The new one is struck off when this is dropped, unless it has moved.
pub(super) struct Move<'s> {
    user: User<'s>,
    binding: Binding,
    from: SessionId,
    to: SessionId,
}

impl Move<'_> {
    /// The session has moved. False if it has been revoked meanwhile.
    fn finish(mut self) -> bool {
        self.to = self.from;
        self.user.stands_after_arrival(self.binding)
    }
}

impl Drop for Move<'_> {
    fn drop(&mut self) {
        self.user.strike(self.binding, self.to.as_bytes());
    }
}

impl SessionStore {
    /// Logs a visitor in who has a session already: binds it to a principal, and gives it a new id.
    ///
    /// * A session that is bound to nobody, or to this principal, keeps its attributes and timeouts, as with [`bind`](Self::bind).
    /// * A session that is **bound to another principal** ends (with the cause [`Deleted`](RemovalCause::Deleted)), and a new one begins in its
    ///   place: without attributes, with the store's timeouts. So nobody reads what the user before has left in the browser.
    ///
    /// In either case the old id is dead at one instant (session fixation; ASVS 5 requirement 7.2.4).
    ///
    /// Lock-free; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind), but never [`BindError::OtherPrincipal`]. Where there is no session ([`BindError::NotFound`],
    /// [`BindError::Expired`]), [`create`](Self::new_session) one for the principal.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let visitor = store.create_with([("basket", "3 apples")])?;
    /// let ada = store.login(&visitor, &Principal::new("ada"))?;
    /// assert_eq!(store.get(&ada, "basket").as_deref(), Some("3 apples"));
    ///
    /// // Somebody else logs in, in the same browser.
    /// let eve = store.login(&ada, &Principal::new("eve"))?;
    /// assert_eq!(store.get(&eve, "basket"), None);
    /// assert!(!store.exists(&ada));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn login(&self, id: &SessionId, principal: &Principal) -> Result<SessionId, BindError> {
        self.rotation(id).login(principal)
    }
}

impl<T: Send + Sync + 'static> SessionStore<T> {
    /// Logs a visitor in who has a session already: binds it to a principal, and gives it a new id and the value that `f` makes.
    ///
    /// `f` is shown the value that the session has if it is bound to nobody or to this principal. If it is **bound to another principal**, `f` is shown
    /// `None`: the session ends, and a new one begins in its place, with the store's timeouts. `f` may be called several times, as that of
    /// [`update`](Self::update). More is said at [`login`](SessionStore#method.login) for attributes.
    ///
    /// Lock-free; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind), but never [`BindError::OtherPrincipal`].
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionConfig, SessionStore};
    ///
    /// let store = SessionStore::<Vec<u32>>::typed(SessionConfig::default());
    /// let visitor = store.create_with(vec![7])?;
    /// let basket = |before: Option<&Vec<u32>>| before.cloned().unwrap_or_default();
    /// let ada = store.login_with(&visitor, &Principal::new("ada"), basket)?;
    /// assert_eq!(store.read(&ada, Vec::len), Some(1));
    /// let eve = store.login_with(&ada, &Principal::new("eve"), basket)?;
    /// assert_eq!(store.read(&eve, Vec::len), Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn login_with(
        &self,
        id: &SessionId,
        principal: &Principal,
        f: impl FnMut(Option<&T>) -> T,
    ) -> Result<SessionId, BindError> {
        self.rotation(id).login_with(principal, f)
    }
}

impl<T: Replicate + ?Sized> SessionStore<T> {
    /// Binds a session to a principal, and gives it a new id: the login of a visitor who has a session already.
    ///
    /// There is no way to bind a session and keep its id, for an id from before the login must not serve after it (session fixation; ASVS 5 requirement
    /// 7.2.4). What the session holds is kept. That would hand over the attributes of one user to the next who logs in with the same browser, so a session
    /// that is bound to another principal is refused; [`login`](Self::login) does what is needed then.
    ///
    /// Lock-free; allocates. Takes effect as [`rotate_id`](Self::rotate_id). If all sessions of the principal are ended at the same time, the
    /// id that is returned may be that of a session that has ended.
    ///
    /// # Errors
    ///
    /// [`BindError::PrincipalFull`] if the principal has
    /// [as many sessions as it may have](crate::SessionConfig::max_sessions_per_principal), [`BindError::OtherPrincipal`] if the session is bound to
    /// another one, and else as for [`rotate_id`](Self::rotate_id). The session is as it was then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let visitor = store.create_with([("basket", "3 apples")])?;
    /// let ada = Principal::new("ada");
    /// let id = store.bind(&visitor, &ada)?;
    /// assert_eq!(store.get(&id, "basket").as_deref(), Some("3 apples"));
    /// assert_eq!(store.principal(&id), Some(ada));
    /// assert!(!store.exists(&visitor));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(&self, id: &SessionId, principal: &Principal) -> Result<SessionId, BindError> {
        self.rotation(id).bind(principal)
    }
}

impl From<RotateError> for BindError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::NotFound => Self::NotFound,
            RotateError::Expired => Self::Expired,
            RotateError::Random(cause) => Self::Random(cause),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::attributes::Attributes;
    use crate::sync::on_step;

    fn store(when_full: WhenPrincipalFull) -> SessionStore<Attributes> {
        let builder = SessionStore::builder().max_sessions_per_principal(2).when_principal_full(when_full);
        builder.build().expect("the settings are valid")
    }

    fn login(store: &SessionStore, principal: Principal) -> SessionId {
        store.new_session().principal(principal).create().expect("there is room")
    }

    /// As if the thread that ends them all were suspended right after the effect.
    #[test]
    fn revoked_sessions_are_gone_and_in_nobodys_way_before_they_are_cleared_away() {
        for policy in [WhenPrincipalFull::Refuse, WhenPrincipalFull::EndIdlest] {
            let store = store(policy);
            let ada = Principal::new("ada");
            let ids = [login(&store, ada), login(&store, ada)];
            store.index.find(ada.key()).expect("an account").revoke(|| None);
            assert!(
                ids.iter().all(|id| !store.exists(id) && store.set(id, "role", "admin").is_err() && !store.delete(id))
            );
            assert_eq!(store.sessions_of(&ada), []);
            let new = [login(&store, ada), login(&store, ada)];
            assert_eq!(store.sessions_of(&ada), new);
            assert_eq!(store.end_sessions_of(&ada), 2);
            store.evict_expired();
            assert_eq!(store.count(), 0);
        }
    }

    /// As if the thread that has ended a session were suspended before it could take it off the index.
    #[test]
    fn a_session_that_has_ended_is_in_no_logins_way_though_it_is_still_listed() {
        for policy in [WhenPrincipalFull::Refuse, WhenPrincipalFull::EndIdlest] {
            let store = store(policy);
            let ada = Principal::new("ada");
            let kept = login(&store, ada);
            let user = store.index.open(ada.key());
            let Ok(ended) = user.join([7; 32], 2, |_| true) else { panic!("there is room") };
            assert!(ended.arrive(), "a member without a session");
            let new = login(&store, ada);
            assert_eq!(store.sessions_of(&ada), [kept, new]);
        }
    }

    #[test]
    fn accounts_and_segments_go_with_their_sessions() {
        let store = SessionStore::default();
        let ada = Principal::new("ada");
        let ids: Vec<_> = (0..100).map(|_| login(&store, ada)).collect();
        assert_eq!(store.sessions_of(&ada), ids);
        let rotated = store.rotate_id(&ids[50]).expect("it is live");
        assert_eq!(store.sessions_of(&ada)[50], rotated, "a session keeps its turn");
        ids.iter().for_each(|id| _ = store.delete(id));
        assert_eq!((store.sessions_of(&ada), store.index.principals()), (vec![rotated], 1));
        store.delete(&rotated);
        assert_eq!((store.sessions_of(&ada), store.index.principals()), (vec![], 0));
    }

    /// The thread that brings a session is at work on its principal's account until it has arrived, whatever becomes of
    /// the session meanwhile.
    #[test]
    fn a_session_that_ends_before_it_has_arrived_leaves_the_account_to_the_thread_that_brings_it() {
        fn check(bring: fn(&SessionStore, Principal) -> SessionId) {
            let store = std::rc::Rc::new(SessionStore::default());
            let ada = Principal::new("ada");
            let (seen, arrived) = (store.clone(), std::rc::Rc::new(core::cell::Cell::new(false)));
            let arrives = arrived.clone();
            on_step(move |step| {
                if step == "about to arrive" && !arrives.replace(true) {
                    assert_eq!(seen.delete_where(|_| true), 1);
                    assert_eq!(seen.index.principals(), 1, "its account is in use");
                }
            });
            let id = bring(&store, ada);
            on_step(|_| {});
            assert!(arrived.get() && !store.exists(&id));
            assert_eq!((store.count(), store.index.principals()), (0, 0));
        }
        check(login);
        check(|store, ada| store.bind(&store.create().expect("there is room"), &ada).expect("it is live"));
    }

    /// As if the thread that rotates it were suspended right after the effect: the session is found by way of its old
    /// id.
    #[test]
    fn a_session_that_is_rotated_with_grace_is_listed_all_the_time() {
        let store = std::rc::Rc::new(SessionStore::default());
        let ada = Principal::new("ada");
        let old = login(&store, ada);
        let (seen, listed) = (store.clone(), std::rc::Rc::new(core::cell::RefCell::default()));
        let lists = listed.clone();
        on_step(move |step| {
            if step == "moved on" {
                lists.replace(seen.sessions_of(&ada));
            }
        });
        let new = store.rotation(&old).grace(core::time::Duration::from_secs(9)).rotate().expect("it is live");
        on_step(|_| {});
        assert_eq!((listed.take(), store.sessions_of(&ada)), (vec![new], vec![new]));
    }

    /// The principal never has two sessions, but for the first two. The thread that ends the second one is suspended
    /// before it could take the session off the index: just when a third one has been let in, and has taken the first
    /// one's place there.
    #[test]
    fn a_login_is_refused_only_where_all_the_sessions_lived_at_one_instant() {
        let store = SessionStore::default();
        let ada = Principal::new("ada");
        let open = || store.index.open(ada.key());
        for key in [[1; 32], [2; 32]] {
            let Ok(joining) = open().join(key, 2, |_| true) else { panic!("there is room") };
            assert!(joining.arrive());
        }
        let dead = core::cell::RefCell::new(vec![[1; 32]]);
        let is_live = |key: &Key| !dead.borrow().contains(key);
        let looks = core::cell::Cell::new(0);
        let login = open().join([4; 32], 2, |key| {
            looks.set(looks.get() + 1);
            // Both have been looked at, and the first one is about to be taken off.
            if looks.get() == 3 {
                let third = open().join([3; 32], 2, |key| {
                    let live = is_live(key);
                    if *key == [2; 32] {
                        dead.borrow_mut().push([2; 32]);
                    }
                    live
                });
                let Ok(third) = third else { panic!("there is room") };
                assert!(third.arrive());
            }
            is_live(key)
        });
        assert!(login.is_ok(), "refused after {} looks", looks.get());
    }

    /// Does something once, in the middle of an operation of this thread: at the first step of this name.
    fn at_step(name: &'static str, meanwhile: impl Fn() + 'static) {
        let done = core::cell::Cell::new(false);
        on_step(move |step| {
            if step == name && !done.replace(true) {
                meanwhile();
            }
        });
    }

    /// As if a thread were suspended between its look at the standing and the one at the members: these may be younger.
    #[test]
    fn a_session_from_after_a_revocation_is_not_taken_off_by_a_thread_that_knows_of_an_older_one() {
        let store = std::rc::Rc::new(store(WhenPrincipalFull::Refuse));
        let ada = Principal::new("ada");
        login(&store, ada);
        let meanwhile = store.clone();
        let user = store.index.find(ada.key()).expect("an account");
        user.revoke(|| None);
        at_step("bears the key", move || {
            assert_eq!(meanwhile.end_sessions_of(&ada), 1);
            login(&meanwhile, ada);
        });
        let revoked = user.take_revoked();
        on_step(|_| {});
        store.table.end_revoked(&revoked, false, store.moment_at(&Tick::new(0)));
        drop(user);
        let listed = store.sessions_of(&ada);
        assert_eq!((listed.len(), store.count()), (1, 1));
        assert!(store.rotate_id(&listed[0]).is_ok());
    }

    #[test]
    fn a_login_lets_in_no_more_than_allowed_where_sessions_have_come_after_a_revocation() {
        let store = std::rc::Rc::new(store(WhenPrincipalFull::Refuse));
        let ada = Principal::new("ada");
        let [_, kept] = [login(&store, ada), login(&store, ada)];
        let user = store.index.open(ada.key());
        let meanwhile = store.clone();
        at_step("slot read", move || {
            assert_eq!(meanwhile.end_other_sessions_of(&ada, &kept), 1);
            login(&meanwhile, ada);
        });
        let third = user.join([7; 32], 2, |id| store.table.holds(id, store.moment()));
        on_step(|_| {});
        assert!(third.is_err());
        assert_eq!((store.sessions_of(&ada).len(), store.count()), (2, 2));
    }
}
