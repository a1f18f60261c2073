//! The load that threads put on a store, and the measurements.
//!
//! A process measures one scene of one contender: [`play`]. The scenes import [`order`], which has the data types, and
//! [`race`] and [`latency`], which measure.

pub mod eviction;
pub mod footprint;
pub mod growth;
pub mod latency;
pub mod lookups;
pub mod order;
pub mod race;
pub mod writes;

pub use order::{Measured, Order, Row, Scene, Sizes, Time, Variant};

use crate::contender::Contender;

/// Measures the scene of the order.
pub fn play<C: Contender>(order: &Order) -> Vec<Measured> {
    match order.variant.scene {
        Scene::Small => lookups::small::<C>(order),
        Scene::Middle => lookups::middle::<C>(order),
        Scene::Large => lookups::large::<C>(order),
        Scene::Mixed => writes::mixed::<C>(order),
        Scene::Churn => writes::churn::<C>(order),
        Scene::Growth => growth::grow::<C>(order),
        Scene::Evict => eviction::evict::<C>(order),
        Scene::Footprint => footprint::footprint::<C>(order),
    }
}
