//! Listing the sessions of a principal.

use super::SessionStore;
use crate::content::Content;
use crate::entry::{EntryRef, Key};
use crate::id::SessionId;
use crate::principal::Principal;
use crate::principal::index::User;

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns the live sessions of a principal, oldest first, without touching them: the devices on which a user is
    /// logged in.
    ///
    /// A session that is live throughout the call is in the list. One that is created or ended during the call may be
    /// in it or not.
    ///
    /// Lock-free; allocates the list. There is no single instant of effect: each session is looked up by itself.
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
    #[must_use]
    pub fn sessions_of(&self, principal: &Principal) -> Vec<SessionId> {
        self.restore_of(principal);
        let Some(user) = self.index.find(principal.key()) else { return Vec::new() };
        let members = user.members();
        let sessions = members.chunk_by(|one, other| one.serial == other.serial);
        let ids = sessions.filter_map(|members| {
            let ids = members.iter().map(|member| member.id).collect();
            self.current_id(&user, members[0].serial, ids)
        });
        ids.collect()
    }

    /// The id under which a session is live, of the ids that the index had or has for it.
    fn current_id(&self, user: &User<'_>, serial: u32, mut ids: Vec<Key>) -> Option<SessionId> {
        let mut looked_up = Vec::new();
        while let Some(id) = ids.pop() {
            if let Some(current) = self.leads_to(user, serial, &id) {
                return Some(SessionId::from_bytes(current));
            }
            looked_up.push(id);
            if ids.is_empty() {
                // The session may have been rotated since the index was read.
                ids = user.ids_of(serial).into_iter().filter(|id| !looked_up.contains(id)).collect();
            }
        }
        None
    }

    /// The key of the principal's live session of this serial number, if `id` is that key or forwards to it: the index
    /// may not yet have the new key of a session that was just rotated with grace.
    fn leads_to(&self, user: &User<'_>, serial: u32, id: &Key) -> Option<Key> {
        let key = |version: EntryRef<'_, _>| {
            let binding = version.binding().filter(|binding| binding.serial == serial && user.is_of(*binding));
            binding.map(|_| *version.key())
        };
        self.table.read(id, false, self.moment(), key).ok().flatten()
    }
}
