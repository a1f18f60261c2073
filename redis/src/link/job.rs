//! What is asked of the engine.

use super::Answer;
use crate::error::{EngineError, SharedError};
use crate::names::Hash;
use crate::near::{Held, Micros};
use crate::resp;
use crate::scripts::Script;
use cloakroom::SessionId;
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A command to the engine.
#[derive(Clone)]
pub(crate) enum Command {
    Plain(Vec<Vec<u8>>),
    /// Its arguments after the prefix.
    Script(Script, Vec<Vec<u8>>),
}

impl Command {
    /// Appends the command. A script is called by its name, or if the engine does not know it, by its text.
    pub(super) fn write(&self, to: &mut Vec<u8>, prefix: &[u8], by_text: bool) {
        match self {
            Self::Plain(words) => resp::command(to, words.iter()),
            Self::Script(script, arguments) => {
                let key = script.tracked_key(prefix, arguments);
                resp::begin(to, arguments.len() + 4 + usize::from(key.is_some()));
                let text = script.text();
                let (command, script) = if by_text { ("EVAL", &text.source) } else { ("EVALSHA", &text.name) };
                let keys: &[u8] = if key.is_some() { b"1" } else { b"0" };
                [command.as_bytes(), script.as_bytes(), keys].iter().for_each(|word| resp::word(to, word));
                key.iter().map(Vec::as_slice).chain([prefix]).for_each(|word| resp::word(to, word));
                arguments.iter().for_each(|argument| resp::word(to, argument));
            }
        }
    }
}

/// Whose replicas are waited for.
#[derive(Clone, Copy)]
pub(super) enum Waited {
    Session(Hash),
    Principal([u8; 16]),
}

/// What its reply is for.
pub(super) enum Purpose<O> {
    /// The age of the near cache.
    Ping,
    /// The near cache, and those who wait for this session.
    Fill(SessionId),
    /// The generation of a principal, on which sessions that were fetched depend.
    Generation(Hash),
    /// One reader, whatever is near.
    Fresh(SessionId, oneshot::Sender<Answer<Arc<Held<O>>>>),
    /// The caller. `ends`: what is near of this session is out of date then.
    Call { ends: Option<SessionId>, reads: bool, to: oneshot::Sender<Answer<Vec<resp::Value>>> },
    /// The end of a session.
    End(Hash),
    /// The end of all sessions of a principal, by the name of the operation.
    EndAll([u8; 16]),
    /// The replicas that have an end.
    Waited(Waited),
    /// An end once more.
    Again,
}

pub(super) struct Job<O> {
    pub(super) purpose: Purpose<O>,
    pub(super) command: Command,
    /// Until when it may wait for a connection.
    pub(super) until: Instant,
    /// When it was sent.
    pub(super) sent: Instant,
    /// The same, by the coarse clock.
    pub(super) sent_at: Micros,
    pub(super) by_text: bool,
}

impl<O> Job<O> {
    pub(super) fn new(purpose: Purpose<O>, command: Command, within: Duration) -> Self {
        let now = Instant::now();
        Self { purpose, command, until: now + within, sent: now, sent_at: 0, by_text: false }
    }

    /// Whether it may be sent twice.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.purpose, Purpose::Fill(_) | Purpose::Fresh(..) | Purpose::Call { reads: true, .. })
    }
}

/// What an error of the engine means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It does not know the script.
    NoScript,
    /// It is not the primary any more.
    NotPrimary,
    Refused(SharedError),
}

impl Failure {
    pub(super) fn of(error: &str) -> Self {
        let engine = |error| Self::Refused(SharedError::Engine(error));
        match error.split(' ').next().unwrap_or_default() {
            "NOSCRIPT" => Self::NoScript,
            "READONLY" => Self::NotPrimary,
            "LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN" => Self::Refused(SharedError::Away),
            "NOPERM" | "NOAUTH" | "WRONGPASS" => engine(EngineError::Permission),
            "OOM" => engine(EngineError::Memory),
            "MISCONF" | "NOREPLICAS" => engine(EngineError::ReadOnly),
            _ => engine(EngineError::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_their_first_word() {
        assert_eq!(Failure::of("NOSCRIPT No matching script."), Failure::NoScript);
        assert_eq!(Failure::of("READONLY You can't write against a read only replica."), Failure::NotPrimary);
        assert_eq!(Failure::of("LOADING"), Failure::Refused(SharedError::Away));
        assert_eq!(Failure::of("OOM command not allowed"), Failure::Refused(SharedError::Engine(EngineError::Memory)));
        assert_eq!(Failure::of("ERR x"), Failure::Refused(SharedError::Engine(EngineError::Other)));
    }

    #[test]
    fn a_script_is_called_by_name_or_by_text() {
        let command = Command::Script(Script::List, vec![b"x".to_vec()]);
        let written = |by_text| {
            let mut bytes = Vec::new();
            command.write(&mut bytes, b"cr", by_text);
            String::from_utf8(bytes).unwrap()
        };
        let text = Script::List.text();
        assert!(written(false).starts_with("*5\r\n$7\r\nEVALSHA\r\n$40\r\n") && written(false).contains(&text.name));
        assert!(written(true).starts_with("*5\r\n$4\r\nEVAL\r\n") && written(true).contains(&text.source));
        assert!(written(true).ends_with("$1\r\n0\r\n$2\r\ncr\r\n$1\r\nx\r\n"));
    }
}
