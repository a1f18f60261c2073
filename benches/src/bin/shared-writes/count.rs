//! Counts the writes, prints them as a table, and checks the claims that the table supports.

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
/// The operations of each kind, each on another session.
const SAMPLE: usize = 1_000;
const LINE: usize = 64;
const TICK: Duration = Duration::from_millis(1);

/// The writes of one operation.
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

/// The means of the operations of one kind.
struct Means {
    operation: &'static str,
    stores: f64,
    exchanges: f64,
    failed: f64,
    lines: f64,
    /// The pairs of operations on different sessions that write a line in common, in percent.
    meet: f64,
}

fn measure(operation: &'static str, sample: &[Id], run: impl FnMut(&Id)) -> Means {
    measure_between(operation, sample, run, || ())
}

/// Calls `between`, whose writes do not count, before each twentieth part of the sample.
fn measure_between(operation: &'static str, sample: &[Id], mut run: impl FnMut(&Id), between: impl Fn()) -> Means {
    let mut writes = Vec::new();
    for part in sample.chunks(SAMPLE / 20) {
        between();
        writes.extend(part.iter().map(|id| Writes::of(|| run(id))));
    }
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
    let clock = Clock::still();
    let store = C::open(Setup::new(clock, SESSIONS));
    let ids: Vec<Id> = (0..SESSIONS).map(|_| store.create(&ATTRIBUTES)).collect();
    let sample: Vec<Id> = ids.into_iter().step_by(SESSIONS / SAMPLE).collect();
    let get = |id: &Id| assert!(store.get(id, READ_KEY).is_some(), "a session was lost");
    let exists = measure("exists", &sample, |id| assert!(store.exists(id), "a session was lost"));
    let again = measure("get, again within a tick", &sample, get);
    clock.pass(TICK);
    let first = measure("get, the first within a tick", &sample, get);
    let set = |id: &Id| assert!(store.set(id, WRITTEN_KEY, "author"), "a session was lost");
    let set_while_growing = measure("set, while shards grow", &sample, set);
    let growing = writes(&store, ["create, while shards grow", "delete, while shards grow"], &sample, || ());
    // After filling, most shards grow at the same time. The other rows are therefore sampled from a long run of
    // sessions that are created and deleted.
    let churn = || come_and_go(&store);
    clock.pass(TICK);
    sample.iter().for_each(get);
    let set = measure_between(
        "set",
        &sample,
        |id| assert!(store.set(id, WRITTEN_KEY, "editor"), "a session was lost"),
        churn,
    );
    let steady = writes(&store, ["create", "delete"], &sample, churn);
    let mut means = vec![exists, again, first, set];
    means.extend(steady);
    means.push(set_while_growing);
    means.extend(growing);
    means
}

fn writes<C: Contender>(store: &C, names: [&'static str; 2], sample: &[Id], between: impl Fn()) -> [Means; 2] {
    let mut created = Vec::new();
    let create = measure_between(names[0], sample, |_| created.push(store.create(&ATTRIBUTES)), &between);
    let delete = |id: &Id| assert!(store.delete(id), "a session was lost");
    [create, measure_between(names[1], &created, delete, &between)]
}

fn come_and_go<C: Contender>(store: &C) {
    for _ in 0..SESSIONS / 10 {
        let id = store.create(&ATTRIBUTES);
        assert!(store.delete(&id), "a session was lost");
    }
}

pub(crate) fn print() {
    println!(
        "| store | operation | stores | exchanges | failed exchanges | lines \
         | two operations on different sessions write a line in common |"
    );
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

/// Checks the claims: a get of a live session writes a shared line only once a tick, and that line is the session's.
fn check(ours: &[Means]) {
    let find = |operation: &str| ours.iter().find(|means| means.operation == operation).expect("it was counted");
    for operation in ["exists", "get, again within a tick"] {
        assert!(find(operation).lines == 0.0, "{operation}: a shared line was written");
    }
    let first = find("get, the first within a tick");
    assert!(first.lines == 1.0 && first.meet == 0.0, "a get wrote more than a line of its session");
    for operation in ["set", "create", "delete"] {
        let means = find(operation);
        assert!(
            means.lines > 0.0 && means.meet < 100.0 / 16.0,
            "{operation}: a line that many sessions share was written"
        );
    }
}
