//! A first comparison of session stores: `cargo bench`, about three minutes on two cores.
//!
//! * **cloakroom**: [`cloakroom::SessionStore`] as it comes;
//! * **one mutex**: the design of the guide that the crate follows, one `Mutex` around nested `HashMap`s;
//! * **64 mutexes**: what a careful user makes of that, the same maps in 64 shards with a faster hash.
//!
//! All three hold string attributes, draw their ids from the operating system, check the idle timeout on each access and note the
//! access.
//!
//! # What a figure means
//!
//! `get/2 threads/cloakroom` is the wall time, from the first thread's start to the slowest thread's end, of one operation on *each*
//! of two threads; they start together and each does the same number. The throughput counts the operations of all threads. A store
//! that scales perfectly shows the same time for one thread and for two. Four threads on fewer cores show what a preempted holder of
//! a lock costs.
//!
//! Threads are not pinned, and the same code can vary by a factor of two between runs: only ratios within one run count, and those of
//! less than 15 % are ties.

mod contender;
mod locked;
mod measure;
mod workload;

use std::cell::LazyCell;
use std::time::Duration;

use cloakroom::SessionStore;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

use contender::Contender;
use locked::{OneMutex, ShardedMutex};
use workload::{Population, Worker, Workload};

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    for workload in [Workload::Create, Workload::Get, Workload::Mix] {
        for threads in [1, 2, 4] {
            compare(&mut criterion, workload, threads);
        }
    }
    criterion.final_summary();
}

fn compare(criterion: &mut Criterion, workload: Workload, threads: u64) {
    let noun = if threads == 1 { "thread" } else { "threads" };
    let mut group = criterion.benchmark_group(format!("{}/{threads} {noun}", workload.name()));
    group.throughput(Throughput::Elements(threads));
    bench::<SessionStore>(&mut group, workload, threads);
    bench::<OneMutex>(&mut group, workload, threads);
    bench::<ShardedMutex>(&mut group, workload, threads);
    group.finish();
}

fn bench<C: Contender>(group: &mut BenchmarkGroup<'_, WallTime>, workload: Workload, threads: u64) {
    // Lazy: a benchmark that the command line filters out fills no store.
    let population = LazyCell::new(Population::<C>::new);
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|iterations| {
            let workers = (0..threads).map(|thread| Worker::new(&population, workload, thread)).collect();
            measure::wall_time(iterations, workers)
        });
    });
}
