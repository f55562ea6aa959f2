//! What the end-to-end tests stand on: the runner, the binary, fixtures.
//!
//! | module | what it holds |
//! |---|---|
//! | [`runner`] | tests with needs; an unmet need is counted as skipped, never as passed |
//! | [`forge`] | runs the binary in a directory of its own |
//! | [`build`] | builds what the tests run |
//! | [`archive`] | tar archives, also those that no honest writer makes |
//! | [`difficult`] | a tree with all that goes wrong |
//! | [`unpacked`] | what an unpacker made of it |
//! | [`layout`] | what is in an OCI image layout |
//! | [`faulty`] | a plugin that misbehaves as it is told |
//!
//! The tests themselves are in `tests/e2e`, a file for each property.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that cannot go on should panic")]

pub mod archive;
pub mod build;
pub mod difficult;
pub mod faulty;
pub mod forge;
pub mod layout;
pub mod runner;
pub mod unpacked;

pub use faulty::Faulty;
pub use forge::{Forge, Output};
pub use runner::{Need, Test};
