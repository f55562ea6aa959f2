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
//! | [`deb`] | Debian packages, good and bad |
//! | [`debian`] | signed archives of them, of Debian's and Ubuntu's shape, and damage to these |
//! | [`distribution`] | packages that make a distribution in miniature |
//! | [`apk`] | packages and repositories of apk, signed, good and bad |
//! | [`rpm`] | packages and repositories of RPM, signed, good and bad, and a small Fedora of them |
//! | [`openpgp`] | keys and signatures |
//! | [`server`] | a web server with faults, which remembers what it was asked for |
//! | [`compression`] | how packages and indexes are compressed |
//! | [`mirror`] | the Debian mirror of the host |
//!
//! The tests themselves are in `tests/e2e`, a file for each property.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that cannot go on should panic")]

pub mod apk;
pub mod archive;
pub mod build;
pub mod compression;
pub mod deb;
pub mod debian;
pub mod difficult;
pub mod distribution;
pub mod faulty;
pub mod forge;
pub mod layout;
pub mod machine;
pub mod mirror;
pub mod openpgp;
pub mod registry;
pub mod rpm;
pub mod runner;
pub mod server;
pub mod unpacked;

pub use apk::Apk;
pub use compression::Compression;
pub use deb::Deb;
pub use debian::{Archive, Suite};
pub use faulty::Faulty;
pub use forge::{Forge, Output};
pub use openpgp::Key;
pub use rpm::Rpm;
pub use runner::{Need, Test};
pub use server::Server;
