//! Registries of images, as the distribution specification 1.1 has them: push and pull.
//!
//! | module | what it holds |
//! |---|---|
//! | `reference` | `HOST/NAME:TAG` |
//! | `login` | who one is there: the container tools' auth files and credential helpers |
//! | `challenge` | what a registry asks of whom it does not know |
//! | `client` | requests with all of that: tokens, redirects, retries |
//! | `push`, `pull` | blobs and manifests there and back |
//! | `referrers` | what is about an image: signatures and the like |
//!
//! A password goes to the registry that it was noted for and to the token server that this
//! one names, and nowhere else, whatever redirects say. Nothing here prints or reads the
//! environment.

mod challenge;
mod client;
mod login;
mod pull;
mod push;
mod reference;
mod referrers;

pub use client::{Registry, Settings};
pub use pull::Pulled;
pub use push::Blob;
pub use reference::Reference;
pub use referrers::Referrer;
