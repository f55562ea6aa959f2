//! What sources of packages have in common, whatever the packages are.
//!
//! | module | what it does |
//! |---|---|
//! | `option` | words of the command line that all of them take |
//! | `file` | files that the host opened for an option |
//! | `near`, `prose` | what may have been meant, and why there is no choice, in words |
//! | `purl` | package URLs |
//! | `root` | streams into a root on disk |
//! | `solve` | which packages hold together |

pub mod file;
pub mod near;
pub mod option;
pub mod prose;
pub mod purl;
pub mod root;
pub mod solve;
