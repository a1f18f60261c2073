//! The session cookie of a layer, as values of headers.

use cloakroom::{SessionCookie, SessionId, SessionIds};
use core::time::Duration;
use http::header::{COOKIE, GetAll};
use http::{HeaderMap, HeaderValue};

/// The ids among the cookies of a request.
pub(crate) type CookieIds<'a> = SessionIds<'a, <GetAll<'a, HeaderValue> as IntoIterator>::IntoIter>;

/// The cookie that a layer reads and sends.
#[derive(Clone)]
pub(crate) struct LayerCookie {
    cookie: SessionCookie,
    removal: HeaderValue,
    /// The same cookie for sessions without a user, under a name of its own.
    visitors: Option<Box<LayerCookie>>,
}

/// The end of the name of the cookie for sessions without a user.
const VISITOR: &str = "_visitor";

impl LayerCookie {
    pub(crate) fn new(cookie: SessionCookie) -> Self {
        let removal = HeaderValue::from_str(cookie.removal()).expect("name, path and domain are visible ASCII");
        Self { cookie, removal, visitors: None }
    }

    /// A cookie for sessions of users, beside one for sessions without a user.
    pub(crate) fn beside_visitors(cookie: SessionCookie) -> Self {
        let visitors = Self::new(cookie.with_suffix(VISITOR));
        Self { visitors: Some(Box::new(visitors)), ..Self::new(cookie) }
    }

    pub(crate) fn visitors(&self) -> Option<&Self> {
        self.visitors.as_deref()
    }

    pub(crate) fn settings(&self) -> &SessionCookie {
        &self.cookie
    }

    /// The ids that a request carries under the cookie's name. Allocates nothing.
    pub(crate) fn ids<'a>(&'a self, headers: &'a HeaderMap) -> CookieIds<'a> {
        self.cookie.ids(headers.get_all(COOKIE))
    }

    /// The `Set-Cookie` that sends this id: for as long as `max_age` says, or as the cookie's own settings say. A
    /// single allocation.
    ///
    /// The value is marked as sensitive, so `Debug` does not show it and HTTP/2 does not keep it in its table of
    /// headers.
    pub(crate) fn issue(&self, id: &SessionId, max_age: Option<Duration>) -> HeaderValue {
        let text = max_age.map_or_else(|| self.cookie.issue(id), |life| self.cookie.issue_for(id, life));
        let mut value = HeaderValue::try_from(String::from(text)).expect("name and attributes are visible ASCII");
        value.set_sensitive(true);
        value
    }

    /// The `Set-Cookie` that removes the cookie. Allocates nothing.
    pub(crate) fn removal(&self) -> HeaderValue {
        self.removal.clone()
    }
}
