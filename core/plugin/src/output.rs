//! The trait of plugins that package finished layers.

use serde::de::DeserializeOwned;

use crate::{Check, Host, OutputReport, PackageTarget, Request, Result};

/// Packages layers as an image of some format.
///
/// An output sees finished layers and an image configuration. It needs no
/// privilege and no network, and walks no directory.
pub trait Output: Sync {
    /// The component's options; see [`Source::Options`](crate::Source::Options).
    type Options: DeserializeOwned;

    /// Writes the image to `request.target.destination`. The host brings it to
    /// its final name after this has returned, so nothing half made is seen.
    fn package(&self, request: &Request<Self::Options, PackageTarget>, host: &Host) -> Result<OutputReport>;

    /// Values that `option` could take, given what is typed of it.
    fn complete(&self, option: &str, prefix: &str, host: &Host) -> Result<Vec<String>> {
        let _ = (option, prefix, host);
        Ok(Vec::new())
    }

    /// What is missing on this machine.
    fn doctor(&self, host: &Host) -> Result<Vec<Check>> {
        let _ = host;
        Ok(Vec::new())
    }
}
