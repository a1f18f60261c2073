//! Making a connection: finding the engine, signing in, and checking that it will do.

use super::Settings;
use super::socket::Socket;
use super::tls::{Tls, explained};
use crate::address::{Place, SignIn};
use crate::error::ConnectError;
use crate::resp::{self, Value};
use crate::scripts::SCRIPTS;
use core::time::Duration;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection to an engine that will do.
pub(super) struct Connection {
    pub(super) socket: Box<dyn Socket>,
    /// What was written is sent when the socket is flushed.
    pub(super) buffers: bool,
    /// What was read and not used yet.
    pub(super) read: Vec<u8>,
    /// Where sentinels have named it.
    pub(super) place: Option<(String, u16)>,
}

/// Where the engine is, and how to connect to it.
pub(super) struct Target<'s> {
    settings: &'s Settings,
    tls: Option<Tls>,
}

impl<'s> Target<'s> {
    /// Reads the certificates. May block.
    pub(super) fn new(settings: &'s Settings) -> Result<Self, ConnectError> {
        let tls = settings.address.tls.then(|| Tls::new(&settings.certificates)).transpose()?;
        Ok(Self { settings, tls })
    }

    /// Returns when most sentinels name another primary than the one at `place`, and never if there are none.
    ///
    /// A primary that was cut off from its replicas answers as before, but the changes of others go to the next one.
    pub(super) async fn superseded(&self, place: Option<(String, u16)>) {
        let (Place::Sentinels { hosts, primary }, Some(place)) = (&self.settings.address.place, place) else {
            return core::future::pending().await;
        };
        let within = self.settings.staleness;
        while self.elected(hosts, primary, within).await.is_ok_and(|named| named == place) {
            tokio::time::sleep(within).await;
        }
    }

    /// Connects. Each step takes the time for a command at most.
    pub(super) async fn connect(&self) -> Result<Connection, ConnectError> {
        let late = |_| ConnectError::Io(io::ErrorKind::TimedOut.into());
        let within = self.settings.command_timeout;
        match &self.settings.address.place {
            Place::Server { host, port } => timeout(within, self.server((host, *port))).await.map_err(late)?,
            Place::Socket(path) => timeout(within, self.local(path)).await.map_err(late)?,
            Place::Sentinels { hosts, primary } => {
                let (host, port) = self.elected(hosts, primary, within).await?;
                let made = timeout(within, self.server((&host, port))).await.map_err(late)??;
                Ok(Connection { place: Some((host, port)), ..made })
            }
        }
    }

    /// The address of the primary that most sentinels name. If none names one, the reason that the user can mend.
    async fn elected(
        &self,
        sentinels: &[(String, u16)],
        primary: &str,
        within: Duration,
    ) -> Result<(String, u16), ConnectError> {
        let mut votes: Vec<((String, u16), usize)> = Vec::new();
        let mut reason = ConnectError::NoPrimary;
        for (host, port) in sentinels {
            let place = match timeout(within, self.ask((host, *port), primary)).await {
                Ok(Ok(Some(place))) => place,
                Ok(Err(error @ (ConnectError::Permission | ConnectError::Tls(_)))) => {
                    reason = error;
                    continue;
                }
                _ => continue,
            };
            match votes.iter_mut().find(|(named, _)| *named == place) {
                Some((_, votes)) => *votes += 1,
                None => votes.push((place, 1)),
            }
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(place, _)| place).ok_or(reason)
    }

    /// Asks a sentinel for the address of the primary.
    async fn ask(&self, place: (&str, u16), primary: &str) -> Result<Option<(String, u16)>, ConnectError> {
        let mut sentinel = self.stream(place).await?;
        if let SignIn { user, password: Some(password) } = &self.settings.address.sentinels {
            let words: Vec<&[u8]> = user.iter().chain([password]).map(String::as_bytes).collect();
            sentinel.call(&[&[b"AUTH".as_slice()], words.as_slice()].concat()).await?;
        }
        let answer = sentinel.call(&[b"SENTINEL", b"get-master-addr-by-name", primary.as_bytes()]).await?;
        let Some([host, port]) = answer.list() else { return Ok(None) };
        let text = |value: &Value| value.bytes().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        let (host, port) = (text(host), text(port).and_then(|port| port.parse().ok()));
        host.zip(port).map(Some).ok_or(ConnectError::Protocol)
    }

    async fn stream(&self, place: (&str, u16)) -> Result<Connection, ConnectError> {
        let stream = TcpStream::connect(place).await?;
        stream.set_nodelay(true)?;
        let socket: Box<dyn Socket> = match &self.tls {
            Some(tls) => tls.secured(stream, place.0).await?,
            None => Box::new(stream),
        };
        Ok(Connection { socket, buffers: self.tls.is_some(), read: Vec::new(), place: None })
    }

    async fn server(&self, place: (&str, u16)) -> Result<Connection, ConnectError> {
        prepare(self.stream(place).await?, self.settings).await
    }

    #[cfg(unix)]
    async fn local(&self, path: &std::path::Path) -> Result<Connection, ConnectError> {
        let socket = Box::new(tokio::net::UnixStream::connect(path).await?);
        let connection = Connection { socket, buffers: false, read: Vec::new(), place: None };
        prepare(connection, self.settings).await
    }

    #[cfg(not(unix))]
    async fn local(&self, _: &std::path::Path) -> Result<Connection, ConnectError> {
        Err(ConnectError::Url("this system has no such sockets"))
    }
}

