//! Giving a session another id.

use crate::error::SharedError;
use crate::inner::{status, written};
use crate::record::milliseconds;
use crate::scripts::{Script, Status};
use crate::store::SharedStore;
use crate::{Shared, arguments, names};
use cloakroom::{Attributes, Principal, SessionId, Snapshot, Timeouts};
use core::fmt;
use core::time::Duration;

impl<T: Shared + ?Sized> SharedStore<T> {
    /// Gives a session a new id. The old one is dead.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session, or the id only leads to it.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// the session may have an id that nobody has.
    pub async fn rotate(&self, id: &SessionId) -> Result<SessionId, SharedError> {
        self.rotation(id).rotate().await
    }

    /// Begins a rotation with a grace, other timeouts or a login.
    pub fn rotation<'s>(&'s self, id: &'s SessionId) -> SharedRotation<'s, T> {
        SharedRotation::new(self, id)
    }
}

/// Gives a session another id, with a grace for the old one, other timeouts, or a login: made by
/// [`SharedStore::rotation`].
#[must_use = "nothing happens before `rotate`, `login` or `unbind` is called"]
pub struct SharedRotation<'s, T: Shared + ?Sized = Attributes> {
    store: &'s SharedStore<T>,
    id: &'s SessionId,
    grace: Duration,
    timeouts: Timeouts,
}

impl<T: Shared + ?Sized> fmt::Debug for SharedRotation<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRotation")
            .field("grace", &self.grace)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl<'s, T: Shared + ?Sized> SharedRotation<'s, T> {
    pub(crate) fn new(store: &'s SharedStore<T>, id: &'s SessionId) -> Self {
        Self { store, id, grace: Duration::ZERO, timeouts: Timeouts::default() }
    }

    /// Lets the old id lead to the session for this time.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Changes timeouts of the session.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Rotates the id, and returns the new one.
    ///
    /// # Errors
    ///
    /// [`Missing`](SharedError::Missing) if there is no such session, or the id only leads to it.
    /// [`Random`](SharedError::Random) if there are no random bytes for an id. [`Away`](SharedError::Away) if the
    /// engine is not there or does not answer in time, [`Engine`](SharedError::Engine) if it refuses.
    /// [`Unknown`](SharedError::Unknown) if its answer was lost: the change has happened, or not, or happens yet. Then
    /// the session may have an id that nobody has.
    pub async fn rotate(self) -> Result<SessionId, SharedError> {
        self.moved(Owner::Same, None, None).await
    }

    /// Binds the session to a principal, and returns its new id.
    ///
    /// # Errors
    ///
    /// [`OtherPrincipal`](SharedError::OtherPrincipal) if it is bound to another one.
    /// [`PrincipalFull`](SharedError::PrincipalFull) if that one has as many sessions as it may. Others as for
    /// [`rotate`](Self::rotate).
    pub async fn bind(self, principal: &Principal) -> Result<SessionId, SharedError> {
        self.moved(Owner::Bind(*principal), None, None).await
    }

    /// Moves the session to a new id. `version`: if it is at this one. `content`: with this one in place of its own.
    async fn moved(
        self,
        owner: Owner,
        version: Option<u32>,
        content: Option<Vec<u8>>,
    ) -> Result<SessionId, SharedError> {
        let inner = &self.store.inner;
        let new = SessionId::random()?;
        let (how, principal) = match owner {
            Owner::Same => ("same", None),
            Owner::Bind(principal) => ("bind", Some(principal)),
            Owner::Login(principal) => ("login", Some(principal)),
            Owner::Nobody => ("nobody", None),
        };
        let hash = principal.map_or_else(Vec::new, |principal| names::of_principal(&principal).to_vec());
        let principal = principal.map_or_else(Vec::new, |principal| principal.to_bytes().to_vec());
        let version = version.map_or_else(Vec::new, |version| arguments::number(version.into()));
        let [idle, absolute, cookie] = arguments::timeouts(self.timeouts);
        let spans = [self.grace, inner.config.remember_replaced].map(|span| match span {
            Duration::ZERO => arguments::number(0),
            span => arguments::number(milliseconds(span)),
        });
        let [grace, remember] = spans;
        let [most, policy] = inner.limit();
        let [default_idle, default_absolute, _] = arguments::timeouts(inner.default_timeouts());
        let ids = [self.id, &new].map(|id| names::of_session(id).to_vec());
        let changed = arguments::number(content.is_some().into());
        let mut arguments = ids.to_vec();
        arguments.extend([how.as_bytes().to_vec(), hash, principal, version, idle, absolute, cookie, grace, remember]);
        // A login of another principal begins with empty attributes. (A value is given by its caller.)
        arguments.extend([most, policy, default_idle, default_absolute, Vec::new()]);
        arguments.extend([changed, content.unwrap_or_default()]);
        let values = inner.run(Script::Move, arguments, Some(*self.id)).await?;
        match status(&values) {
            Some(Status::Done) => Ok(new),
            _ => Err(SharedError::Changed),
        }
    }
}

/// To whom the session belongs afterwards.
#[derive(Clone, Copy)]
enum Owner {
    Same,
    Bind(Principal),
    Login(Principal),
    Nobody,
}

impl SharedRotation<'_> {
    /// Logs a visitor in, and returns the session's new id. A session of another principal ends, and one without
    /// attributes takes its place.
    ///
    /// # Errors
    ///
    /// [`PrincipalFull`](SharedError::PrincipalFull) if the principal has as many sessions as it may. Others as for
    /// [`rotate`](Self::rotate).
    pub async fn login(self, principal: &Principal) -> Result<SessionId, SharedError> {
        self.moved(Owner::Login(*principal), None, None).await
    }

    /// Takes the session from its principal, with the attributes whose keys `keep` accepts, and returns its new id.
    ///
    /// # Errors
    ///
    /// As for [`rotate`](Self::rotate).
    pub async fn unbind(self, mut keep: impl FnMut(&str) -> bool) -> Result<SessionId, SharedError> {
        loop {
            let held = self.store.inner.fetch(self.id, true, true).await?;
            let kept = held.content.iter().filter(|(key, _)| keep(key));
            let content = written::<Attributes>(&Snapshot::detached(kept));
            match self.again().moved(Owner::Nobody, Some(held.terms.version), Some(content)).await {
                Err(SharedError::Changed) => {}
                moved => return moved,
            }
        }
    }
}

impl<T: Shared + ?Sized> SharedRotation<'_, T> {
    fn again(&self) -> Self {
        Self { ..*self }
    }
}
