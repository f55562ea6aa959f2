//! Root filesystems as tar streams.

mod digest;
mod entry;
mod path;

pub use digest::{Digest, Hasher, ParseDigestError};
pub use entry::{Device, Entry, Kind, Xattrs};
pub use path::{MAX_NAME, MAX_PATH, PathError, RootPath};
