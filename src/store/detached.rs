//! Attributes outside of a store, for crates that keep sessions elsewhere.

use crate::attributes::{Attributes, Draft, Limits, Snapshot, Version, pack};
use crate::config::SessionConfig;
use crate::error::SetError;

impl Snapshot {
    /// Makes attributes that belong to no store: what a crate has read that keeps sessions elsewhere. No limits apply.
    ///
    /// Wait-free if the iterator and the allocator are; allocates.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::Snapshot;
    ///
    /// let attributes = Snapshot::detached([("user", "ada"), ("role", "admin")]);
    /// assert_eq!(attributes.get("role"), Some("admin"));
    /// ```
    #[must_use]
    pub fn detached<I, K, V>(attributes: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let packed = pack(attributes, Limits::NONE).expect("there is no limit");
        Self::of(Attributes::from_packed(&packed), Version::new(0))
    }

    /// Changes a copy of these attributes by a closure, within the limits of a store with this configuration. Returns
    /// the result of the closure, and the copy. Its version is the next one, or the same if nothing has changed.
    ///
    /// Wait-free if the closure and the allocator are; allocates.
    ///
    /// # Errors
    ///
    /// [`SetError::TooManyAttributes`] and [`SetError::TooLarge`], as for
    /// [`update`](crate::SessionStore::update).
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SetError, Snapshot};
    ///
    /// let config = SessionConfig::default().max_attributes(1);
    /// let before = Snapshot::detached([("role", "admin")]);
    /// let (had_role, after) = before.edited(&config, |draft| draft.remove("role"))?;
    /// assert!(had_role && after.is_empty() && after.version() != before.version());
    ///
    /// let refused = before.edited(&config, |draft| draft.set("user", "ada"));
    /// assert!(matches!(refused, Err(SetError::TooManyAttributes { count: 2, limit: 1 })));
    /// # Ok::<(), SetError>(())
    /// ```
    pub fn edited<R>(
        &self,
        config: &SessionConfig,
        f: impl FnOnce(&mut Draft<'_>) -> R,
    ) -> Result<(R, Self), SetError> {
        let mut draft = Draft::of(self);
        let result = f(&mut draft);
        draft.check(config.limits()).map_err(SetError::from)?;
        let after = Attributes::from_packed(draft.packed());
        let changed = draft.packed() != self.packed();
        Ok((result, Self::of(after, if changed { self.version().next() } else { self.version() })))
    }

    /// Returns these attributes as the version with this number, in place of their own: what
    /// [`Carried::version`](crate::Carried::version) says of them. Wait-free; allocates nothing.
    #[must_use]
    pub fn numbered(self, version: u32) -> Self {
        self.at(Version::new(version))
    }
}
