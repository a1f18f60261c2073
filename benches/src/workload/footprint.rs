//! Bytes a session of a full store, after half of its sessions were deleted, and after all were; and the bytes of a
//! store of ten sessions.
//!
//! Each count follows a flush, where the crate has one, and `malloc_trim`.

use super::order::{Measured, Order};
use crate::attributes::ATTRIBUTES;
use crate::contender::Contender;
use crate::ids::Id;
use crate::memory;
use crate::random::Xorshift;
use std::thread;
use std::time::Duration;

/// The sessions of the small store.
const FEW: usize = 10;

/// The bytes of the process, as the system counts them and as the C library does.
#[derive(Clone, Copy)]
struct Bytes {
    resident: i64,
    live: i64,
}

impl Bytes {
    fn now() -> Self {
        memory::trim();
        Self { resident: memory::resident(), live: memory::live() }
    }

    fn since(self, before: Self) -> Self {
        Self { resident: self.resident - before.resident, live: self.live - before.live }
    }
}

pub fn footprint<C: Contender>(order: &Order) -> Vec<Measured> {
    memory::count();
    let few = few::<C>(order);
    few.into_iter().chain(many::<C>(order)).collect()
}

/// A store of ten sessions, compared with no store. It is the first store of the process, so the figures include memory
/// that the crate allocates once for all stores.
fn few<C: Contender>(order: &Order) -> [Measured; 2] {
    // The first count allocates its buffers.
    Bytes::now();
    let before = Bytes::now();
    let store: C = order.store(FEW);
    for _ in 0..FEW {
        store.create(&ATTRIBUTES);
    }
    store.flush();
    let Bytes { resident, live } = Bytes::now().since(before);
    // Leaked, so that the large store cannot use its memory again.
    std::mem::forget(store);
    [("bytes in all", resident), ("heap bytes in all", live)]
        .map(|(metric, bytes)| Measured::new("store of ten", FEW, 1, metric, bytes as f64))
}

/// A large store. All figures are divided by the number of sessions that it was filled with.
fn many<C: Contender>(order: &Order) -> Vec<Measured> {
    let sessions = order.sizes.large;
    // Written before the first count, so that its pages are resident by then.
    let mut ids: Vec<Id> = vec![[1; 32]; sessions];
    let empty = Bytes::now();
    let store: C = order.store(sessions);
    ids.iter_mut().for_each(|id| *id = store.create(&ATTRIBUTES));
    store.flush();
    let full = Bytes::now();

    Xorshift::new(0).shuffle(&mut ids);
    let (half, rest) = ids.split_at(sessions / 2);
    delete(&store, half);
    // For stores that free memory some time after a removal.
    thread::sleep(Duration::from_millis(order.sizes.back_ms));
    store.flush();
    let half_left = Bytes::now();

    delete(&store, rest);
    let left = Bytes::now();

    let counts = [
        ("bytes", "heap bytes", full),
        ("bytes half left", "heap bytes half left", half_left),
        ("bytes left", "heap bytes left", left),
    ];
    let each =
        |metric: &str, bytes: i64| Measured::new("footprint", sessions, 1, metric, bytes as f64 / sessions as f64);
    let figures = counts.map(|(metric, heap_metric, count)| {
        let Bytes { resident, live } = count.since(empty);
        [each(metric, resident), each(heap_metric, live)]
    });
    figures.into_iter().flatten().collect()
}

fn delete<C: Contender>(store: &C, ids: &[Id]) {
    for id in ids {
        assert!(store.delete(id), "a session was lost");
    }
    store.flush();
}
