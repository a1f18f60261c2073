//! The operations of a store, and their results.

use std::time::Duration;

use cloakroom::{
    BindError, CreateError, IncrementError, InsertError, MissingError, RotateError, SetError, SetIfError,
    TryUpdateError,
};

/// Keys and values in the order in which the keys were first set.
pub(crate) type Attributes = Vec<(String, String)>;

/// The settings of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Settings {
    pub(crate) ttl: Duration,
    pub(crate) absolute_timeout: Option<Duration>,
    pub(crate) max_sessions: usize,
    pub(crate) max_sessions_per_principal: usize,
    /// Whether the idlest session of a principal that has as many makes room for another one.
    pub(crate) idlest_makes_room: bool,
    pub(crate) max_session_bytes: usize,
    /// 0 is any number.
    pub(crate) max_attributes: usize,
    pub(crate) shards: usize,
}

/// The session that an operation is about. A session that gets another id counts as another one, and as the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// One of those created so far, counted back from the newest, round and round. Unknown if there was none.
    Created(usize),
    /// The one of this number, if so many have been created.
    Numbered(usize),
    /// None that was ever created.
    Unknown(u8),
}

impl Subject {
    /// Its number, if so many have been created.
    pub(crate) fn number(self, created: usize) -> Option<usize> {
        match self {
            Self::Created(back) if created > 0 => Some(created - 1 - back % created),
            Self::Numbered(number) if number < created => Some(number),
            _ => None,
        }
    }
}

/// A session's own timeouts, if it has any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) idle: Option<Duration>,
    pub(crate) absolute: Option<Duration>,
}

/// A step of the closure of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Set(String, String),
    Remove(String),
    Clear,
    Abandon,
}

/// The number of places for versions.
pub(crate) const NOTES: usize = 3;

/// One call of the store, or a step of its clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    CreateWith(Attributes),
    CreateFor(Timeouts, Attributes),
    /// Under the id of a session that has been created, which may have ended; or under a new one, if it is about none.
    Insert(Subject, Timeouts, Attributes),
    Replace(Subject, Timeouts, Attributes),
    Set(Subject, String, String),
    SetEach(Subject, Attributes),
    Remove(Subject, String),
    Take(Subject, String),
    Clear(Subject),
    Increment(Subject, String, i64),
    Update(Subject, Vec<Step>),
    /// Notes the session's version, in the place of this number. `SetIf` takes it from there, whichever session it is
    /// of, and does nothing if none has been noted; what it returns is noted again.
    Note(usize, Subject),
    SetIf(usize, Subject, String, String),
    /// As `SetIf`; an `Abandon` among the steps leaves the others out.
    UpdateIf(usize, Subject, Vec<Step>),
    SetTimeouts(Subject, Timeouts),
    Get(Subject, String),
    Contains(Subject, String),
    Read(Subject),
    /// Reads, and notes the version.
    Snapshot(usize, Subject),
    Lookup(Subject),
    Touch(Subject),
    Exists(Subject),
    ExpiresIn(Subject),
    Delete(Subject),
    /// Another id, after which the old one still leads to it for a while, unless that is zero.
    Rotate(Subject, Duration),
    /// For the principal of this number.
    CreateBound(u8, Attributes),
    Bind(Subject, u8),
    Login(Subject, u8),
    /// Keeps the attributes of this key alone.
    Unbind(Subject, String),
    SessionsOf(u8),
    EndSessionsOf(u8),
    EndOthersOf(u8, Subject),
    /// All sessions that have an attribute of this key.
    DeleteWhere(String),
    /// Only those that have one.
    ForEach,
    Count,
    EvictExpired,
    /// Without any budget, again and again until a whole round has ended none.
    EvictInPieces,
    Flush,
    Advance(Duration),
}

impl Operation {
    /// Which session it is about, if it is about one that there may be.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match self {
            Self::Set(subject, ..)
            | Self::SetEach(subject, _)
            | Self::Remove(subject, _)
            | Self::Take(subject, _)
            | Self::Clear(subject)
            | Self::Increment(subject, ..)
            | Self::Update(subject, _)
            | Self::Note(_, subject)
            | Self::SetIf(_, subject, ..)
            | Self::UpdateIf(_, subject, _)
            | Self::SetTimeouts(subject, _)
            | Self::Insert(subject, ..)
            | Self::Replace(subject, ..)
            | Self::Get(subject, _)
            | Self::Contains(subject, _)
            | Self::Read(subject)
            | Self::Snapshot(_, subject)
            | Self::Lookup(subject)
            | Self::Touch(subject)
            | Self::Exists(subject)
            | Self::ExpiresIn(subject)
            | Self::Delete(subject)
            | Self::Bind(subject, _)
            | Self::Login(subject, _)
            | Self::Unbind(subject, _)
            | Self::Rotate(subject, _) => Some(*subject),
            Self::Create | Self::CreateWith(_) | Self::CreateFor(..) | Self::CreateBound(..) => None,
            Self::SessionsOf(_) | Self::EndSessionsOf(_) | Self::EndOthersOf(..) => None,
            Self::DeleteWhere(_) | Self::ForEach => None,
            Self::Count | Self::EvictExpired | Self::EvictInPieces | Self::Flush | Self::Advance(_) => None,
        }
    }
}

/// The view of a session that a closure is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Its number.
    pub(crate) session: usize,
    pub(crate) attributes: Attributes,
    pub(crate) idle_for: Duration,
    pub(crate) expires_in: Duration,
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The number of the new session.
    Created(Result<usize, CreateError>),
    /// Its number, which may be an older one.
    Inserted(Result<usize, InsertError>),
    Set(Result<(), SetError>),
    Changed(Result<(), MissingError>),
    Removed(Result<bool, MissingError>),
    Incremented(Result<i64, IncrementError>),
    /// How many attributes the closure left.
    Updated(Result<usize, TryUpdateError<()>>),
    SetIf(Result<(), SetIfError>),
    UpdatedIf(Result<usize, SetIfError>),
    Got(Option<String>),
    Read(Option<Attributes>),
    LookedUp(Result<Attributes, MissingError>),
    Left(Option<Duration>),
    /// The number of the session under its new id.
    Rotated(Result<usize, RotateError>),
    Bound(Result<usize, BindError>),
    Numbers(Vec<usize>),
    /// In the order of their creation.
    Shown(Vec<Shown>),
    Was(bool),
    Number(usize),
    Nothing,
}
