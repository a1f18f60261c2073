//! The supervisor: holds the socket, and starts one server after the other.
//!
//! It speaks the protocols of systemd: it passes the socket on as `LISTEN_FDS` says, and is told by `NOTIFY_SOCKET`.

use crate::say;
use crate::server::{NOT_ACCEPTING, PREPARED, listener};
use rustix::process::{Pid, Signal, kill_process};
use sd_notify::NotifyState;
use std::env;
use std::error::Error;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

/// Passes the socket on as descriptor 3. The shell knows its own process id, which becomes the server's.
const PASS_ON: &str = "LISTEN_PID=$$; export LISTEN_PID; exec \"$0\" serve 3<&0 </dev/null";

/// A server that takes longer to end is killed. What was answered holds.
const LONGEST_END: Duration = Duration::from_secs(60);
/// A server that lives shorter is not started again at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);

enum Event {
    Prepared,
    Accepts,
    NotAccepting,
    Ended(io::Result<ExitStatus>),
    /// Time to start a server again.
    Again,
}

struct Server {
    number: u32,
    started: Instant,
    /// Taken when it is told to end.
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    fn end(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }
}

struct Handover {
    begun: Instant,
    not_accepting: Option<Instant>,
}

struct Supervisor {
    program: PathBuf,
    socket: OwnedFd,
    /// The sockets on which servers tell how far they are.
    folder: TempDir,
    events: mpsc::UnboundedSender<(u32, Event)>,
    started: u32,
    current: Option<Server>,
    successor: Option<Server>,
    handover: Option<Handover>,
    handovers: u32,
}

pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let listener = listener().await?;
    let address = listener.local_addr()?;
    let (events, mut happened) = mpsc::unbounded_channel();
    let mut hangup = signal(SignalKind::hangup())?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut supervisor = Supervisor {
        // By its path, under which a later version may have taken its place.
        program: env::current_exe()?,
        socket: listener.into_std()?.into(),
        folder: tempfile::tempdir()?,
        events,
        started: 0,
        current: None,
        successor: None,
        handover: None,
        handovers: 0,
    };
    supervisor.current = Some(supervisor.start()?);
    say(&format!("listening on http://{address}"));
    loop {
        tokio::select! {
            Some((number, event)) = happened.recv() => supervisor.note(number, event)?,
            _ = hangup.recv() => supervisor.replace(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let mut left: Vec<_> = [supervisor.current.take(), supervisor.successor.take()].into_iter().flatten().collect();
    left.iter_mut().for_each(Server::end);
    while !left.is_empty() {
        if let Some((number, Event::Ended(_))) = happened.recv().await {
            left.retain(|server| server.number != number);
        }
    }
    Ok(())
}

impl Supervisor {
    /// Starts a server.
    fn start(&mut self) -> io::Result<Server> {
        self.started += 1;
        let number = self.started;
        let path = self.folder.path().join(number.to_string());
        let notices = UnixDatagram::bind(&path)?;
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(PASS_ON).arg(&self.program).stdin(Stdio::from(self.socket.try_clone()?));
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "http").env("NOTIFY_SOCKET", &path);
        let child = command.spawn()?;
        say(&format!("server {number} is process {}", child.id().unwrap_or_default()));
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(attend(child, notices, stopped, number, self.events.clone()));
        Ok(Server { number, started: Instant::now(), stop: Some(stop) })
    }

    /// Starts a successor, unless there is one.
    fn replace(&mut self) {
        if self.successor.is_some() {
            return say("a handover is under way");
        }
        match self.start() {
            Ok(successor) => {
                self.successor = Some(successor);
                self.handover = Some(Handover { begun: Instant::now(), not_accepting: None });
            }
            Err(error) => say(&format!("the successor has failed, and the server goes on: {error}")),
        }
    }

    fn note(&mut self, number: u32, event: Event) -> io::Result<()> {
        let is = |server: &Option<Server>| server.as_ref().is_some_and(|server| server.number == number);
        match event {
            Event::Prepared if is(&self.successor) => self.current.iter_mut().for_each(Server::end),
            Event::Prepared => {}
            Event::NotAccepting => {
                self.handover.iter_mut().for_each(|handover| handover.not_accepting = Some(Instant::now()));
            }
            Event::Accepts => self.accepts(number),
            Event::Ended(status) if is(&self.successor) => {
                self.successor = None;
                if self.current.as_ref().is_some_and(|server| server.stop.is_some()) {
                    self.handover = None;
                    say(&format!("the successor has failed, and the server goes on: {}", in_words(status)));
                }
            }
            Event::Ended(status) if is(&self.current) => {
                let ended = self.current.take().filter(|server| server.stop.is_some());
                if let Some(server) = &ended {
                    say(&format!("server {} has ended by itself: {}", server.number, in_words(status)));
                }
                self.current = self.successor.take();
                if self.current.is_none() {
                    let short = ended.is_some_and(|server| server.started.elapsed() < SHORT_LIFE);
                    let (events, pause) = (self.events.clone(), if short { SHORT_LIFE } else { Duration::ZERO });
                    tokio::spawn(async move {
                        sleep(pause).await;
                        events.send((0, Event::Again))
                    });
                }
            }
            Event::Again if self.current.is_none() => self.current = Some(self.start()?),
            Event::Ended(_) | Event::Again => {}
        }
        Ok(())
    }

    fn accepts(&mut self, number: u32) {
        say(&format!("server {number} accepts connections"));
        // To systemd, if it has started this process.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        if let Some(Handover { begun, not_accepting }) = self.handover.take() {
            self.handovers += 1;
            let waited = not_accepting.map_or(Duration::ZERO, |since| since.elapsed());
            let (took, waited) = (begun.elapsed().as_millis(), waited.as_millis());
            say(&format!("handover {} took {took} ms, and connections waited for {waited} ms", self.handovers));
        }
    }
}

fn in_words(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Reports what a server tells, and how it ends. Tells it to end.
async fn attend(
    mut child: Child,
    notices: UnixDatagram,
    mut stop: oneshot::Receiver<()>,
    number: u32,
    events: mpsc::UnboundedSender<(u32, Event)>,
) {
    let (mut buffer, mut told) = ([0; 1_024], None);
    loop {
        let killed = async {
            match told {
                Some(since) => sleep(LONGEST_END.saturating_sub(Instant::elapsed(&since))).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Ok(len) = notices.recv(&mut buffer) => {
                for line in String::from_utf8_lossy(&buffer[..len]).lines() {
                    let event = match line {
                        "READY=1" => Event::Accepts,
                        PREPARED => Event::Prepared,
                        NOT_ACCEPTING => Event::NotAccepting,
                        _ => continue,
                    };
                    let _ = events.send((number, event));
                }
            }
            status = child.wait() => {
                let _ = events.send((number, Event::Ended(status)));
                return;
            }
            _ = &mut stop, if told.is_none() => {
                told = Some(Instant::now());
                if let Some(process) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
                    let _ = kill_process(process, Signal::TERM);
                }
            }
            () = killed => drop(child.start_kill()),
        }
    }
}
