//! The offer at a login, and the two endpoints.

use crate::fields::{CHALLENGE, Field, REGISTRATION, RESPONSE, SESSION_ID, string};
use crate::proof::{DeviceKey, Proof};
use crate::refusal::Refusal;
use crate::seal::{Purpose, Sealed, milliseconds};
use crate::settings::Dbsc;
use crate::state::{ATTRIBUTE, Bound, State};
use base64ct::{Base64UrlUnpadded, Encoding};
use cloakroom::{SessionId, SessionStore, SetError, TryUpdateError};
use core::error::Error;
use core::fmt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Response, StatusCode};
use serde_json::json;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Without `Max-Age`, as the instructions have to name them.
const COOKIE_ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// Random bytes of a device's name.
const NAME_BYTES: usize = 16;

impl Dbsc {
    /// Offers the browser of a session to bind it to a device. Call it at each login, after the session has its new id.
    /// Returns the header, to be sent with the response to the login.
    ///
    /// A device to which the session was bound is forgotten, because the user has authenticated anew. A browser without
    /// DBSC ignores the header, and the session stays [`Unbound`](crate::Standing::Unbound).
    ///
    /// Lock-free; allocates. Takes effect when the session is changed.
    ///
    /// # Errors
    ///
    /// [`OfferError::Set`] if there is no such session, or if it has no room for the attribute.
    /// [`OfferError::Random`] if the operating system gives no random bytes. The session is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom::SessionStore;
    /// # use cloakroom_dbsc::Dbsc;
    /// let (store, dbsc) = (SessionStore::default(), Dbsc::builder().build()?);
    /// let id = store.create()?;
    /// let (name, value) = dbsc.offer(&store, &id)?;
    /// assert_eq!(name, "secure-session-registration");
    /// assert!(value.to_str()?.starts_with("(ES256);path=\"/dbsc/register\";challenge=\""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn offer(&self, store: &SessionStore, id: &SessionId) -> Result<(HeaderName, HeaderValue), OfferError> {
        let mut name = [0; NAME_BYTES];
        getrandom::fill(&mut name).map_err(|_| OfferError::Random)?;
        let device = Base64UrlUnpadded::encode_string(&name);
        store.set(id, ATTRIBUTE, &State::Offered { device: &device }.to_string()).map_err(OfferError::Set)?;
        let (path, challenge) = (&self.settings.registration_path, self.challenge(Purpose::Registration, &device));
        Ok((REGISTRATION, visible(&format!("(ES256);path=\"{path}\";challenge=\"{challenge}\""))))
    }

    /// Answers a `POST` request to the registration path. `id` is that of the request's session, if it has one.
    ///
    /// If the request has a proof over the challenge that [`offer`](Self::offer) has sent, the session is bound to the
    /// key in it, and the response brings the first bound cookie and the instructions for the browser. Otherwise the
    /// response has the status of the [`Refusal`] among its extensions, and the session is unchanged. One registration
    /// succeeds for each offer.
    ///
    /// Lock-free; allocates. Takes effect when the session is changed.
    pub fn register(&self, store: &SessionStore, id: Option<&SessionId>, headers: &HeaderMap) -> Response<String> {
        self.try_register(store, id, headers).unwrap_or_else(refuse)
    }

    fn try_register(
        &self,
        store: &SessionStore,
        id: Option<&SessionId>,
        headers: &HeaderMap,
    ) -> Result<Response<String>, Refusal> {
        let id = id.ok_or(Refusal::NoSession)?;
        let state = state(store, id)?.ok_or(Refusal::NotOffered)?;
        let Some(State::Offered { device }) = State::of(Some(&state)) else { return Err(Refusal::NotOffered) };
        let Field::Text(jwt) = string(headers, RESPONSE) else { return Err(Refusal::Malformed) };
        let proof = Proof::parse(jwt)?;
        let challenge = self.open(Purpose::Registration, device, proof.challenge())?;
        let key = proof.own_key()?.to_text();
        let bound = State::Bound(Bound::new(device, self.now(), challenge.number, &key)).to_string();
        change(store, id, |now| if now == state { Ok(bound.clone()) } else { Err(Refusal::NotOffered) })?;
        let mut response = self.with_cookie(device, self.instructions(device));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    /// Answers a `POST` request to the refresh path. `id` is that of the request's session, if it has one.
    ///
    /// | request | response |
    /// |---|---|
    /// | no session, or not the session of this device | 401, at which the browser forgets its key |
    /// | no proof | 403 with a challenge |
    /// | a proof that does not hold | 403 with a challenge, and a [`Refusal`] among the extensions |
    /// | a proof over a challenge that was not answered before | 200 with the next bound cookie |
    ///
    /// Only the last one touches the session and counts as a use of it. A challenge that was answered is used up, and
    /// so are all that are older.
    ///
    /// Lock-free; allocates. Takes effect when the session is changed.
    pub fn refresh(&self, store: &SessionStore, id: Option<&SessionId>, headers: &HeaderMap) -> Response<String> {
        self.try_refresh(store, id, headers).unwrap_or_else(refuse)
    }

    fn try_refresh(
        &self,
        store: &SessionStore,
        id: Option<&SessionId>,
        headers: &HeaderMap,
    ) -> Result<Response<String>, Refusal> {
        let id = id.ok_or(Refusal::NoSession)?;
        let state = state(store, id)?.ok_or(Refusal::OtherDevice)?;
        let Some(State::Bound(bound)) = State::of(Some(&state)) else { return Err(Refusal::OtherDevice) };
        if string(headers, SESSION_ID) != Field::Text(bound.device) {
            return Err(Refusal::OtherDevice);
        }
        let proven = match string(headers, RESPONSE) {
            Field::Absent => return Ok(self.challenged(bound.device)),
            Field::Malformed => Err(Refusal::Malformed),
            Field::Text(jwt) => self.prove(store, id, &bound, jwt),
        };
        match proven {
            Ok(()) => Ok(self.with_cookie(bound.device, String::new())),
            Err(refusal @ (Refusal::NoSession | Refusal::OtherDevice)) => Err(refusal),
            Err(refusal) => {
                let mut response = self.challenged(bound.device);
                response.extensions_mut().insert(refusal);
                Ok(response)
            }
        }
    }

    /// Checks a proof of possession, and uses its challenge up.
    fn prove(&self, store: &SessionStore, id: &SessionId, bound: &Bound<'_>, jwt: &str) -> Result<(), Refusal> {
        let proof = Proof::parse(jwt)?;
        let challenge = self.open(Purpose::Refresh, bound.device, proof.challenge())?;
        let key: DeviceKey = bound.key().ok_or(Refusal::Key)?;
        proof.is_signed_by(&key)?;
        change(store, id, |now| match State::of(Some(now)) {
            Some(State::Bound(now)) if now.device == bound.device => {
                let is_new = challenge.number > now.used;
                let used = State::Bound(now.after(challenge.number));
                if is_new { Ok(used.to_string()) } else { Err(Refusal::Challenge) }
            }
            _ => Err(Refusal::OtherDevice),
        })
    }

    fn challenge(&self, purpose: Purpose, device: &str) -> String {
        self.sealer.seal(purpose, device, self.now().saturating_add(milliseconds(self.settings.challenge_lifetime)))
    }

    fn open(&self, purpose: Purpose, device: &str, challenge: &str) -> Result<Sealed, Refusal> {
        let opened = self.sealer.open(purpose, device, challenge);
        opened.filter(|challenge| self.now() <= challenge.end).ok_or(Refusal::Challenge)
    }

    /// 403 with a challenge.
    fn challenged(&self, device: &str) -> Response<String> {
        let challenge = self.challenge(Purpose::Refresh, device);
        let mut response = respond(StatusCode::FORBIDDEN, String::new());
        response.headers_mut().insert(CHALLENGE, visible(&format!("\"{challenge}\";id=\"{device}\"")));
        response
    }

    /// 200 with a new bound cookie.
    fn with_cookie(&self, device: &str, body: String) -> Response<String> {
        let end = self.now().saturating_add(milliseconds(self.settings.lifetime));
        let (name, value) = (&self.settings.cookie_name, self.sealer.seal(Purpose::Cookie, device, end));
        let seconds = self.settings.lifetime.as_secs();
        let mut response = respond(StatusCode::OK, body);
        let cookie = format!("{name}={value}; {COOKIE_ATTRIBUTES}; Max-Age={seconds}");
        response.headers_mut().insert(SET_COOKIE, visible(&cookie));
        response
    }

    /// The session instructions for the browser.
    fn instructions(&self, device: &str) -> String {
        let excluded: Vec<_> =
            self.settings.excluded.iter().map(|path| json!({ "type": "exclude", "path": path })).collect();
        json!({
            "session_identifier": device,
            "refresh_url": self.settings.refresh_path,
            "scope": { "include_site": false, "scope_specification": excluded },
            "credentials": [
                { "type": "cookie", "name": self.settings.cookie_name, "attributes": COOKIE_ATTRIBUTES },
            ],
        })
        .to_string()
    }
}

