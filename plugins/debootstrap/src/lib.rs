//! `ctr-forge source debootstrap`: root filesystems from Debian's and Ubuntu's packages.
//!
//! `resolve` goes from words to a lock, `build` from a lock to a root filesystem:
//!
//! | module | what it does |
//! |---|---|
//! | `options` | what the user asks for |
//! | `choose` | `resolve`: from words to a lock |
//! | `releases` | what is known of the distributions: suites, archives, keys |
//! | `repository` | where packages come from: a line or stanza of apt's, as the user writes it |
//! | `host_apt` | the host's apt configuration, which may carry the bytes |
//! | `places` | which repositories a request uses, who signs for them, who carries their bytes |
//! | `index` | from repositories to the packages that they offer |
//! | `control` | stanzas of fields: the form of Release, Packages and control files |
//! | `release`, `package` | the signed index of a repository; its packages |
//! | `version`, `relation` | versions and dependencies, as dpkg understands them |
//! | `resolve` | which packages a request needs, as apt would choose |
//! | `strata` | in which strata packages are installed |
//! | `lock` | what `resolve` hands to `build` |
//! | `archives` | the package files that a lock names, and their decompressed form |
//! | `build` | `build`: from a lock to the root filesystem |
//! | `configure` | a root in a sandbox: strata unpacked, scripts run, cleaned |
//! | `deb` | one package file, taken apart |
//! | `install` | packages into one root filesystem stream, with dpkg's database |
//! | `engine` | `--engine`: a tool of the machine installs instead |
//! | `licence` | the licences that a package names |
//!
//! What is public is so for tests and fuzzing.

mod archives;
mod build;
mod choose;
mod configure;
pub mod control;
pub mod deb;
mod engine;
pub mod host_apt;
mod index;
pub mod install;
pub mod licence;
mod lock;
mod options;
pub mod package;
mod places;
pub mod relation;
pub mod release;
pub mod releases;
pub mod repository;
pub mod resolve;
mod strata;
pub mod version;

use ctr_forge_plugin::{
    BuildTarget, Check, Host, PlanTarget, Request, Resolved, Result, Source, SourceReport,
};

use engine::Engine;
pub use options::Options;

ctr_forge_plugin::export_plugin!(debootstrap: source "debootstrap" => Debootstrap);

/// The source.
#[derive(Debug)]
pub struct Debootstrap;

impl Source for Debootstrap {
    type Options = Options;

    fn resolve(&self, request: &Request<Options>, host: &Host) -> Result<Resolved> {
        match request.options.engine {
            Engine::Native => choose::choose(request, host),
            _ => engine::resolve(request, host),
        }
    }

    fn plan(&self, request: &Request<Options, PlanTarget>, _: &Host) -> Result<SourceReport> {
        Ok(choose::plan(&lock::Lock::parse(&request.target.lock)?))
    }

    fn build(&self, request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
        match request.options.engine {
            Engine::Native => build::build(request, host),
            _ => engine::build(request, host),
        }
    }

    fn complete(&self, option: &str, prefix: &str, _: &Host) -> Result<Vec<String>> {
        let names = releases::all().iter().map(|release| release.codename.clone());
        Ok(match option {
            "suite" | "release" => names.filter(|name| name.starts_with(prefix)).collect(),
            _ => Vec::new(),
        })
    }

    fn doctor(&self, host: &Host) -> Result<Vec<Check>> {
        let native = Check { name: "native engine".into(), ok: true, hint: None };
        Ok(std::iter::once(native).chain(engine::checks(host)?).collect())
    }
}
