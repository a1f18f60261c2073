//! Large stores and long runs: what they cost, and that all memory comes back.
//!
//! Debug builds do a tenth. `ci/scale.sh` shows the figures.

mod churn;
mod heap;
mod idle;
mod lifetime;
mod principals;
mod readers;
mod support;