/// Signs in, checks the engine, loads the scripts, and asks to be told of changes.
async fn prepare(mut connection: Connection, settings: &Settings) -> Result<Connection, ConnectError> {
    let address = &settings.address;
    let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
    if let SignIn { user, password: Some(password) } = &address.sign_in {
        let user = user.as_deref().unwrap_or("default");
        hello.extend([b"AUTH".as_slice(), user.as_bytes(), password.as_bytes()]);
    }
    hello.extend([b"SETNAME".as_slice(), b"cloakroom"]);
    let greeting = connection.call(&hello).await?;
    check_greeting(&greeting)?;
    if address.database != 0 {
        connection.call(&[b"SELECT", address.database.to_string().as_bytes()]).await?;
    }
    check_memory(&connection.call(&[b"INFO", b"memory"]).await?)?;
    for text in SCRIPTS.iter() {
        connection.call(&[b"SCRIPT", b"LOAD", text.source.as_bytes()]).await?;
    }
    if settings.near {
        connection.call(&[b"CLIENT", b"TRACKING", b"ON"]).await?;
    }
    Ok(connection)
}

/// The value of a key of a map.
fn entry<'a>(map: &'a [Value], key: &str) -> Option<&'a [u8]> {
    map.chunks_exact(2).find(|pair| pair[0].bytes() == Some(key.as_bytes())).and_then(|pair| pair[1].bytes())
}

fn check_greeting(greeting: &Value) -> Result<(), ConnectError> {
    let greeting = greeting.list().ok_or(ConnectError::Protocol)?;
    let least = if entry(greeting, "server") == Some(b"valkey") { 8 } else { 7 };
    let version = entry(greeting, "version").and_then(|version| core::str::from_utf8(version).ok());
    let major: u32 =
        version.and_then(|version| version.split('.').next()?.parse().ok()).ok_or(ConnectError::Protocol)?;
    if entry(greeting, "mode") == Some(b"cluster") {
        return Err(ConnectError::Cluster);
    }
    if major < least {
        return Err(ConnectError::Version);
    }
    match entry(greeting, "role") {
        Some(b"master") => Ok(()),
        // A replica takes no writes: the sentinels know a former primary yet, or the address is one of a replica.
        _ => Err(ConnectError::NoPrimary),
    }
}

fn check_memory(info: &Value) -> Result<(), ConnectError> {
    let info = info.bytes().and_then(|info| core::str::from_utf8(info).ok()).ok_or(ConnectError::Protocol)?;
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    let policy = lines.find(|(key, _)| *key == "maxmemory_policy").map(|(_, policy)| policy.trim());
    if policy == Some("noeviction") { Ok(()) } else { Err(ConnectError::Eviction) }
}

impl Connection {
    /// Sends a command, and waits for its reply.
    async fn call(&mut self, words: &[&[u8]]) -> Result<Value, ConnectError> {
        let mut command = Vec::new();
        resp::command(&mut command, words.iter());
        self.socket.write_all(&command).await?;
        self.socket.flush().await?;
        loop {
            while let Some((value, len)) = resp::read(&self.read).map_err(|_| ConnectError::Protocol)? {
                self.read.drain(..len);
                match value {
                    // Nothing is near yet that could have changed.
                    Value::Push(_) => {}
                    Value::Error(error) => return Err(refusal(&error)),
                    value => return Ok(value),
                }
            }
            if self.socket.read_buf(&mut self.read).await.map_err(explained)? == 0 {
                return Err(ConnectError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

fn refusal(error: &str) -> ConnectError {
    match error.split(' ').next().unwrap_or_default() {
        "WRONGPASS" | "NOAUTH" | "NOPERM" => ConnectError::Permission,
        "NOPROTO" => ConnectError::Version,
        "LOADING" | "BUSY" | "MASTERDOWN" => ConnectError::Io(io::ErrorKind::ResourceBusy.into()),
        // `HELLO` is unknown to servers before 6.
        "ERR" if error.contains("unknown command") => ConnectError::Version,
        _ => ConnectError::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(server: &str, version: &str, mode: &str, role: &str) -> Value {
        let words = ["server", server, "version", version, "proto", "3", "mode", mode, "role", role];
        Value::List(words.map(|word| Value::Bytes(word.as_bytes().to_vec())).to_vec())
    }

    #[test]
    fn engines_that_will_not_do_are_told_apart() {
        let check = |server, version, mode, role| check_greeting(&greeting(server, version, mode, role));
        assert!(check("redis", "7.0.15", "standalone", "master").is_ok());
        assert!(check("valkey", "9.1.0", "sentinel", "master").is_ok());
        assert!(matches!(check("redis", "6.2.1", "standalone", "master"), Err(ConnectError::Version)));
        assert!(matches!(check("valkey", "7.2.5", "standalone", "master"), Err(ConnectError::Version)));
        assert!(matches!(check("redis", "7.0.1", "cluster", "master"), Err(ConnectError::Cluster)));
        assert!(matches!(check("redis", "7.0.1", "standalone", "replica"), Err(ConnectError::NoPrimary)));
        assert!(matches!(check_greeting(&Value::Nil), Err(ConnectError::Protocol)));
    }

    #[test]
    fn an_engine_that_evicts_keys_is_refused() {
        let info =
            |policy: &str| Value::Bytes(format!("# Memory\r\nmaxmemory_policy:{policy}\r\nx:1\r\n").into_bytes());
        assert!(check_memory(&info("noeviction")).is_ok());
        assert!(matches!(check_memory(&info("allkeys-lru")), Err(ConnectError::Eviction)));
    }
}
