//! What a thread is doing when it is stopped, and in what table.

use super::calls::{Call, Doing, Pending, VICTIM};
use super::fixture::{Fixture, IDLE};
use crate::sync::on_step;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// How the table comes to be before the operation.
#[derive(Clone, Copy)]
pub(super) enum Table {
    /// This many other sessions.
    Of(usize),
    /// This many other sessions, left of many more: the next removes find the array sparse.
    Sparse(usize),
    /// This many other sessions. All have expired, and so has the victim.
    Expired(usize),
    /// This many other sessions. The clock has since been set back by far.
    Ahead(usize),
}

/// One operation, to be stopped at each step that it comes to.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    table: Table,
    /// The victim's session comes before the others, so it lies in the array that is left first; or after them.
    first: bool,
    /// Whether the victim's session got its key by a rotation that has left a forward.
    forwarded: bool,
    /// Whether the victim's key is reserved, under the number 1.
    reserved: bool,
    /// Whether sessions count bytes, of which each version needs others.
    sized: bool,
    /// The step at which an earlier operation on the victim's session is given up.
    given_up: Option<(&'static str, Call)>,
    pub(super) doing: Doing,
    /// The value of the victim's session then.
    pub(super) state: Option<u64>,
    pub(super) pending: &'static [Pending],
}

/// The key that a forwarded session had before.
const FORMER: usize = 888_888;

/// Arrays of 64 slots are left at the 49th session, in four pieces: the 53rd insert finds it done.
const BRINK: usize = 48;

const PLAIN: Scenario = Scenario {
    name: "",
    table: Table::Of(20),
    first: true,
    forwarded: false,
    reserved: false,
    sized: false,
    given_up: None,
    doing: Doing::Sweep,
    state: Some(9),
    pending: &[],
};
const INSERT: Scenario = Scenario { doing: Doing::Call(Call::Insert(8)), state: None, ..PLAIN };
const APPEND: Scenario = Scenario { doing: Doing::Call(Call::Append(8)), ..PLAIN };
const READ: Scenario = Scenario { doing: Doing::Call(Call::Read), ..PLAIN };
const REMOVE: Scenario = Scenario { doing: Doing::Call(Call::Remove), ..PLAIN };

const ROTATE: Scenario = Scenario { doing: Doing::Call(Call::Rotate), ..PLAIN };
const FORWARD: Scenario = Scenario { doing: Doing::Call(Call::Forward), ..PLAIN };

const RESERVE: Scenario = Scenario { doing: Doing::Reserve, state: None, ..PLAIN };
const FULFIL: Scenario = Scenario { doing: Doing::Fulfil(8), state: None, reserved: true, ..PLAIN };

