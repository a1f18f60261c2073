//! What happens to engines and connections while sessions are used.

use super::node::Random;
use super::proxy::Proxy;
use super::support::Server;
use std::io::Write;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    Delay,
    SwallowReplies,
    SwallowRequests,
    Reset,
    CutReply,
    KillClients,
    PauseAll,
    PauseWrites,
    FlushAll,
    FlushScripts,
    Busy,
    Suspend,
    KillEngine,
}

const FAULTS: [Fault; 14] = [
    Fault::Nothing,
    Fault::Delay,
    Fault::SwallowReplies,
    Fault::SwallowRequests,
    Fault::Reset,
    Fault::CutReply,
    Fault::KillClients,
    Fault::PauseAll,
    Fault::PauseWrites,
    Fault::FlushAll,
    Fault::FlushScripts,
    Fault::Busy,
    Fault::Suspend,
    Fault::KillEngine,
];

impl Fault {
    pub(crate) fn random(random: &mut Random) -> Self {
        FAULTS[random.below(FAULTS.len() as u64) as usize]
    }

    /// Lets it happen, and waits until it is over. Blocks.
    pub(crate) fn happen(self, server: &mut Server, proxies: &[Proxy], random: &mut Random) {
        let proxy = &proxies[random.below(proxies.len() as u64) as usize];
        let time = Duration::from_millis(50 + random.below(1_200));
        match self {
            Self::Nothing => sleep(time),
            Self::Delay => {
                proxy.delay(Duration::from_millis(random.below(200)), Duration::from_millis(random.below(1_000)));
                sleep(time + Duration::from_millis(300));
                proxy.heal();
            }
            Self::SwallowReplies | Self::SwallowRequests => {
                proxy.swallow(self == Self::SwallowRequests, self == Self::SwallowReplies);
                sleep(time);
                proxy.heal();
            }
            Self::Reset => proxy.reset(),
            Self::CutReply => {
                proxy.cut_reply_after(random.below(400) as u16);
                sleep(time / 4);
                proxy.heal();
            }
            Self::KillClients => drop(server.command(&["CLIENT", "KILL", "TYPE", "normal"])),
            Self::PauseAll | Self::PauseWrites => {
                let kind = if self == Self::PauseAll { "ALL" } else { "WRITE" };
                server.command(&["CLIENT", "PAUSE", &time.as_millis().to_string(), kind]);
                sleep(time);
            }
            Self::FlushAll => drop(server.command(&["FLUSHALL"])),
            Self::FlushScripts => drop(server.command(&["SCRIPT", "FLUSH"])),
            Self::Busy => busy(server, time),
            Self::Suspend => {
                server.suspend();
                sleep(time);
                server.resume();
            }
            Self::KillEngine => server.restart(),
        }
    }
}

/// A script that runs for a while: the engine answers `BUSY` then.
fn busy(server: &Server, time: Duration) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the engine is there");
    stream.write_all(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n").expect("the engine reads");
    sleep(time);
    server.command(&["SCRIPT", "KILL"]);
}
