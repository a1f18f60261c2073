//! The client of the servers: connections that send one request after another, over one thread.

use crate::Result;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

const CONNECTIONS: usize = 32;

/// What a load has come to.
pub(crate) struct Load {
    pub(crate) requests: u64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// The time within which 99 of 100 are answered, in microseconds.
    pub(crate) p99: f64,
}

fn block_on<R>(work: impl Future<Output = Result<R>>) -> Result<R> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

/// Logs browsers in, one after the other, and returns their cookies.
pub(crate) fn log_in(port: u16, browsers: usize) -> Result<Vec<String>> {
    block_on(async {
        let mut connection = Connection::to(port).await?;
        let mut cookies = Vec::new();
        for _ in 0..browsers {
            connection.ask(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await?;
            let head = std::str::from_utf8(&connection.buffer)?;
            let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).ok_or("no cookie")?;
            cookies.push(cookie.split(';').next().ok_or("no pair")?.to_owned());
        }
        Ok(cookies)
    })
}

/// Sends requests for this time, with the cookies in turn. Every answer has to be a success.
pub(crate) fn load(port: u16, request: &str, cookies: &[String], span: Duration) -> Result<Load> {
    let bytes = |cookie: &String| {
        format!("{request} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    let requests: Rc<Vec<Vec<u8>>> = Rc::new(cookies.iter().map(bytes).collect());
    block_on(async {
        let start = Instant::now();
        let mut tasks = Vec::new();
        for first in 0..CONNECTIONS {
            let requests = Rc::clone(&requests);
            tasks.push(tokio::task::spawn_local(async move {
                let mut connection = Connection::to(port).await.map_err(|error| error.to_string())?;
                let (mut turn, mut times) = (first * requests.len() / CONNECTIONS, Vec::new());
                while start.elapsed() < span {
                    let sent = Instant::now();
                    let asked = connection.ask(&requests[turn % requests.len()]).await;
                    asked.map_err(|error| error.to_string())?;
                    times.push(sent.elapsed());
                    turn += 1;
                }
                Ok::<_, String>(times)
            }));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        let took = start.elapsed();
        times.sort_unstable();
        let p99 = times.get(times.len() * 99 / 100).ok_or("no request was answered")?;
        let rate = times.len() as f64 / took.as_secs_f64();
        Ok(Load { requests: times.len() as u64, rate, p99: p99.as_secs_f64() * 1e6 })
    })
}

struct Connection {
    socket: TcpStream,
    /// The last answer.
    buffer: Vec<u8>,
}

impl Connection {
    async fn to(port: u16) -> Result<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(4_096) })
    }

    /// Sends a request, and reads its answer.
    async fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        while !is_whole(&self.buffer)? {
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server has closed the connection".into());
            }
        }
        if self.buffer.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err(self.refused().into()) }
    }

    fn refused(&self) -> String {
        let head = String::from_utf8_lossy(&self.buffer);
        format!("the server has answered: {}", head.lines().next().unwrap_or_default())
    }
}

/// Whether the bytes are a whole response. Those of these servers have a `Content-Length`.
fn is_whole(bytes: &[u8]) -> Result<bool> {
    let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
    Ok(bytes.len() == end + 4 + length.parse::<usize>()?)
}