/// A version that has been superseded and left in its slot.
const CHAIN: Scenario = Scenario { given_up: Some(("superseded", Call::Append(5))), state: Some(95), ..PLAIN };
/// A version that has a successor, which does not count yet.
const FORKED: Scenario = Scenario {
    given_up: Some(("succeeded", Call::Append(5))),
    pending: &[Pending { call: Call::Append(5), answer: None }],
    ..PLAIN
};
/// A version that is dead and was left in its slot.
const CORPSE: Scenario = Scenario { given_up: Some(("place given back", Call::Remove)), state: None, ..PLAIN };

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "insert", ..INSERT },
    Scenario { name: "insert of a session that is there", state: Some(9), ..INSERT },
    Scenario { name: "insert that begins a growth", table: Table::Of(BRINK), ..INSERT },
    Scenario { name: "insert during a growth", table: Table::Of(BRINK + 1), ..INSERT },
    Scenario { name: "insert that ends a growth", table: Table::Of(BRINK + 3), ..INSERT },
    Scenario { name: "insert where a dead version lies", doing: INSERT.doing, ..CORPSE },
    Scenario {
        name: "insert during a growth where a dead version lies",
        table: Table::Of(BRINK + 1),
        doing: INSERT.doing,
        ..CORPSE
    },
    Scenario { name: "update", ..APPEND },
    Scenario { name: "update of a chain", doing: APPEND.doing, ..CHAIN },
    Scenario { name: "update of a version with a successor", doing: APPEND.doing, ..FORKED },
    Scenario { name: "update in the array that is left", table: Table::Of(BRINK), ..APPEND },
    Scenario { name: "update in the next array", table: Table::Of(BRINK + 1), first: false, ..APPEND },
    Scenario {
        name: "update of a chain in the next",
        table: Table::Of(BRINK + 1),
        first: false,
        doing: APPEND.doing,
        ..CHAIN
    },
    Scenario { name: "update of an expired session", table: Table::Expired(20), state: None, ..APPEND },
    Scenario { name: "update that needs bytes", sized: true, ..APPEND },
    Scenario { name: "insert that needs bytes", sized: true, ..INSERT },
    Scenario { name: "remove that gives bytes back", sized: true, ..REMOVE },
    Scenario { name: "rotation whose bytes are counted", sized: true, ..ROTATE },
    Scenario { name: "rotation with a forward that needs bytes", sized: true, ..FORWARD },
    Scenario { name: "read", ..READ },
    Scenario { name: "read of a chain", doing: READ.doing, ..CHAIN },
    Scenario { name: "read during a growth", table: Table::Of(BRINK), ..READ },
    Scenario { name: "read of an expired session", table: Table::Expired(BRINK), state: None, ..READ },
    Scenario { name: "read after the clock was set back", table: Table::Ahead(20), ..READ },
    Scenario { name: "remove", ..REMOVE },
    Scenario { name: "remove of a chain", doing: REMOVE.doing, ..CHAIN },
    Scenario { name: "remove of a version with a successor", doing: REMOVE.doing, ..FORKED },
    Scenario { name: "remove in the array that is left", table: Table::Of(BRINK), ..REMOVE },
    Scenario { name: "remove in the next array", table: Table::Of(BRINK + 1), first: false, ..REMOVE },
    Scenario { name: "remove that begins to shrink", table: Table::Sparse(16), ..REMOVE },
    Scenario { name: "remove that shrinks further", table: Table::Sparse(13), ..REMOVE },
    Scenario { name: "rotation", ..ROTATE },
    Scenario { name: "rotation of a chain", doing: ROTATE.doing, ..CHAIN },
    Scenario { name: "rotation of a version with a successor", doing: ROTATE.doing, ..FORKED },
    Scenario { name: "rotation during a growth", table: Table::Of(BRINK), ..ROTATE },
    Scenario { name: "rotation in the next array", table: Table::Of(BRINK + 1), first: false, ..ROTATE },
    Scenario { name: "rotation with a forward", ..FORWARD },
    Scenario { name: "rotation with a forward during a growth", table: Table::Of(BRINK), ..FORWARD },
    Scenario { name: "rotation with a forward of a chain", doing: FORWARD.doing, ..CHAIN },
    Scenario { name: "rotation with a forward of a version with a successor", doing: FORWARD.doing, ..FORKED },
    Scenario { name: "rotation of a forwarded session", forwarded: true, ..ROTATE },
    Scenario { name: "rotation with a forward of a forwarded session", forwarded: true, ..FORWARD },
    Scenario { name: "remove of a forwarded session", forwarded: true, ..REMOVE },
    Scenario { name: "reservation", ..RESERVE },
    Scenario { name: "reservation during a growth", table: Table::Of(BRINK + 1), ..RESERVE },
    Scenario { name: "reservation where a dead version lies", doing: RESERVE.doing, ..CORPSE },
    Scenario { name: "fulfilment", ..FULFIL },
    Scenario { name: "fulfilment in the array that is left", table: Table::Of(BRINK), ..FULFIL },
    Scenario { name: "fulfilment in the next array", table: Table::Of(BRINK + 1), first: false, ..FULFIL },
    Scenario { name: "sweep", table: Table::Expired(20), state: None, ..PLAIN },
    Scenario { name: "sweep during a growth", table: Table::Expired(BRINK), state: None, ..PLAIN },
    Scenario { name: "sweep over chains", ..CHAIN },
    Scenario { name: "sweep over chains in the next", table: Table::Of(BRINK + 1), first: false, ..CHAIN },
    Scenario { name: "sweep over a dead version", ..CORPSE },
    Scenario { name: "sweep that shrinks", table: Table::Sparse(13), ..PLAIN },
    Scenario { name: "sweep after the clock was set back", table: Table::Ahead(BRINK), ..PLAIN },
    Scenario { name: "sweep of a part", table: Table::Expired(20), state: None, doing: Doing::SweepSome, ..PLAIN },
    Scenario { name: "sweep of a part that finds nothing", doing: Doing::SweepSome, ..PLAIN },
    Scenario { name: "sweep in a round", table: Table::Expired(20), state: None, doing: Doing::Round, ..PLAIN },
    Scenario { name: "sweep in a round that shrinks", table: Table::Sparse(13), doing: Doing::Round, ..PLAIN },
    Scenario { name: "enumeration", doing: Doing::Keys, ..PLAIN },
    Scenario { name: "enumeration over a dead version", doing: Doing::Keys, ..CORPSE },
];

