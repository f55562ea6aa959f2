//! The documents of an OCI image, for every output that writes them.
//!
//! Docker archives and OCI layouts hold the same JSON and the same blobs and
//! differ only in where these lie; so the JSON is made here, once, and the
//! outputs place it. It follows image-spec 1.1.
//!
//! | module | what it holds |
//! |---|---|
//! | `image` | [`Image`] and [`Platforms`]: all that follows from a request, with its digests |
//! | `config` | the image configuration |
//! | `manifest` | manifest, descriptors, media types |
//! | `artifact` | [`Artifact`]: what is attached to an image |
//! | `index` | [`Index`]: `index.json`, also one of another tool |
//! | [`layout`] | `oci-layout` and the names of blobs |
//! | `layer` | [`Layer`]: the bytes of a layer on their way into the output |
//! | `date` | RFC 3339 |
//! | `appc` | what rkt's specification calls OCI's architectures |
//!
//! All JSON is canonical in the sense that matters for digests: keys in a fixed
//! order, no white space, so the same input gives the same bytes. Nothing here
//! opens a file or knows a path on this machine.

mod appc;
mod artifact;
mod config;
mod date;
mod image;
mod index;
mod layer;
pub mod layout;
mod manifest;

pub use appc::APPC_ARCHITECTURES;
pub use artifact::{Artifact, EMPTY_CONFIG, empty_config};
pub use date::{parse_rfc3339, rfc3339};
pub use image::{Document, Image, Platforms};
pub use index::{Index, MAX_INDEX};
pub use layer::{Layer, progress};
pub use manifest::{Descriptor, Platform, annotation, media_type};
