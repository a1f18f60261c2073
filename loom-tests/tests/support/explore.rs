//! Explores the schedules of threads that share a world.

use crate::memory::free_all;
use loom::sync::Arc;
use loom::thread;

/// How far a model is explored.
#[derive(Clone, Copy)]
pub(crate) struct Exploration {
    /// Fewer preemptions than asked for (two if nothing is), by so many.
    pub(crate) less: usize,
    /// The most schedules, if there is such a bound.
    pub(crate) schedules: Option<usize>,
}

impl Exploration {
    pub(crate) const FULL: Self = Self { less: 0, schedules: None };

    /// Explores the schedules in which the threads `parts` work on what `begin` makes, with each of them in turn as the
    /// one that is not spawned. `end` looks at the world after the threads have ended. What was retired is freed then.
    pub(crate) fn of<W: 'static>(
        self,
        parts: &[fn(&W)],
        begin: impl Fn() -> W + Copy + Send + Sync + 'static,
        end: impl Fn(W) + Copy + Send + Sync + 'static,
    ) {
        for last in 0..parts.len() {
            let mut parts = parts.to_vec();
            parts.rotate_left(last);
            let mut model = loom::model::Builder::new();
            model.preemption_bound = Some(model.preemption_bound.unwrap_or(2).saturating_sub(self.less));
            model.max_branches = 50_000;
            model.max_permutations = self.schedules;
            model.check(move || {
                let world = Arc::new(begin());
                let mut parts = parts.clone();
                let here = parts.pop().expect("a thread at least");
                let spawn = |part: fn(&W)| {
                    let world = world.clone();
                    thread::spawn(move || part(&world))
                };
                let threads: Vec<_> = parts.into_iter().map(spawn).collect();
                here(&world);
                threads.into_iter().for_each(|thread| thread.join().expect("a model's thread does not panic"));
                let Ok(world) = Arc::try_unwrap(world) else { panic!("the threads have ended") };
                end(world);
                free_all();
            });
        }
    }
}
