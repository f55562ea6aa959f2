//! `ctr-forge source dnf`: root filesystems from RPM packages.
//!
//! `resolve` goes from words to a lock, `build` from a lock to a root filesystem:
//!
//! | module | what it does |
//! |---|---|
//! | `options` | what the user asks for |
//! | `choose` | `resolve`: from words to a lock |
//! | `releases` | what is known of distributions: releases, repositories, keys, architectures |
//! | `repository` | where packages come from, as `.repo` files, metalinks and mirror lists say it |
//! | `places` | which repositories a request uses, and who signs for them |
//! | `metadata` | the files of a repository: packages, files, groups, modules |
//! | `index` | from repositories to the packages that they offer |
//! | `package` | what a package says of itself |
//! | `version`, `dependency` | versions and dependencies, as rpm understands them |
//! | `resolve` | which packages a request needs, as dnf would choose |
//! | `lock` | what `resolve` hands to `build` |
//! | `archives` | the package files that a lock names, and who signed them |
//! | `rpm` | one package file, taken apart |
//! | `build` | `build`: from a lock to the root filesystem |
//! | `install` | packages into one root filesystem stream |
//! | `rpmdb`, `database` | the package database; where a build puts it |
//! | `root`, `configure` | a root in a sandbox, and what the packages' scripts do there |
//! | `clean` | what is no part of an image |
//! | `engine` | `--engine`: the machine's dnf or yum installs instead |
//!
//! What is public is so for tests and fuzzing.

mod archives;
mod build;
mod choose;
mod clean;
pub mod configure;
mod database;
pub mod dependency;
mod engine;
mod index;
pub mod install;
mod lock;
pub mod metadata;
mod options;
pub mod package;
mod places;
pub mod releases;
pub mod repository;
pub mod resolve;
mod root;
pub mod rpm;
pub mod rpmdb;
pub mod version;

use ctr_forge_plugin::{
    BuildTarget, Check, Error, Host, PlanTarget, Request, Resolved, Result, Source, SourceReport,
};
use serde_json::Value;

use engine::Engine;
pub use options::Options;

ctr_forge_plugin::export_plugin!(dnf: source "dnf" => Dnf);

/// The source.
#[derive(Debug)]
pub struct Dnf;

impl Source for Dnf {
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

    fn inside(&self, name: &str, params: Value, _: &Host) -> Result<Value> {
        match name {
            configure::run::LUA => configure::inside(params),
            clean::DATE_SHADOW => clean::date_shadow_inside(&params),
            _ => Err(Error::usage(format!("the source does nothing called \"{name}\" in a root"))),
        }
    }

    fn complete(&self, option: &str, prefix: &str, _: &Host) -> Result<Vec<String>> {
        let words = match option {
            "release" => releases::words(),
            "distro" => releases::distributions(),
            _ => Vec::new(),
        };
        Ok(words.into_iter().filter(|word| word.starts_with(prefix)).collect())
    }

    fn doctor(&self, host: &Host) -> Result<Vec<Check>> {
        let native = Check { name: "native engine".into(), ok: true, hint: None };
        Ok(std::iter::once(native).chain(engine::checks(host)?).collect())
    }
}
