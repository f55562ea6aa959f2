//! What an image says of how it is run, in the words of our own outputs.

use std::collections::BTreeMap;

use ctr_forge_oci::parse_rfc3339;
use ctr_forge_plugin::{Error, ImageConfig, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::image::{Format, Image};
use crate::oci::parse;

/// The configuration of docker and OCI (image-spec `config.md`, "Properties").
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Execution {
    user: Option<String>,
    exposed_ports: Option<Map<String, Value>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<Map<String, Value>>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    config: Option<Execution>,
}

impl Image {
    /// What its manifest says of it.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        #[derive(Deserialize)]
        struct Manifest {
            #[serde(default)]
            annotations: BTreeMap<String, String>,
        }
        if self.format == Format::Aci {
            return crate::aci::annotations(&self.config);
        }
        let manifest = self.manifest.as_ref().and_then(|manifest| parse::<Manifest>(manifest, "").ok());
        manifest.map(|manifest| manifest.annotations).unwrap_or_default()
    }

    /// How it is run, without its names. What our outputs have no word for (health checks, history,
    /// isolators) is left out.
    ///
    /// # Errors
    ///
    /// If the configuration cannot be read.
    pub fn to_config(&self) -> Result<ImageConfig> {
        let created = match self.created.as_deref() {
            None => 0,
            Some(text) => parse_rfc3339(text)
                .ok_or_else(|| Error::input(format!("\"{}\" is no date", text.escape_debug())))?,
        };
        let base = ImageConfig {
            os: "linux".into(),
            arch: self.arch.clone().unwrap_or_default(),
            variant: self.variant.clone(),
            created,
            annotations: self.annotations(),
            ..ImageConfig::default()
        };
        if self.format == Format::Aci {
            return crate::aci::config(&self.config, base);
        }
        let config: Config = parse(&self.config, "the configuration")?;
        let run = config.config.unwrap_or_default();
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let keys = |map: Option<Map<String, Value>>| map.into_iter().flatten().map(|(key, _)| key).collect();
        Ok(ImageConfig {
            entrypoint: run.entrypoint,
            cmd: run.cmd,
            env: run.env.unwrap_or_default(),
            user: some(run.user),
            workdir: some(run.working_dir),
            ports: keys(run.exposed_ports),
            volumes: keys(run.volumes),
            labels: run.labels.unwrap_or_default(),
            stop_signal: some(run.stop_signal),
            ..base
        })
    }
}
