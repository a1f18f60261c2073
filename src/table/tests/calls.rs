//! The operations that a thread is stopped in, and what they return.

use super::fixture::Fixture;

/// The session that the stopped operation is about.
pub(super) const VICTIM: usize = 0;

/// Where a rotation moves it.
pub(super) const MOVED: usize = 999_999;

/// An operation on the session [`VICTIM`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Insert(u64),
    /// Appends a digit to the value.
    Append(u64),
    Read,
    Exists,
    Remove,
    /// Moves the session away.
    Rotate,
    /// The same, and leaves a forward.
    Forward,
}

/// What it returned: the session's value; 0 where it shows none; nothing where it failed.
pub(super) type Answer = Option<u64>;

impl Call {
    pub(super) fn make(self, fixture: &Fixture) -> Answer {
        match self {
            Self::Insert(value) => fixture.insert_with(VICTIM, value).then_some(0),
            Self::Append(digit) => fixture.append(VICTIM, digit).ok(),
            Self::Read => fixture.read(VICTIM),
            Self::Exists => fixture.has(VICTIM).then_some(0),
            Self::Remove => fixture.remove(VICTIM).then_some(0),
            Self::Rotate => fixture.rotate(VICTIM, MOVED),
            Self::Forward => fixture.rotate_forwarding(VICTIM, MOVED),
        }
    }

    /// What it should return if the session's value is `state`, and what that is afterwards.
    pub(super) fn expected(self, state: Option<u64>) -> (Answer, Option<u64>) {
        match self {
            Self::Insert(value) if state.is_none() => (Some(0), Some(value)),
            Self::Insert(_) => (None, state),
            Self::Append(digit) => {
                let value = state.map(|value| value * 10 + digit);
                (value, value)
            }
            Self::Read => (state, state),
            Self::Exists => (state.map(|_| 0), state),
            Self::Remove => (state.map(|_| 0), None),
            Self::Rotate | Self::Forward => (state, None),
        }
    }
}

/// What the stopped thread does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing {
    Call(Call),
    Sweep,
    SweepSome,
    /// A round of sweeping, in pieces.
    Round,
    /// Noting the keys of all sessions.
    Keys,
    /// Reserving the victim's key.
    Reserve,
    /// Fulfilling the reservation of the victim's key with this value.
    Fulfil(u64),
}

/// What it returned.
#[derive(Debug)]
pub(super) enum Done {
    Answered(Answer),
    Swept(usize),
}

impl Doing {
    pub(super) fn carry_out(self, fixture: &Fixture) -> Done {
        match self {
            Self::Call(call) => Done::Answered(call.make(fixture)),
            Self::Sweep => Done::Swept(fixture.sweep()),
            Self::SweepSome => Done::Swept(fixture.sweep_some(512)),
            Self::Round => Done::Swept(fixture.sweep_on()),
            Self::Keys => {
                fixture.keys();
                Done::Swept(0)
            }
            Self::Reserve => {
                fixture.reserve(VICTIM, 1);
                Done::Swept(0)
            }
            Self::Fulfil(value) => Done::Answered(fixture.fulfil(VICTIM, 1, value).then_some(0)),
        }
    }
}

/// An operation that may take effect at any time. Without an answer it was abandoned, and may take none as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) call: Call,
    pub(super) answer: Option<Answer>,
}
