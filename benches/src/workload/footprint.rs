//! Bytes a session: while they are there, and after all were deleted, a flush, and `malloc_trim`.

use super::{Measured, Order};
use crate::attributes::ATTRIBUTES;
use crate::contender::{Contender, Id};
use crate::memory;

/// By the system's account and by the C library's.
struct Bytes {
    resident: i64,
    live: i64,
}

impl Bytes {
    fn now() -> Self {
        memory::trim();
        Self { resident: memory::resident(), live: memory::live() }
    }
}

pub fn footprint<C: Contender>(order: &Order) -> Vec<Measured> {
    let sessions = order.sizes.large;
    // Written once before, so that its own pages are not counted.
    let mut ids: Vec<Id> = vec![[1; 32]; sessions];
    memory::count();
    let empty = Bytes::now();
    let store: C = order.store(sessions);
    ids.iter_mut().for_each(|id| *id = store.create(&ATTRIBUTES));
    store.flush();
    let full = Bytes::now();
    for id in &ids {
        assert!(store.delete(id), "a session was lost");
    }
    store.flush();
    let left = Bytes::now();

    let each = |bytes: i64| bytes as f64 / sessions as f64;
    let values = [
        ("bytes", each(full.resident - empty.resident)),
        ("bytes left", each(left.resident - empty.resident)),
        ("heap bytes", each(full.live - empty.live)),
        ("heap bytes left", each(left.live - empty.live)),
    ];
    values.map(|(metric, value)| Measured::new("footprint", sessions, 1, metric, value)).into()
}
