//! Making a connection: finding the engine, signing in, and checking that it will do.

use super::socket::{Socket, secured};
use crate::address::{Address, Place};
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
    /// What was read and not used yet.
    pub(super) read: Vec<u8>,
    /// Where sentinels have named it.
    pub(super) place: Option<(String, u16)>,
}

/// What to do with a new connection.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Whether the engine is to tell of changes.
    pub(super) tracking: bool,
    pub(super) within: Duration,
}

/// Returns when most sentinels name another primary than the one at `place`, and never if there are none.
///
/// A primary that was cut off from its replicas answers as before, but the changes of others go to the next one.
pub(super) async fn superseded(address: &Address, place: Option<(String, u16)>, within: Duration) {
    let (Place::Sentinels { hosts, primary }, Some(place)) = (&address.place, place) else {
        return core::future::pending().await;
    };
    while elected(hosts, primary, within).await.is_none_or(|named| named == place) {
        tokio::time::sleep(within).await;
    }
}

/// Connects. Each step takes `within` at most.
pub(super) async fn connect(address: &Address, wanted: Wanted) -> Result<Connection, ConnectError> {
    let late = |_| ConnectError::Io(io::ErrorKind::TimedOut.into());
    match &address.place {
        Place::Server { host, port } => {
            timeout(wanted.within, server(address, (host, *port), wanted.tracking)).await.map_err(late)?
        }
        Place::Socket(path) => timeout(wanted.within, local(address, path, wanted.tracking)).await.map_err(late)?,
        Place::Sentinels { hosts, primary } => {
            let (host, port) = elected(hosts, primary, wanted.within).await.ok_or(ConnectError::NoPrimary)?;
            let made =
                timeout(wanted.within, server(address, (&host, port), wanted.tracking)).await.map_err(late)??;
            Ok(Connection { place: Some((host, port)), ..made })
        }
    }
}

/// The address of the primary that most sentinels name.
async fn elected(sentinels: &[(String, u16)], primary: &str, within: Duration) -> Option<(String, u16)> {
    let mut votes: Vec<((String, u16), usize)> = Vec::new();
    for (host, port) in sentinels {
        let Ok(Ok(Some(place))) = timeout(within, ask(host, *port, primary)).await else { continue };
        match votes.iter_mut().find(|(named, _)| *named == place) {
            Some((_, votes)) => *votes += 1,
            None => votes.push((place, 1)),
        }
    }
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(place, _)| place)
}

/// Asks a sentinel for the address of the primary.
async fn ask(host: &str, port: u16, primary: &str) -> Result<Option<(String, u16)>, ConnectError> {
    let mut sentinel =
        Connection { socket: Box::new(TcpStream::connect((host, port)).await?), read: Vec::new(), place: None };
    let answer = sentinel.call(&[b"SENTINEL", b"get-master-addr-by-name", primary.as_bytes()]).await?;
    let Some([host, port]) = answer.list() else { return Ok(None) };
    let text = |value: &Value| value.bytes().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let (host, port) = (text(host), text(port).and_then(|port| port.parse().ok()));
    host.zip(port).map(Some).ok_or(ConnectError::Protocol)
}

async fn server(address: &Address, place: (&str, u16), tracking: bool) -> Result<Connection, ConnectError> {
    let stream = TcpStream::connect(place).await?;
    stream.set_nodelay(true)?;
    if address.tls {
        return prepare(secured(stream, place.0).await?, address, tracking).await;
    }
    prepare(Box::new(stream), address, tracking).await
}

#[cfg(unix)]
async fn local(address: &Address, path: &std::path::Path, tracking: bool) -> Result<Connection, ConnectError> {
    prepare(Box::new(tokio::net::UnixStream::connect(path).await?), address, tracking).await
}

#[cfg(not(unix))]
async fn local(_: &Address, _: &std::path::Path, _: bool) -> Result<Connection, ConnectError> {
    Err(ConnectError::Url("this system has no such sockets"))
}

/// Signs in, checks the engine, loads the scripts, and asks to be told of changes.
async fn prepare(socket: Box<dyn Socket>, address: &Address, tracking: bool) -> Result<Connection, ConnectError> {
    let mut connection = Connection { socket, read: Vec::new(), place: None };
    let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
    if let Some(password) = &address.password {
        let user = address.user.as_deref().unwrap_or("default");
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
    if tracking {
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
            if self.socket.read_buf(&mut self.read).await? == 0 {
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
