//! Whether a request may use its session.

use crate::fields::{SKIPPED, cookies};
use crate::seal::{Purpose, milliseconds};
use crate::settings::Dbsc;
use crate::state::{ATTRIBUTE, Bound, State};
use cloakroom::{SessionId, SessionStore};
use http::HeaderMap;

/// How a request stands to the device of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The session is bound to no device: nothing was offered, or the browser has not registered (yet).
    Unbound,
    /// The session is bound, and the request has the bound cookie. Also a request without it shortly after the
    /// registration ([`leeway`](crate::DbscBuilder::leeway)).
    Bound,
    /// The session is bound, and the request has no bound cookie, or one that has ended. **Refuse it**: with 401, or
    /// with 503 if the browser says why it has skipped the refresh. Do not end the session, because its owner still
    /// has the key.
    Lapsed {
        /// What the browser says. Anybody can send that, so it is a reason for another response, not for access.
        skipped: Option<Skipped>,
    },
}

/// Why a browser has sent a request without refreshing the bound cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skipped {
    /// It cannot reach the refresh endpoint.
    Unreachable,
    /// The refresh endpoint has failed, with a status from 500 on for instance.
    ServerError,
    /// It has refreshed too often.
    QuotaExceeded,
}

/// The most cookies of one name that are examined.
const MOST_COOKIES: usize = 4;

impl Dbsc {
    /// Returns how a request stands to the device of its session. `None` if there is no such session.
    ///
    /// Does not touch the session, so the requests of a thief do not keep it alive. Reads the clock. Lock-free;
    /// allocates nothing. Takes effect when the store finds the session live. It is a look-up and, for each bound
    /// cookie, the check of a MAC.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use cloakroom_dbsc::{Dbsc, Standing};
    /// use http::HeaderMap;
    ///
    /// let (store, dbsc) = (SessionStore::default(), Dbsc::builder().build()?);
    /// let id = store.create()?;
    /// assert_eq!(dbsc.standing(&store, &id, &HeaderMap::new()), Some(Standing::Unbound));
    /// store.delete(&id);
    /// assert_eq!(dbsc.standing(&store, &id, &HeaderMap::new()), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn standing(&self, store: &SessionStore, id: &SessionId, headers: &HeaderMap) -> Option<Standing> {
        store.peek(id, |attributes| match State::of(attributes.get(ATTRIBUTE)) {
            Some(State::Bound(bound)) if self.is_shown(&bound, headers) => Standing::Bound,
            Some(State::Bound(_)) => Standing::Lapsed { skipped: Skipped::of(headers) },
            Some(State::Offered { .. }) | None => Standing::Unbound,
        })
    }

    /// Whether the request has the bound cookie, or needs none yet.
    fn is_shown(&self, bound: &Bound<'_>, headers: &HeaderMap) -> bool {
        let (now, leeway) = (self.now(), milliseconds(self.settings.leeway));
        if now <= bound.since.saturating_add(leeway) {
            return true;
        }
        cookies(headers, &self.settings.cookie_name).take(MOST_COOKIES).any(|value| {
            let opened = self.sealer.open(Purpose::Cookie, bound.device, value);
            opened.is_some_and(|cookie| now <= cookie.end.saturating_add(leeway))
        })
    }
}

impl Skipped {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(SKIPPED)?.to_str().ok()?;
        // The first item of the list: a token, and perhaps parameters.
        match value.split([',', ';']).next()?.trim() {
            "unreachable" => Some(Self::Unreachable),
            "server_error" => Some(Self::ServerError),
            "quota_exceeded" => Some(Self::QuotaExceeded),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_says_why_it_has_skipped_a_refresh() {
        let skipped = |value: &'static str| {
            Skipped::of(&HeaderMap::from_iter([(SKIPPED, http::HeaderValue::from_static(value))]))
        };
        assert_eq!(skipped("unreachable;session_identifier=\"a\", quota_exceeded"), Some(Skipped::Unreachable));
        assert_eq!(skipped("server_error"), Some(Skipped::ServerError));
        assert_eq!(skipped("quota_exceeded;session_identifier=\"a\""), Some(Skipped::QuotaExceeded));
        assert_eq!(skipped("else"), None);
        assert_eq!(Skipped::of(&HeaderMap::new()), None);
    }
}
