//! The image configuration: how an image is run, and which layers it has
//! (image-spec `config.md`). Its digest is the image ID.

use std::collections::{BTreeMap, BTreeSet};

use ctr_forge_plugin::{Error, ImageConfig, LayerRef, Result};
use serde::{Serialize, Serializer};

use crate::rfc3339;

/// What a layer's history says made it. Without a version: a new release alone
/// must not change the digest of an image.
const CREATED_BY: &str = "ctr-forge";

/// The whole document. Keys come in the order in which image-spec's own Go types have them.
#[derive(Debug, Serialize)]
pub(crate) struct Config<'a> {
    created: String,
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    config: Execution<'a>,
    rootfs: RootFs<'a>,
    history: Vec<History>,
}

/// How a container of the image is run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty", serialize_with = "as_object")]
    exposed_ports: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<&'a [String]>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty", serialize_with = "as_object")]
    volumes: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct RootFs<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<&'a str>,
}

/// How a layer came to be. There must be as many entries as layers.
#[derive(Debug, Serialize)]
struct History {
    created: String,
    created_by: &'static str,
}

/// A set, as Go writes `map[string]struct{}`: an object of empty objects.
fn as_object<S: Serializer>(set: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Empty {}
    serializer.collect_map(set.iter().map(|name| (name, Empty {})))
}

impl<'a> Config<'a> {
    /// The configuration of an image with these layers, base first.
    pub(crate) fn new(image: &'a ImageConfig, layers: &'a [LayerRef]) -> Result<Self> {
        let created = rfc3339(image.created).ok_or_else(|| {
            let message =
                format!("the image's date, {} seconds since 1970, cannot be written", image.created);
            Error::input(message).hint("Set SOURCE_DATE_EPOCH to a time within the years 1 to 9999.")
        })?;
        let history = layers.iter().map(|_| History { created: created.clone(), created_by: CREATED_BY });
        Ok(Self {
            history: history.collect(),
            created,
            architecture: &image.arch,
            os: &image.os,
            variant: image.variant.as_deref(),
            config: Execution::new(image),
            rootfs: RootFs {
                kind: "layers",
                diff_ids: layers.iter().map(|layer| layer.diff_id.as_str()).collect(),
            },
        })
    }
}

impl<'a> Execution<'a> {
    fn new(image: &'a ImageConfig) -> Self {
        Self {
            user: image.user.as_deref(),
            exposed_ports: &image.ports,
            env: &image.env,
            entrypoint: image.entrypoint.as_deref(),
            cmd: image.cmd.as_deref(),
            volumes: &image.volumes,
            working_dir: image.workdir.as_deref(),
            labels: &image.labels,
            stop_signal: image.stop_signal.as_deref(),
        }
    }
}
