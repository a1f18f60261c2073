//! The settings, and their checks.

use crate::seal::{Sealer, milliseconds};
use cloakroom::{Clock, CoarseClock};
use core::error::Error;
use core::fmt;
use core::time::Duration;

/// Binds the sessions of one store to devices. Share it among handlers in an [`Arc`](std::sync::Arc).
///
/// It has a key of its own, drawn when it is built: what one `Dbsc` has sealed is worthless to another one. So a server
/// has one for each store.
///
/// [The crate's documentation](crate) shows a server.
pub struct Dbsc {
    pub(crate) settings: Settings,
    pub(crate) sealer: Sealer,
    clock: Box<dyn Clock>,
}

/// The settings of a [`Dbsc`]. Made by [`Dbsc::builder`].
///
/// # Examples
///
/// ```
/// use cloakroom_dbsc::Dbsc;
/// use std::time::Duration;
///
/// let dbsc = Dbsc::builder().lifetime(Duration::from_secs(5 * 60)).exclude("/static/").build()?;
/// # let _ = dbsc;
/// # Ok::<(), cloakroom_dbsc::DbscError>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct DbscBuilder {
    settings: Settings,
    clock: Box<dyn Clock>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) cookie_name: String,
    pub(crate) registration_path: String,
    pub(crate) refresh_path: String,
    pub(crate) excluded: Vec<String>,
    pub(crate) lifetime: Duration,
    pub(crate) challenge_lifetime: Duration,
    pub(crate) leeway: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest name or path.
const LONGEST: usize = 256;

impl Default for DbscBuilder {
    fn default() -> Self {
        let settings = Settings {
            cookie_name: "__Host-bound".to_owned(),
            registration_path: "/dbsc/register".to_owned(),
            refresh_path: "/dbsc/refresh".to_owned(),
            excluded: Vec::new(),
            lifetime: Duration::from_secs(10 * 60),
            challenge_lifetime: Duration::from_secs(2 * 60),
            leeway: Duration::from_secs(30),
        };
        Self { settings, clock: Box::new(CoarseClock::new()) }
    }
}

impl DbscBuilder {
    /// Sets the name of the bound cookie. `__Host-bound` by default. The cookie is `Secure`, `HttpOnly`,
    /// `SameSite=Lax`, with `Path=/` and without `Domain`.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.settings.cookie_name = name.into();
        self
    }

    /// Sets the path at which the server calls [`Dbsc::register`]. `/dbsc/register` by default.
    pub fn registration_path(mut self, path: impl Into<String>) -> Self {
        self.settings.registration_path = path.into();
        self
    }

    /// Sets the path at which the server calls [`Dbsc::refresh`]. `/dbsc/refresh` by default.
    pub fn refresh_path(mut self, path: impl Into<String>) -> Self {
        self.settings.refresh_path = path.into();
        self
    }

    /// Excludes a path, and what is below it, from the requests for which the browser refreshes the cookie: files that
    /// everybody may read.
    pub fn exclude(mut self, path: impl Into<String>) -> Self {
        self.settings.excluded.push(path.into());
        self
    }

    /// Sets for how long the bound cookie lasts: for so long a copied pair of cookies works elsewhere. Ten minutes by
    /// default. A second at least, a day at most, in whole seconds.
    ///
    /// The browser signs a challenge each time, which takes a TPM some tenths of a second, and may refuse to do so too
    /// often ([`Skipped::QuotaExceeded`](crate::Skipped::QuotaExceeded)).
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.lifetime = lifetime;
        self
    }

    /// Sets for how long a challenge can be answered. Two minutes by default. A second at least, an hour at most.
    pub fn challenge_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.challenge_lifetime = lifetime;
        self
    }

    /// Sets for how long the server accepts requests that were on their way when the cookie ended, or when the device
    /// was registered. 30 seconds by default, an hour at most.
    ///
    /// For this long after the registration, requests need no bound cookie, because the browser may have sent them
    /// before it had one.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = leeway;
        self
    }

    /// Sets the clock. Without this call it is a [`CoarseClock`]. A test gives it the
    /// [`ManualClock`](cloakroom::ManualClock) of its store.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Draws the key.
    ///
    /// # Errors
    ///
    /// [`DbscError`] names the setting that a browser would not accept.
    pub fn build(self) -> Result<Dbsc, DbscError> {
        self.settings.check()?;
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| DbscError::Random)?;
        Ok(Dbsc { settings: self.settings, sealer: Sealer::new(&key), clock: self.clock })
    }
}

