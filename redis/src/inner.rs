//! What the faces of the store have in common.

use crate::error::{ConnectError, SharedError};
use crate::link::{self, Answer, Command, Link, Request, Settings};
use crate::near::{Held, Near};
use crate::options::{SharedOptions, WhenAway};
use crate::record::milliseconds;
use crate::resp::Value;
use crate::scripts::{Script, Status};
use crate::{Shared, address::Address, arguments, names};
use cloakroom::{SessionConfig, SessionId, Sweeper, Timeouts, WhenPrincipalFull};
use core::time::Duration;
use std::sync::Arc;

/// How often the near cache is rid of expired sessions.
const SWEEPS: Duration = Duration::from_secs(60);
/// The longest bound of staleness.
const LONGEST_BOUND: Duration = Duration::from_secs(450);

pub(crate) struct Inner<T: Shared + ?Sized> {
    pub(crate) near: Arc<Near<T::Owned>>,
    pub(crate) link: Link<T::Owned>,
    pub(crate) config: SessionConfig,
    pub(crate) staleness: Duration,
    caches: bool,
    prefix: Vec<u8>,
    _sweeper: Sweeper,
}

impl<T: Shared + ?Sized> Inner<T> {
    pub(crate) async fn open(options: SharedOptions) -> Result<Self, ConnectError> {
        let address = Address::parse(&options.url).map_err(ConnectError::Url)?;
        if options.staleness.is_zero() || options.staleness > LONGEST_BOUND {
            return Err(ConnectError::Staleness);
        }
        let config = options.near.clone().build()?.config().clone();
        let near = Arc::new(Near::new(options.near)?);
        let serve_for = match options.when_away {
            WhenAway::ServeFor(time) => options.staleness.max(time),
            WhenAway::Refuse => options.staleness,
        };
        // The connection answers nothing else meanwhile, and hits must go on.
        let wait = |time: Duration| milliseconds(time.min(options.staleness / 2));
        let replicas = options.replicas.filter(|(replicas, _)| *replicas > 0);
        let prefix = options.prefix.into_bytes();
        let settings = Settings {
            address,
            certificates: options.certificates,
            prefix: prefix.clone(),
            near: options.near_cache,
            staleness: options.staleness,
            serve_for,
            command_timeout: options.command_timeout,
            replicas: replicas.map(|(replicas, time)| (replicas, wait(time))),
        };
        let link = link::start::<T>(Arc::clone(&near), settings).await?;
        let sweeper = Sweeper::start(Arc::clone(&near.table), SWEEPS)?;
        Ok(Self {
            near,
            link,
            config,
            staleness: options.staleness,
            caches: options.near_cache,
            prefix,
            _sweeper: sweeper,
        })
    }

    /// Shows a session of the near cache. Asks nobody. `touch`: it is used.
    #[inline]
    pub(crate) fn hit<R>(&self, id: &SessionId, touch: bool, f: impl FnOnce(&Held<T::Owned>) -> R) -> Option<R> {
        let now = self.near.now();
        // Before the look-up: see the module `near`.
        if !self.near.is_fresh(now) {
            return None;
        }
        if !touch {
            return self.near.table.peek(id, f).inspect(|_| self.near.hit());
        }
        let mut due = false;
        let shown = self.near.table.read(id, |held| {
            due = held.is_due(now);
            f(held)
        })?;
        self.near.hit();
        if due {
            self.link.send(Request::Touch(*id));
        }
        Some(shown)
    }

    /// Fetches a session. `fresh`: whatever is near or under way.
    pub(crate) async fn fetch(&self, id: &SessionId, touch: bool, fresh: bool) -> Answer<Arc<Held<T::Owned>>> {
        self.near.miss();
        let fresh = fresh || !self.caches;
        let held = self.link.ask(|to| Request::Fetch { id: *id, touch, fresh, to }).await?;
        if touch && held.is_due(self.near.now()) {
            self.link.send(Request::Touch(*id));
        }
        Ok(held)
    }

