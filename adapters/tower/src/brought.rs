//! By what a request has brought the id of its session, and the cookies that its response needs therefore.

use crate::carrier::{Carrier, Carriers};
use crate::cookie::LayerCookie;
use http::HeaderValue;

/// The `Set-Cookie` headers of a response, or a token.
pub(crate) type Cookies = [Option<HeaderValue>; 2];

/// By what a request has brought the id of its session.
#[derive(Clone, Copy)]
pub(crate) struct Brought {
    /// What carries the id, in the request and in the response.
    pub(crate) carrier: Carrier,
    /// Whether the request has a cookie for sessions of visitors, with any id.
    pub(crate) names_visitor: bool,
    /// Whether there was a live session when the request came.
    pub(crate) session: bool,
    /// Whether that session was found by the cookie for sessions of visitors.
    pub(crate) as_visitor: bool,
}

impl Brought {
    /// The cookie by which the session was found. None if it came by a token.
    pub(crate) fn cookie<'a>(&self, carriers: &'a Carriers) -> Option<&'a LayerCookie> {
        let visitors = carriers.visitors_of(self.carrier).filter(|_| self.as_visitor);
        visitors.or(carriers.cookie_of(self.carrier))
    }

    /// The removal of the cookies of users and of visitors.
    pub(crate) fn removals(&self, carriers: &Carriers) -> Cookies {
        let visitors = carriers.visitors_of(self.carrier).filter(|_| self.names_visitor);
        [carriers.cookie_of(self.carrier).map(LayerCookie::removal), visitors.map(LayerCookie::removal)]
    }

    /// The cookie of a session that was created or got another id: of a user, or of a visitor if the layer
    /// distinguishes them. The browser has to forget the cookie of the other kind, if the request came with it.
    ///
    /// `is_user` says whether a user is logged in to the session. `issue` makes the header in this cookie, or the
    /// token; none if the session has ended.
    pub(crate) fn issue(
        &self,
        carriers: &Carriers,
        is_user: impl FnOnce() -> bool,
        issue: impl FnOnce(Option<&LayerCookie>) -> Option<HeaderValue>,
    ) -> Cookies {
        let users = carriers.cookie_of(self.carrier);
        let Some(visitors) = carriers.visitors_of(self.carrier) else { return [issue(users), None] };
        if is_user() {
            let issued = issue(users);
            let removal = issued.as_ref().filter(|_| self.names_visitor).map(|_| visitors.removal());
            return [issued, removal];
        }
        let issued = issue(Some(visitors));
        let came_as_user = self.session && !self.as_visitor && issued.is_some();
        [issued, users.filter(|_| came_as_user).map(LayerCookie::removal)]
    }
}
