//! The scripts that the engine runs, each as one step.

use crate::names;
use sha1::{Digest, Sha1};
use std::sync::LazyLock;

/// A script, by its place in [`SCRIPTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Fetch,
    Create,
    Replace,
    Move,
    Delete,
    EndAll,
    Raise,
    List,
}

/// The text of a script, and the name that the engine gives it.
pub(crate) struct Text {
    pub(crate) source: String,
    /// Its SHA-1 in hex digits.
    pub(crate) name: String,
}

pub(crate) static SCRIPTS: LazyLock<[Text; 8]> = LazyLock::new(|| {
    [
        include_str!("lua/fetch.lua"),
        include_str!("lua/create.lua"),
        include_str!("lua/replace.lua"),
        include_str!("lua/move.lua"),
        include_str!("lua/delete.lua"),
        include_str!("lua/end_all.lua"),
        include_str!("lua/raise.lua"),
        include_str!("lua/list.lua"),
    ]
    .map(|body| {
        let source = format!("{}{body}", include_str!("lua/prelude.lua"));
        let name = Sha1::digest(source.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Text { source, name }
    })
});

impl Script {
    pub(crate) fn text(self) -> &'static Text {
        &SCRIPTS[self as usize]
    }

    /// The key that is declared to the engine. Some engines track the keys that a script reads, others those that were
    /// declared, if it reads anything.
    pub(crate) fn tracked_key(self, prefix: &[u8], arguments: &[Vec<u8>]) -> Option<Vec<u8>> {
        (self == Self::Fetch).then(|| names::session_key(prefix, &arguments[0]))
    }
}

/// What a script answers first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Missing,
    Done,
    Changed,
    Replaced,
    LoggedOut,
    PrincipalFull,
    OtherPrincipal,
    Taken,
    NoRecord,
}

impl Status {
    pub(crate) fn of(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Missing,
            1 => Self::Done,
            2 => Self::Changed,
            3 => Self::Replaced,
            4 => Self::LoggedOut,
            5 => Self::PrincipalFull,
            6 => Self::OtherPrincipal,
            8 => Self::Taken,
            9 => Self::NoRecord,
            _ => return None,
        })
    }
}
