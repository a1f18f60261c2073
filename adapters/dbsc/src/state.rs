//! What a session holds about its device: one attribute.
//!
//! ```text
//! (nothing) ── offer ──▶ "offered <device>" ── registration ──▶ "bound <device> <since> <used> <key>"
//! ```
//!
//! A refresh raises `used`. An offer begins anew.

use crate::proof::DeviceKey;
use core::fmt;

/// The key of the attribute in which a session holds the public key of its device. The application must not change it,
/// and removes it where it takes the session from the user but keeps it.
pub const ATTRIBUTE: &str = "cloakroom-dbsc";

/// What the session holds.
pub(crate) enum State<'t> {
    Offered { device: &'t str },
    Bound(Bound<'t>),
}

/// The device to which a session is bound.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'t> {
    /// Its name, which is no secret: the `session_identifier` of the draft.
    pub(crate) device: &'t str,
    /// When it was registered, in milliseconds of the clock.
    pub(crate) since: u64,
    /// The number of the last challenge that was answered.
    pub(crate) used: u64,
    key: &'t str,
}

impl<'t> State<'t> {
    /// `None` if no device was offered a registration.
    pub(crate) fn of(attribute: Option<&'t str>) -> Option<Self> {
        let mut words = attribute?.split(' ');
        match (words.next()?, words.next()?) {
            ("offered", device) => Some(Self::Offered { device }),
            ("bound", device) => {
                let (since, used) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                Some(Self::Bound(Bound { device, since, used, key: words.next()? }))
            }
            _ => None,
        }
    }
}

impl<'t> Bound<'t> {
    pub(crate) fn new(device: &'t str, since: u64, used: u64, key: &'t str) -> Self {
        Self { device, since, used, key }
    }

    /// The same device after another challenge.
    pub(crate) fn after(self, used: u64) -> Self {
        Self { used, ..self }
    }

    pub(crate) fn key(&self) -> Option<DeviceKey> {
        DeviceKey::from_text(self.key)
    }
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered { device } => write!(f, "offered {device}"),
            Self::Bound(Bound { device, since, used, key }) => write!(f, "bound {device} {since} {used} {key}"),
        }
    }
}
