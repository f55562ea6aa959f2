//! Root filesystems as tar streams.
//!
//! A root filesystem is a tarball: that stream is what sources produce, what
//! the core checks and sorts, and what layers are made of. This crate reads it,
//! writes it and knows nothing of packages, images or plugins.
//!
//! | module | what it holds |
//! |---|---|
//! | `path`, `entry` | a checked path; one object of a root filesystem |
//! | `read`, `write`, `pax` | tar streams in, in every dialect, and out, in one canonical form |
//! | `walk` | a directory of the host as entries |
//! | `tree` | a whole root filesystem: merged, checked, sorted, its content on disk |
//! | `glob` | patterns of paths to leave out |
//! | `compress` | compressions, told by content |
//! | `layer` | a tar as a layer: diffID, compressed blob and digest in one pass |
//! | `digest` | SHA-256 |
//! | `dump` | a tree as text, for tests and eyes |

mod compress;
mod digest;
mod dump;
mod entry;
mod glob;
mod header;
mod layer;
mod path;
mod pax;
mod read;
mod tree;
mod walk;
mod write;

pub use compress::{
    Compression, Decoder, EncoderError, GZIP_LEVEL, MAGIC_LEN, ParseCompressionError, ZLIB_RS_VERSION,
    ZSTD_LEVEL,
};
pub use digest::{Digest, Hasher, ParseDigestError};
pub use dump::{dump, dump_entry};
pub use entry::{Device, Entry, Kind, Xattrs};
pub use glob::{Exclude, PatternError};
pub use layer::{Known, Layer, LayerError, LayerOptions, Pieces, Written, write_layer, write_layer_upon};
pub use path::{MAX_NAME, MAX_PATH, PathError, RootPath};
pub use pax::RecordError;
pub use read::{Fault, Limits, Name, Noted, Place, ReadError, Reader, Warning};
pub use tree::{Content, Duplicates, TOUCHED, Tree, TreeError, TreeWarning};
pub use walk::{Attributes, HostFile, HostReader, Visit, Walk, WalkError, WalkWarning, walk, walk_fd};
pub use write::{Unfit, WriteError, Writer};
