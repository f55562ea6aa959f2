//! What the end-to-end tests stand on: the runner, the binary, fixtures.
//!
//! | module | what it holds |
//! |---|---|
//! | [`runner`] | tests with needs; an unmet need is counted as skipped, never as passed |
//! | [`forge`] | runs the binary in a directory of its own |
//! | [`build`] | builds what the tests run |
//!
//! The tests themselves are in `tests/e2e`, a file for each property.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that cannot go on should panic")]

pub mod build;
pub mod forge;
pub mod runner;

pub use forge::{Forge, Output};
pub use runner::{Need, Test};