/// The attribute of a session, which is not touched.
fn state(store: &SessionStore, id: &SessionId) -> Result<Option<String>, Refusal> {
    store.peek(id, |attributes| attributes.get(ATTRIBUTE).map(str::to_owned)).ok_or(Refusal::NoSession)
}

/// Replaces the attribute of a session by what `next` makes of it, in one step.
fn change(
    store: &SessionStore,
    id: &SessionId,
    mut next: impl FnMut(&str) -> Result<String, Refusal>,
) -> Result<(), Refusal> {
    let changed = store.try_update(id, |draft| {
        let next = next(draft.get(ATTRIBUTE).unwrap_or_default())?;
        draft.set(ATTRIBUTE, &next);
        Ok(())
    });
    changed.map_err(|error| match error {
        TryUpdateError::Abandoned(refusal) => refusal,
        _ => Refusal::NoSession,
    })
}

fn refuse(refusal: Refusal) -> Response<String> {
    let status = match refusal {
        Refusal::NoSession | Refusal::OtherDevice => StatusCode::UNAUTHORIZED,
        _ => StatusCode::FORBIDDEN,
    };
    let mut response = respond(status, String::new());
    response.extensions_mut().insert(refusal);
    response
}

/// A response that no cache keeps and no other site embeds.
fn respond(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII, as the settings are checked to be")
}

/// Why no registration was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfferError {
    /// There is no such session, or it has no room for the attribute.
    Set(SetError),
    /// The operating system gives no random bytes.
    Random,
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "the session cannot take the offer",
            Self::Random => "the operating system gives no random bytes",
        })
    }
}

impl Error for OfferError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Set(error) => Some(error),
            Self::Random => None,
        }
    }
}
