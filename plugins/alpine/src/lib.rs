//! `ctr-forge source alpine`: root filesystems from Alpine's packages.
//!
//! `resolve` goes from words to a lock, `build` from a lock to a root filesystem:
//!
//! | module | what it does |
//! |---|---|
//! | `options` | what the user asks for |
//! | `choose` | `resolve`: from words to a lock |
//! | `releases` | what is known of Alpine: releases, architectures, keys |
//! | `repository` | where packages come from, as the user writes it |
//! | `places` | which repositories a request uses, and who signs for them |
//! | `index` | from repositories to the packages that they offer |
//! | `members`, `signature` | the gzip members of indexes and packages, and who has signed them |
//! | `package` | what a package says of itself |
//! | `version`, `dependency` | versions and dependencies, as apk understands them |
//! | `resolve` | which packages a request needs, as apk would choose |
//! | `lock` | what `resolve` hands to `build` |
//! | `archives` | the package files that a lock names |
//! | `apk` | one package file, taken apart |
//! | `build` | `build`: from a lock to the root filesystem |
//! | `install` | packages into one root filesystem stream, with apk's database |
//! | `configure` | what the packages' scripts do: modelled, or run in a sandbox |
//! | `engine` | `--engine`: the machine's apk installs instead |
//!
//! What is public is so for tests and fuzzing.

pub mod apk;
mod archives;
mod build;
mod choose;
mod configure;
pub mod dependency;
mod engine;
mod index;
pub mod install;
mod lock;
pub mod members;
mod options;
pub mod package;
mod places;
pub mod releases;
pub mod repository;
pub mod resolve;
pub mod signature;
pub mod version;

use ctr_forge_plugin::{
    BuildTarget, Check, Host, PlanTarget, Request, Resolved, Result, Source, SourceReport,
};

use engine::Engine;
pub use options::Options;

ctr_forge_plugin::export_plugin!(alpine: source "alpine" => Alpine);

/// The source.
#[derive(Debug)]
pub struct Alpine;

impl Source for Alpine {
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
        let names = releases::all().iter().cloned().chain(["edge".into(), "latest-stable".into()]);
        Ok(match option {
            "release" => names.filter(|name| name.starts_with(prefix)).collect(),
            _ => Vec::new(),
        })
    }

    fn doctor(&self, host: &Host) -> Result<Vec<Check>> {
        let native = Check { name: "native engine".into(), ok: true, hint: None };
        Ok(std::iter::once(native).chain(engine::checks(host)?).collect())
    }
}
