//! The search: breadth first, so that a counterexample is as short as can be.

use crate::scenario::Setup;
use crate::world::{Action, World};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// A search that has visited every state.
#[derive(Clone, Copy, Debug)]
pub struct Explored {
    /// How many states there are.
    pub states: usize,
    /// How many steps lead to the farthest of them.
    pub depth: u32,
}

/// Steps that break a promise.
#[derive(Debug)]
pub struct Counterexample {
    /// Which promise.
    pub promise: &'static str,
    /// The steps, in words.
    pub steps: Vec<String>,
    /// How many states were visited before.
    pub states: usize,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.promise)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "    {step}"))
    }
}

/// How a state was reached: from which one, by which of its actions.
struct Reached {
    from: u32,
    by: u8,
    depth: u32,
}

/// Visits every state of a scenario.
///
/// States are told apart by a hash of 128 bits, whose keys are new in each search.
///
/// # Errors
///
/// The shortest way to a state that breaks a promise.
///
/// # Panics
///
/// Panics beyond four thousand million states.
pub fn search(setup: Setup) -> Result<Explored, Box<Counterexample>> {
    let key = Print::new();
    let print = |world: &World| {
        let mut hasher = key;
        world.hash(&mut hasher);
        hasher.print()
    };
    let first = World::new(setup);
    let mut seen = HashSet::from([print(&first)]);
    let mut reached = vec![Reached { from: 0, by: 0, depth: 0 }];
    let mut open = VecDeque::from([(first, 0_u32)]);
    while let Some((world, index)) = open.pop_front() {
        for (by, action) in (0..).zip(world.actions(setup)) {
            let mut next = world.clone();
            let outcome = next.apply(action, setup);
            if let Err(promise) = outcome {
                let mut ways = ways(&reached, index);
                ways.push(by);
                let steps = replay(setup, &ways);
                return Err(Box::new(Counterexample { promise, steps, states: reached.len() }));
            }
            if seen.insert(print(&next)) {
                let number = u32::try_from(reached.len()).expect("states fit into 32 bits");
                reached.push(Reached { from: index, by, depth: reached[index as usize].depth + 1 });
                open.push_back((next, number));
            }
        }
    }
    Ok(Explored { states: reached.len(), depth: reached.last().map_or(0, |last| last.depth) })
}

/// Two polynomials over the fields of a state, modulo 2^61 - 1, at a random point each.
#[derive(Clone, Copy)]
struct Print {
    sums: [u64; 2],
    points: [u64; 2],
}

const PRIME: u64 = (1 << 61) - 1;

impl Print {
    fn new() -> Self {
        let point = || 256 + RandomState::new().hash_one(()) % (PRIME - 256);
        Self { sums: [1; 2], points: [point(), point()] }
    }

    fn print(&self) -> [u64; 2] {
        self.sums
    }

    fn push(&mut self, word: u64) {
        for (sum, point) in self.sums.iter_mut().zip(self.points) {
            let product = u128::from(*sum) * u128::from(point) + u128::from(word);
            let folded = (product as u64 & PRIME) + (product >> 61) as u64;
            *sum = folded % PRIME;
        }
    }
}

impl Hasher for Print {
    fn finish(&self) -> u64 {
        self.sums[0]
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.chunks(7).for_each(|chunk| {
            let word = chunk.iter().fold(1, |word, &byte| word << 8 | u64::from(byte));
            self.push(word);
        });
    }

    fn write_u8(&mut self, byte: u8) {
        self.push(u64::from(byte));
    }

    fn write_isize(&mut self, discriminant: isize) {
        self.push(discriminant as u64 & PRIME);
    }

    fn write_usize(&mut self, length: usize) {
        self.push(length as u64 & PRIME);
    }
}

fn ways(reached: &[Reached], mut index: u32) -> Vec<u8> {
    let mut ways = Vec::new();
    while index != 0 {
        ways.push(reached[index as usize].by);
        index = reached[index as usize].from;
    }
    ways.reverse();
    ways
}

/// Takes the steps again, and tells what they are.
fn replay(setup: Setup, ways: &[u8]) -> Vec<String> {
    let mut world = World::new(setup);
    let mut steps = Vec::new();
    for &by in ways {
        let action = world.actions(setup)[by as usize];
        steps.push(told(&world, action, setup));
        // The last one breaks the promise.
        let _ = world.apply(action, setup);
    }
    steps
}

fn told(world: &World, action: Action, setup: Setup) -> String {
    match action {
        Action::Step(node, task) => {
            let operation = world.operation(node, task, setup);
            let step = world.nodes[node].tasks[task].step;
            format!("at {}: node {node}, task {task}: {operation:?} at {step:?}", world.now)
        }
        Action::Execute(node) => format!("at {}: the engine executes {:?}", world.now, world.links[node].to_engine[0]),
        Action::Deliver(node) => format!("at {}: node {node} gets {:?}", world.now, world.links[node].to_node[0]),
        other => format!("at {}: {other:?}", world.now),
    }
}
