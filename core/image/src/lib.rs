//! Images, whoever made them: read, checked, flattened.
//!
//! An image is a configuration and layers; how these lie in a directory or file is the
//! format's affair. So formats are told apart once, here, and whoever looks at an image,
//! flattens or pushes it needs to know none of them.
//!
//! | module | what it holds |
//! |---|---|
//! | `store` | the files of an image, in a directory or an archive |
//! | `open` | which format it is, which images are in it |
//! | `oci`, `docker`, `aci` | one format each: from its files to an [`Image`] |
//! | `image` | [`Image`] and its layers, with their digests |
//! | `config` | how an image is run |
//! | `flatten` | layers one upon the other, whiteouts applied |
//!
//! All of it may be hostile. Documents are bounded, a layer's bytes are compared with the
//! digests that the image gives, and no path leaves the root. Nothing here prints.

mod aci;
mod config;
mod docker;
mod flatten;
mod image;
mod oci;
mod open;
mod store;

pub use flatten::{Flattened, flatten};
pub use image::{Attached, Format, Image, Layer, Packed};
pub use open::{ImageFile, split_reference};
pub use store::{Document, MAX_DOCUMENT};