impl Scenario {
    /// A table in which the operation can begin.
    pub(super) fn fixture(&self) -> Fixture {
        let fixture = Fixture::new(1, 0);
        let fixture = if self.sized { fixture.sized() } else { fixture };
        fixture.pass(5 * IDLE);
        let inserted_before =
            self.state.is_some() || self.given_up.is_some() || matches!(self.table, Table::Expired(_));
        let insert = |first: bool| {
            if inserted_before && self.first == first {
                if self.forwarded {
                    assert!(fixture.insert_with(FORMER, 9));
                    assert_eq!(fixture.rotate_forwarding(FORMER, VICTIM), Some(9));
                } else {
                    assert!(fixture.insert_with(VICTIM, 9));
                }
            }
            if self.reserved && self.first == first {
                assert!(fixture.reserve(VICTIM, 1));
            }
        };
        insert(true);
        self.neighbours().for_each(|number| assert!(fixture.insert(number)));
        match self.table {
            Table::Of(_) | Table::Ahead(_) => {}
            Table::Sparse(left) => (left + 1..=60).for_each(|number| assert!(fixture.remove(number))),
            Table::Expired(_) => fixture.pass(IDLE),
        }
        insert(false);
        if let Some((step, call)) = self.given_up {
            give_up(&fixture, step, call);
        }
        if let Table::Ahead(_) = self.table {
            fixture.set_back(3 * IDLE);
        }
        // The stamp of what has not expired lies behind the clock, so that a read moves it.
        fixture.pass(1);
        fixture
    }

    fn neighbours(&self) -> Range<usize> {
        match self.table {
            Table::Of(number) | Table::Expired(number) | Table::Ahead(number) => 1..number + 1,
            Table::Sparse(_) => 1..61,
        }
    }

    /// The other sessions that are there while the thread stands.
    pub(super) fn living_neighbours(&self) -> Range<usize> {
        match self.table {
            Table::Of(number) | Table::Sparse(number) | Table::Ahead(number) => 1..number + 1,
            Table::Expired(_) => 0..0,
        }
    }

    /// How many sessions have expired, the victim's included.
    pub(super) fn expired(&self) -> usize {
        match self.table {
            Table::Expired(number) => number + 1,
            Table::Of(_) | Table::Sparse(_) | Table::Ahead(_) => 0,
        }
    }
}

/// Makes a call and unwinds out of it at a step, as a thread would that is stopped there and never goes on.
fn give_up(fixture: &Fixture, at: &'static str, call: Call) {
    on_step(move |step| {
        if step == at {
            resume_unwind(Box::new("given up"));
        }
    });
    let given_up = catch_unwind(AssertUnwindSafe(|| call.make(fixture))).is_err();
    on_step(|_| {});
    assert!(given_up, "the call does not come to {at:?}");
}
