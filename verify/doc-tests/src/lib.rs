//! Compiles and runs, as documentation tests, what `README.md`, `docs/recipes.md` and `docs/migration.md` show: on
//! crates of two frameworks, which no other crate here has together.

#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/recipes.md")]
struct Recipes;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/migration.md")]
struct Migration;
