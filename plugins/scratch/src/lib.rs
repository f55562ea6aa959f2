//! `ctr-forge source scratch`: files, folders and tarballs, one over the other.
//!
//! | module | what it does |
//! |---|---|
//! | `layers` | tarballs and folders, as they are |
//! | `copy` | `--copy SRC:DST:UID:GID:MODE` |
//! | `interpreter` | whether a copied program can run in what was made |
//!
//! Everything is streamed: the core merges what comes twice, the last one
//! winning, because the manifest says `duplicates = "last-wins"`.

mod copy;
mod interpreter;
mod layers;

use std::fs::File;
use std::io::{BufWriter, Write};

use ctr_forge_plugin::{BuildTarget, Error, Host, PathValue, Request, Result, Source, SourceReport};
use ctr_forge_rootfs::{Attributes, TOUCHED, Walk, Writer};
use serde::Deserialize;

use crate::copy::Copy;

ctr_forge_plugin::export_plugin!(scratch: source "scratch" => Scratch);

/// The source.
#[derive(Debug)]
pub struct Scratch;

/// As `plugin.toml` has them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// Tarballs, first of all.
    #[serde(default)]
    pub tar: Vec<PathValue>,
    /// Folders laid over the root.
    #[serde(default)]
    pub overlay: Vec<PathValue>,
    /// Files and folders with a place of their own, last of all.
    #[serde(default)]
    pub copy: Vec<PathValue>,
    /// Keep the attributes of files and folders.
    #[serde(default)]
    pub preserve: bool,
}

impl Options {
    fn walk(&self) -> Walk {
        let plain = Attributes::Plain { mtime: TOUCHED };
        Walk { attributes: if self.preserve { Attributes::Preserve } else { plain }, one_file_system: false }
    }
}

/// The stream to the host.
type Sink = Writer<BufWriter<File>>;

/// Bytes written at a time: the size of the pipe.
const BUFFER: usize = 1 << 20;

impl Source for Scratch {
    type Options = Options;

    fn build(&self, request: &Request<Options, BuildTarget>, host: &Host) -> Result<SourceReport> {
        let options = &request.options;
        if options.tar.is_empty() && options.overlay.is_empty() && options.copy.is_empty() {
            return Err(Error::usage("there is nothing to make a root filesystem from")
                .hint("Name inputs with --tar, --overlay or --copy."));
        }
        // Before anything is read: a wrong word should not cost a long wait.
        let copies = options.copy.iter().map(Copy::parse).collect::<Result<Vec<_>>>()?;
        let stream = BufWriter::with_capacity(BUFFER, host.take(request.target.rootfs)?);
        let mut sink = Writer::new(stream);
        let mut newest = None;
        for tar in &options.tar {
            newest = newest.max(layers::tarball(&mut sink, tar, host)?);
        }
        for folder in &options.overlay {
            layers::folder(&mut sink, folder, &options.walk(), host)?;
        }
        let mut interpreters = Vec::new();
        for copy in &copies {
            let interpreter = copy.write(&mut sink, options, host)?;
            interpreters.extend(interpreter.map(|interpreter| (copy.destination(), interpreter)));
        }
        // What tarballs and folders bring is not kept in mind, so of them nothing can be said.
        if options.tar.is_empty() && options.overlay.is_empty() {
            interpreter::warn_if_missing(&interpreters, &copies, host);
        }
        finish(sink)?;
        Ok(SourceReport { epoch: newest, ..SourceReport::default() })
    }
}

fn finish(sink: Sink) -> Result<()> {
    let finished = sink.finish().and_then(|mut stream| stream.flush());
    finished.map_err(|e| Error::io("cannot send the root filesystem", e))
}

/// The file behind a `path` option, and what messages call it.
fn take(value: &PathValue, host: &Host) -> Result<(File, String)> {
    let name = if value.path == "-" { "standard input".to_owned() } else { value.path.clone() };
    let file = value.file.ok_or_else(|| Error::plugin(format!("the host did not open {name}")))?;
    Ok((host.take(file)?, name))
}

#[cfg(test)]
mod tests {
    use ctr_forge_plugin::{Duplicates, Manifest};

    #[test]
    fn the_manifest_lets_later_inputs_win() {
        let manifest: Manifest = toml::from_str(include_str!("../plugin.toml")).unwrap();
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(manifest.sources[0].duplicates, Duplicates::LastWins);
    }
}
