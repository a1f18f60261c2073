//! The settings.

use cloakroom::{SessionStore, SessionStoreBuilder};
use core::fmt;
use core::time::Duration;

/// Chooses what happens to reads when the engine is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenAway {
    /// They fail with [`SharedError::Away`](crate::SharedError::Away) once the near cache may be older than the
    /// [bound](SharedOptions::staleness).
    #[default]
    Refuse,
    /// Sessions of the near cache are read for this long after the last sign of the engine. **A session that was ended
    /// on another server is served for that long**, where it would be for the bound otherwise. Changes fail.
    ServeFor(Duration),
}

/// What TLS trusts, and shows of itself.
#[derive(Clone, Default)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "settings without TLS say nothing about it"))]
pub(crate) struct Certificates {
    /// In PEM. None: those of the system.
    pub(crate) roots: Vec<Vec<u8>>,
    /// The chain and the key of this client, in PEM.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// The settings of a [`SharedStore`](crate::SharedStore).
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
/// use cloakroom_redis::SharedOptions;
/// use std::time::Duration;
///
/// let options = SharedOptions::new("redis://127.0.0.1:6379/2")
///     .near(SessionStore::builder().ttl(Duration::from_secs(15 * 60)).max_sessions(100_000))
///     .staleness(Duration::from_millis(250));
/// ```
#[derive(Clone)]
#[must_use]
pub struct SharedOptions {
    pub(crate) url: String,
    pub(crate) certificates: Certificates,
    pub(crate) near: SessionStoreBuilder,
    pub(crate) near_cache: bool,
    pub(crate) prefix: String,
    pub(crate) staleness: Duration,
    pub(crate) when_away: WhenAway,
    pub(crate) replicas: Option<(u32, Duration)>,
    pub(crate) command_timeout: Duration,
}

impl SharedOptions {
    /// Makes the default settings for an engine.
    ///
    /// | address | engine |
    /// |---|---|
    /// | `redis://[user[:password]@]host[:port][/database]` | one server |
    /// | `rediss://...` | the same by TLS, with the feature `tls` |
    /// | `redis+unix:///path/to/socket[?db=1&user=u&pass=p]` | one server on this machine |
    /// | `redis+sentinel://[user:password@]host[:port][,host[:port]...]/name[/database]` | the primary `name` that these sentinels know |
    /// | `rediss+sentinel://...` | the same; sentinels and primary by TLS |
    ///
    /// `user` and `password` are percent-encoded, as in any URL. For `redis`, `valkey` may be written.
    /// For the engine only; the sentinels' own are `?sentinel_user=u&sentinel_pass=p` at the end.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            certificates: Certificates::default(),
            near: SessionStore::builder(),
            near_cache: true,
            prefix: "cr".to_owned(),
            staleness: Duration::from_millis(500),
            when_away: WhenAway::default(),
            replicas: None,
            command_timeout: Duration::from_secs(1),
        }
    }

    /// Trusts the authorities of these certificates, in PEM, and no longer those of the system. May be called several
    /// times. [`connect`](crate::SharedStore::connect) fails with [`Tls`](crate::ConnectError::Tls) if they cannot be
    /// read.
    ///
    /// The server's certificate has to be for the host of the address. Where sentinels name the primary, it has to be
    /// for the name or IP address that they tell.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom_redis::{ConnectError, SharedOptions, SharedStore};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let options = SharedOptions::new("rediss://sessions.internal:6380").root_certificate("not in PEM");
    /// let refused = SharedStore::connect(options).await;
    /// assert!(matches!(refused, Err(ConnectError::Tls("the root certificates cannot be read"))));
    /// # });
    /// ```
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots.push(pem.into());
        self
    }

    /// Shows a certificate to the server, which may ask for one: the chain, the client's first, and its key, in PEM.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn client_certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((chain.into(), key.into()));
        self
    }

    /// Sets the timeouts and limits of sessions, and the size of the near cache (`max_sessions`).
    pub fn near(mut self, near: SessionStoreBuilder) -> Self {
        self.near = near;
        self
    }

    /// Turns the near cache off: each read asks the engine. On by default.
    pub fn near_cache(mut self, on: bool) -> Self {
        self.near_cache = on;
        self
    }

    /// Sets the beginning of all keys, `cr` by default. Stores with different prefixes share nothing.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the bound of staleness: for how long after its end elsewhere a session may be served here. 500 ms by
    /// default. Five pings are sent in that time.
    pub fn staleness(mut self, bound: Duration) -> Self {
        self.staleness = bound;
        self
    }

    /// Sets what happens to reads when the engine is away.
    pub fn when_away(mut self, policy: WhenAway) -> Self {
        self.when_away = policy;
        self
    }

    /// Confirms the end of a session only when this number of replicas have it. They are waited for this time at most,
    /// and half of the bound of staleness at most, because the server asks the engine nothing else meanwhile; then the
    /// end is told again. Off by default. See the [losses](https://github.com/cloakroom-rs/cloakroom/blob/main/docs/shared.md#losses).
    pub fn wait_for_replicas(mut self, replicas: u32, timeout: Duration) -> Self {
        self.replicas = Some((replicas, timeout));
        self
    }

    /// Sets how long an operation waits for the engine, 1 second by default.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }
}

/// Does not show the address, which may have a password in it.
impl fmt::Debug for SharedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedOptions")
            .field("near", &self.near)
            .field("near_cache", &self.near_cache)
            .field("prefix", &self.prefix)
            .field("staleness", &self.staleness)
            .field("when_away", &self.when_away)
            .field("replicas", &self.replicas)
            .field("command_timeout", &self.command_timeout)
            .finish_non_exhaustive()
    }
}