    /// Shows a session, of the near cache or of the engine.
    pub(crate) async fn show<R>(&self, id: &SessionId, touch: bool, f: impl FnOnce(&Held<T::Owned>) -> R) -> Answer<R> {
        let mut f = Some(f);
        let mut once = |held: &Held<T::Owned>| f.take().map(|f| f(held));
        match self.hit(id, touch, &mut once) {
            Some(shown) => Ok(shown),
            None => self.fetch(id, touch, false).await.map(|held| once(&held)),
        }
        .map(|shown| shown.expect("the session was shown once"))
    }

    /// Runs a script that changes a session, and returns what it answers.
    pub(crate) async fn run(
        &self,
        script: Script,
        arguments: Vec<Vec<u8>>,
        ends: Option<SessionId>,
    ) -> Answer<Vec<Value>> {
        let command = Command::Script(script, arguments);
        let values = self.link.ask(|to| Request::Call { command, ends, reads: false, to }).await?;
        link::check(&values)?;
        Ok(values)
    }

    pub(crate) async fn query(&self, command: Command) -> Answer<Vec<Value>> {
        self.link.ask(|to| Request::Call { command, ends: None, reads: true, to }).await
    }

    /// Changes a session by a closure, which is shown its content and returns its new content, or `None` for no change.
    /// No change is lost: if the session has changed meanwhile, the closure is called again.
    pub(crate) async fn change<R, E: From<SharedError>>(
        &self,
        id: &SessionId,
        mut f: impl FnMut(&T::Owned) -> Result<(R, Option<T::Owned>), E>,
    ) -> Result<R, E> {
        // What is near may be out of date. The engine compares the version before it changes anything, but a refusal of
        // the closure has to be of what is true.
        let mut near =
            self.hit(id, true, |held| (f(&held.content), held.terms.version)).filter(|(result, _)| result.is_ok());
        let mut fresh = false;
        loop {
            let (result, version) = match near.take() {
                Some(changed) => changed,
                None => {
                    let held = self.fetch(id, true, fresh).await?;
                    (f(&held.content), held.terms.version)
                }
            };
            let (result, content) = match result {
                Ok(changed) => changed,
                Err(_) if !fresh => {
                    fresh = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.replace(id, Some(version), Timeouts::default(), content.as_ref()).await? {
                return Ok(result);
            }
            fresh = true;
        }
    }

    /// Replaces a session's content, timeouts or both if it is at this version, or at any. Returns false if it is not.
    pub(crate) async fn replace(
        &self,
        id: &SessionId,
        version: Option<u32>,
        timeouts: Timeouts,
        content: Option<&T::Owned>,
    ) -> Answer<bool> {
        let version = version.map_or_else(Vec::new, |version| arguments::number(version.into()));
        let [idle, absolute, cookie] = arguments::timeouts(timeouts);
        let changed = content.is_some();
        let content = content.map_or_else(Vec::new, written::<T>);
        let hash = names::of_session(id).to_vec();
        let arguments = vec![hash, version, idle, absolute, cookie, arguments::number(changed.into()), content];
        let values = self.run(Script::Replace, arguments, Some(*id)).await?;
        Ok(status(&values) == Some(Status::Done))
    }

    /// The limit of sessions of a principal, and whether the idlest one makes room.
    pub(crate) fn limit(&self) -> [Vec<u8>; 2] {
        let policy = self.config.when_principal_full == WhenPrincipalFull::EndIdlest;
        [self.config.max_sessions_per_principal as u64, policy.into()].map(arguments::number)
    }

    /// The timeouts of a session for which none are given.
    pub(crate) fn default_timeouts(&self) -> Timeouts {
        let timeouts = Timeouts::default().idle(self.config.ttl);
        timeouts.absolute(self.config.absolute_timeout.unwrap_or(Duration::MAX))
    }

    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }
}

/// The content in bytes.
pub(crate) fn written<T: Shared + ?Sized>(content: &T::Owned) -> Vec<u8> {
    let content: &T = core::borrow::Borrow::borrow(content);
    let mut bytes = Vec::new();
    cloakroom_codec::Stored::write(content, &mut bytes);
    bytes
}

pub(crate) fn status(values: &[Value]) -> Option<Status> {
    values.first().and_then(Value::int).and_then(Status::of)
}
