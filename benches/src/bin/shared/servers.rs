//! One server over four kinds of sessions, each in a process of its own.

use crate::Result;
use crate::client::{self, Load};
use crate::engine::Engine;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use cloakroom::SessionStore;
use cloakroom_redis::{SharedOptions, SharedStore};
use cloakroom_tower::{SessionCookie, SessionError, SessionLayer, shared};
use std::io::{BufRead, BufReader, Read, Write, stdin, stdout};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

/// The browsers whose sessions are used in turn.
const BROWSERS: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Near,
    Far,
    Peer,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Memory, Kind::Near, Kind::Far, Kind::Peer];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "in memory",
            Self::Near => "shared",
            Self::Far => "shared, without near cache",
            Self::Peer => "tower-sessions-redis-store",
        }
    }

    /// The name in the chart.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Memory => "cloakroom, one process",
            Self::Near => "cloakroom, shared",
            Self::Far => "the same, without near cache",
            Self::Peer => "tower-sessions-redis-store",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }
}

/// A running server, which ends with its standard input.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    process: Child,
    port: u16,
    cookies: Vec<String>,
}

impl Server {
    pub(crate) fn start(kind: Kind, engine: &Engine) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", kind.name(), &engine.url()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut first = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut first)?;
        let mut server = Self { kind, process, port: first.trim().parse()?, cookies: Vec::new() };
        server.cookies = client::log_in(server.port, BROWSERS)?;
        Ok(server)
    }

    /// Sends requests for this time, each with the cookie of another browser.
    pub(crate) fn load(&self, request: &str, span: Duration) -> Result<Load> {
        client::load(self.port, request, &self.cookies, span)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves on a free port, which it prints, until the standard input ends.
pub(crate) fn serve(kind: Kind, url: &str) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let app = app(kind, url).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        writeln!(stdout(), "{}", listener.local_addr()?.port())?;
        std::thread::spawn(|| {
            let _ = stdin().read(&mut [0; 1]);
            std::process::exit(0);
        });
        Ok(axum::serve(listener, app).await?)
    })
}

async fn app(kind: Kind, url: &str) -> Result<Router> {
    let cookie = || SessionCookie::builder().name("id").secure(false).build();
    let near = |on| SharedStore::connect(SharedOptions::new(url).near_cache(on));
    Ok(match kind {
        Kind::Memory => memory::routes().layer(SessionLayer::new(Arc::new(SessionStore::default())).cookie(cookie()?)),
        Kind::Near => engine::routes().layer(SessionLayer::shared(near(true).await?).cookie(cookie()?)),
        Kind::Far => engine::routes().layer(SessionLayer::shared(near(false).await?).cookie(cookie()?)),
        Kind::Peer => peer::routes(url).await?,
    })
}

const USER: &str = "ada@example.com";
const ATTRIBUTES: [(&str, &str); 3] = [("user", USER), ("token", "6f1d3a9be27c4f5088d1b6a0c4e7f213"), ("visits", "0")];

mod memory {
    use super::*;
    use cloakroom_tower::Session;

    pub(super) fn routes() -> Router {
        Router::new().route("/login", post(login)).route("/profile", get(profile)).route("/visit", post(visit))
    }

    async fn login(session: Session) -> std::result::Result<(), SessionError> {
        session.set_each(ATTRIBUTES)
    }

    async fn profile(session: Session) -> std::result::Result<String, SessionError> {
        session.get("user").ok_or(SessionError::Gone)
    }

    async fn visit(session: Session) -> std::result::Result<String, SessionError> {
        Ok(session.increment("visits", 1)?.to_string())
    }
}

mod engine {
    use super::*;
    use shared::Session;

    pub(super) fn routes() -> Router {
        Router::new().route("/login", post(login)).route("/profile", get(profile)).route("/visit", post(visit))
    }

    async fn login(session: Session) -> std::result::Result<(), SessionError> {
        session.set_each(ATTRIBUTES).await
    }

    async fn profile(session: Session) -> std::result::Result<String, SessionError> {
        session.get("user").await?.ok_or(SessionError::Gone)
    }

    async fn visit(session: Session) -> std::result::Result<String, SessionError> {
        Ok(session.increment("visits", 1).await?.to_string())
    }
}

mod peer {
    use super::*;
    use tower_sessions_0_14::{Session, SessionManagerLayer, session::Error};

    /// As its documentation shows it: a pool of six connections.
    pub(super) async fn routes(url: &str) -> Result<Router> {
        let pool = Pool::new(Config::from_url(url)?, None, None, None, 6)?;
        pool.connect();
        pool.wait_for_connect().await?;
        let layer = SessionManagerLayer::new(RedisStore::new(pool)).with_secure(false);
        let routes = Router::new().route("/login", post(login)).route("/profile", get(profile));
        Ok(routes.route("/visit", post(visit)).layer(layer))
    }

    async fn login(session: Session) -> std::result::Result<(), StatusCode> {
        for (key, value) in &ATTRIBUTES[..2] {
            session.insert(key, value).await.map_err(failed)?;
        }
        session.insert("visits", 0_i64).await.map_err(failed)
    }

    async fn profile(session: Session) -> std::result::Result<String, StatusCode> {
        session.get::<String>("user").await.map_err(failed)?.ok_or(StatusCode::UNAUTHORIZED)
    }

    async fn visit(session: Session) -> std::result::Result<String, StatusCode> {
        let visits = session.get::<i64>("visits").await.map_err(failed)?.ok_or(StatusCode::UNAUTHORIZED)? + 1;
        session.insert("visits", visits).await.map_err(failed)?;
        Ok(visits.to_string())
    }

    fn failed(_: Error) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}
