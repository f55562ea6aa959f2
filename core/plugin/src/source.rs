//! The trait of plugins that make root filesystems.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{BuildTarget, Check, Error, Host, PlanTarget, Request, Resolved, Result, SourceReport};

/// Makes a root filesystem.
///
/// The command line `ctr-forge source ID` is [`resolve`](Source::resolve), then
/// [`build`](Source::build) from what it returned.
pub trait Source: Sync {
    /// The component's options. Derive `Deserialize` with
    /// `#[serde(rename_all = "kebab-case", deny_unknown_fields)]`, so that an
    /// option missing here but not in the manifest is noticed.
    type Options: DeserializeOwned;

    /// Decides what goes into the root filesystem, without making it: what is
    /// returned pins everything that decides the result.
    fn resolve(&self, request: &Request<Self::Options>, host: &Host) -> Result<Resolved> {
        let _ = (request, host);
        Ok(Resolved::default())
    }

    /// What a build from `request.target.lock` would report, as far as it is known: `--dry-run`
    /// shows it. The lock may be the user's file.
    fn plan(&self, request: &Request<Self::Options, PlanTarget>, host: &Host) -> Result<SourceReport> {
        let _ = (request, host);
        Ok(SourceReport::default())
    }

    /// Writes the root filesystem to `request.target.rootfs` as a PAX tar stream
    /// with its end marker. The stream must come out the same for the same
    /// options and lock, whatever the machine, user, clock or thread count.
    fn build(&self, request: &Request<Self::Options, BuildTarget>, host: &Host) -> Result<SourceReport>;

    /// Called in the root of a build, by [`Rootfs::run_inside`](crate::Rootfs::run_inside) of
    /// [`build`](Source::build): `/` is the root, and `host` has no services.
    fn inside(&self, name: &str, params: Value, host: &Host) -> Result<Value> {
        let _ = (params, host);
        Err(Error::usage(format!("the source does nothing called \"{name}\" in a root")))
    }

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
