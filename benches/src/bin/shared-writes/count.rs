//! Counts, prints, and checks what the table is there to show.

use crate::locks::{Counted, Mutex, RwLock};
use cloakroom::SessionStore;
use cloakroom::shared_writes::{Write, record};
use cloakroom_benches::attributes::{ATTRIBUTES, READ_KEY, WRITTEN_KEY};
use cloakroom_benches::clock::Clock;
use cloakroom_benches::contender::{Contender, Id, Setup};
use cloakroom_benches::contenders::Sharded;
use std::collections::BTreeSet;
use std::time::Duration;

const SESSIONS: usize = 100_000;
/// Operations of each kind, each on a session of its own.
const SAMPLE: usize = 1_000;
const LINE: usize = 64;
const TICK: Duration = Duration::from_millis(1);

/// What one operation wrote.
struct Writes {
    stores: usize,
    exchanges: usize,
    failed: usize,
    lines: BTreeSet<usize>,
}

impl Writes {
    fn of(operation: impl FnOnce()) -> Self {
        let ((), log) = record(operation);
        let count = |kind: Write| log.iter().filter(|(write, _)| *write == kind).count();
        let lines = log.iter().map(|(_, address)| address / LINE).collect();
        Self { stores: count(Write::Store), exchanges: count(Write::Exchange), failed: count(Write::Failed), lines }
    }
}

/// Means over the operations of one kind.
struct Means {
    operation: &'static str,
    stores: f64,
    exchanges: f64,
    failed: f64,
    lines: f64,
    /// Of two operations on different sessions, how often they write a line in common, in percent.
    meet: f64,
}

fn measure(operation: &'static str, sample: &[Id], mut run: impl FnMut(&Id)) -> Means {
    let writes: Vec<Writes> = sample.iter().map(|id| Writes::of(|| run(id))).collect();
    let mean = |of: fn(&Writes) -> usize| writes.iter().map(of).sum::<usize>() as f64 / writes.len() as f64;
    let pairs = || writes.iter().enumerate().flat_map(|(index, a)| writes[..index].iter().map(move |b| (a, b)));
    let meeting = pairs().filter(|(a, b)| !a.lines.is_disjoint(&b.lines)).count();
    Means {
        operation,
        stores: mean(|writes| writes.stores),
        exchanges: mean(|writes| writes.exchanges),
        failed: mean(|writes| writes.failed),
        lines: mean(|writes| writes.lines.len()),
        meet: 100.0 * meeting as f64 / pairs().count() as f64,
    }
}

fn count<C: Contender>() -> Vec<Means> {
    let clock = Clock::shifted();
    let store = C::open(Setup::new(clock, SESSIONS));
    let ids: Vec<Id> = (0..SESSIONS).map(|_| store.create(&ATTRIBUTES)).collect();
    let sample: Vec<Id> = ids.into_iter().step_by(SESSIONS / SAMPLE).collect();
    let get = |id: &Id| assert!(store.get(id, READ_KEY).is_some(), "a session was lost");
    // The coarse clock behind the offset moves on as well, now and then, and with it the tick: until all of a pass lies within one.
    let within_a_tick = |operation: &'static str, mut run: Box<dyn FnMut(&Id) + '_>| {
        loop {
            sample.iter().for_each(get);
            let before = clock.now();
            let means = measure(operation, &sample, &mut run);
            if clock.now() == before {
                return means;
            }
        }
    };
    let again = within_a_tick("get, again within a tick", Box::new(get));
    let exists = within_a_tick("exists", Box::new(|id| assert!(store.exists(id), "a session was lost")));
    clock.pass(TICK);
    let first = measure("get, the first within a tick", &sample, get);
    let set = |id: &Id| assert!(store.set(id, WRITTEN_KEY, "author"), "a session was lost");
    let set = measure("set", &sample, set);
    let mut created = Vec::new();
    let create = measure("create", &sample, |_| created.push(store.create(&ATTRIBUTES)));
    let delete = measure("delete", &created, |id| assert!(store.delete(id), "a session was lost"));
    vec![exists, again, first, set, create, delete]
}

pub(crate) fn print() {
    println!("| store | operation | stores | exchanges | failed exchanges | lines | two operations on different sessions write a line in common |");
    println!("|---|---|---|---|---|---|---|");
    let ours = count::<SessionStore>();
    table(SessionStore::NAME, &ours);
    locked::<Sharded<Counted<Mutex>, 1>>();
    locked::<Sharded<Counted<Mutex>, 64>>();
    locked::<Sharded<Counted<RwLock>, 64>>();
    check(&ours);
}

fn locked<C: Contender>() {
    table(C::NAME, &count::<C>());
}

fn table(store: &str, means: &[Means]) {
    for Means { operation, stores, exchanges, failed, lines, meet } in means {
        println!("| {store} | {operation} | {stores:.2} | {exchanges:.2} | {failed:.2} | {lines:.2} | {meet:.2} % |");
    }
}

/// The claims that the table is to bear out: a get of a live session writes no shared line but once a tick, and then one of its own.
fn check(ours: &[Means]) {
    let find = |operation: &str| ours.iter().find(|means| means.operation == operation).expect("it was counted");
    for operation in ["exists", "get, again within a tick"] {
        assert!(find(operation).lines == 0.0, "{operation}: a shared line was written");
    }
    let first = find("get, the first within a tick");
    assert!(first.lines == 1.0 && first.meet == 0.0, "a get wrote more than a line of its session");
    for operation in ["set", "create", "delete"] {
        let means = find(operation);
        assert!(means.lines > 0.0 && means.meet < 100.0 / 16.0, "{operation}: a line that many sessions share was written");
    }
}
