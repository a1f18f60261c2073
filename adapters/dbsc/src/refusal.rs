//! Why a request to one of the two endpoints was refused.

use core::error::Error;
use core::fmt;

/// Tells why [`register`](crate::Dbsc::register) or [`refresh`](crate::Dbsc::refresh) has refused a request. It is
/// among the extensions of the response, for logs and counters:
///
/// ```
/// # use cloakroom::SessionStore;
/// # use cloakroom_dbsc::{Dbsc, Refusal};
/// # let (store, dbsc) = (SessionStore::default(), Dbsc::builder().build()?);
/// let response = dbsc.refresh(&store, None, &http::HeaderMap::new());
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.extensions().get(), Some(&Refusal::NoSession));
/// # Ok::<(), cloakroom_dbsc::DbscError>(())
/// ```
///
/// [`Signature`](Self::Signature), [`Key`](Self::Key) and [`OtherDevice`](Self::OtherDevice) do not happen to browsers
/// that keep to the protocol: with a live session they are signs of a copied cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no session, or it has ended. 401, at which the browser forgets the key.
    NoSession,
    /// The session has no outstanding [offer](crate::Dbsc::offer): none was made, or a device has registered already.
    /// 403.
    NotOffered,
    /// No device is bound to the session, or another one than the request names. 401.
    OtherDevice,
    /// The JWT is missing (at the registration), too long, or malformed, or occurs twice. 403.
    Malformed,
    /// The JWT is of another type than `dbsc+jwt`, or is signed by another algorithm than ES256, or not at all. 403.
    Algorithm,
    /// The JWT of a registration has no key or not one on P-256, or that of a refresh brings a key along. 403.
    Key,
    /// The signature is not that of the key. 403.
    Signature,
    /// The challenge is not one of this session, has been answered already, or is too old. 403. Browsers may repeat the
    /// answer to the last challenge before they ask for a new one.
    Challenge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSession => "there is no session, or it has ended",
            Self::NotOffered => "no registration has been offered to the session",
            Self::OtherDevice => "the session is not bound to this device",
            Self::Malformed => "the proof is missing or malformed",
            Self::Algorithm => "the proof has another type or algorithm",
            Self::Key => "the proof has no key, or one that it must not have",
            Self::Signature => "the signature is not that of the key",
            Self::Challenge => "the challenge is unknown, answered or too old",
        })
    }
}

impl Error for Refusal {}