impl Settings {
    fn check(&self) -> Result<(), DbscError> {
        let is_token = |byte: u8| byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(&byte);
        let name = &self.cookie_name;
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(is_token) {
            return Err(DbscError::CookieName);
        }
        let is_path = |path: &String| {
            let plain = |byte: u8| byte.is_ascii_graphic() && !br#""\"#.contains(&byte);
            path.starts_with('/') && path.len() <= LONGEST && path.bytes().all(plain)
        };
        if ![&self.registration_path, &self.refresh_path].into_iter().chain(&self.excluded).all(is_path) {
            return Err(DbscError::Path);
        }
        let second = Duration::from_secs(1);
        if !(second..=DAY).contains(&self.lifetime) || self.lifetime.subsec_nanos() != 0 {
            return Err(DbscError::Lifetime);
        }
        if !(second..=DAY / 24).contains(&self.challenge_lifetime) {
            return Err(DbscError::ChallengeLifetime);
        }
        if self.leeway > DAY / 24 {
            return Err(DbscError::Leeway);
        }
        Ok(())
    }
}

impl Dbsc {
    /// Returns a builder with the default settings.
    pub fn builder() -> DbscBuilder {
        DbscBuilder::default()
    }

    /// The present in milliseconds of the clock.
    pub(crate) fn now(&self) -> u64 {
        milliseconds(self.clock.now())
    }
}

/// Shows the settings, and not the key.
impl fmt::Debug for Dbsc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dbsc").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Shows the settings.
impl fmt::Debug for DbscBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbscBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why no [`Dbsc`] was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DbscError {
    /// The cookie's name is empty, longer than 256 bytes, or not a token of RFC 9110.
    CookieName,
    /// A path does not begin with a slash, is longer than 256 bytes, or has characters other than visible ASCII, a
    /// quotation mark or a backslash.
    Path,
    /// The cookie would last less than a second, more than a day, or no whole number of seconds.
    Lifetime,
    /// A challenge would last less than a second or more than an hour.
    ChallengeLifetime,
    /// The leeway is longer than an hour.
    Leeway,
    /// The operating system gives no random bytes.
    Random,
}

impl fmt::Display for DbscError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CookieName => "the bound cookie's name is not a token of at most 256 bytes",
            Self::Path => "a path is not visible ASCII of at most 256 bytes after a slash",
            Self::Lifetime => "the bound cookie has to last from a second to a day, in whole seconds",
            Self::ChallengeLifetime => "a challenge has to last from a second to an hour",
            Self::Leeway => "the leeway is longer than an hour",
            Self::Random => "the operating system gives no random bytes",
        })
    }
}

impl Error for DbscError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_a_browser_would_not_accept_are_refused() {
        let refused = |builder: DbscBuilder| builder.build().map(drop);
        for name in ["", "a b", "a;b", "a=b", "\u{e9}", &"x".repeat(257)] {
            assert_eq!(refused(Dbsc::builder().cookie_name(name)), Err(DbscError::CookieName), "{name}");
        }
        for path in ["", "dbsc", "/a b", "/a\"", "/a\\b", "/\u{e9}", &"/".repeat(257)] {
            assert_eq!(refused(Dbsc::builder().registration_path(path)), Err(DbscError::Path), "{path}");
            assert_eq!(refused(Dbsc::builder().refresh_path(path)), Err(DbscError::Path), "{path}");
            assert_eq!(refused(Dbsc::builder().exclude("/ok").exclude(path)), Err(DbscError::Path), "{path}");
        }
        for lifetime in [Duration::ZERO, Duration::from_millis(1_500), DAY + Duration::from_secs(1)] {
            assert_eq!(refused(Dbsc::builder().lifetime(lifetime)), Err(DbscError::Lifetime));
        }
        for lifetime in [Duration::from_millis(999), Duration::from_secs(3_601)] {
            assert_eq!(refused(Dbsc::builder().challenge_lifetime(lifetime)), Err(DbscError::ChallengeLifetime));
        }
        assert_eq!(refused(Dbsc::builder().leeway(Duration::from_secs(3_601))), Err(DbscError::Leeway));
        let most = Dbsc::builder().lifetime(DAY).challenge_lifetime(DAY / 24).leeway(DAY / 24).cookie_name("b");
        assert_eq!(refused(most), Ok(()));
    }

    #[test]
    fn debug_shows_no_key() {
        let dbsc = Dbsc::builder().build().expect("valid settings");
        let shown = format!("{dbsc:?}");
        assert!(shown.starts_with("Dbsc { settings: Settings { cookie_name: \"__Host-bound\""), "{shown}");
        assert!(!shown.contains("sealer"), "{shown}");
    }
}
