//! @NAME@: an output plugin for ctr-forge.
//!
//! It writes the image's one layer as it is: a tar of the root filesystem. An
//! image of several layers is refused, for their tars one after the other would
//! not be a tar, and merging layers is the host's business.
//!
//! Start from here: `plugin.toml` says what is written and in which form layers
//! come, the trait below does it.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use ctr_forge_plugin::{
    Destination, Error, ErrorKind, Host, LayerForm, LayerRef, Output, OutputReport, PackageTarget,
    Request, Result,
};
use serde::Deserialize;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

struct @TYPE@;

ctr_forge_plugin::export_plugin!(@IDENT@: output "@NAME@" => @TYPE@);

/// The options, as the manifest has them: none.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Options {}

impl Output for @TYPE@ {
    type Options = Options;

    fn package(
        &self,
        request: &Request<Options, PackageTarget>,
        host: &Host,
    ) -> Result<OutputReport> {
        let layer = only_layer(&request.target.layers)?;
        let Destination::File { file } = &request.target.destination else {
            return Err(Error::usage("the destination is not a file"));
        };
        host.check_cancelled()?;
        host.phase("write");
        copy(
            &host.take(layer.file)?,
            &mut host.take(*file)?,
            layer.size,
            host,
        )?;
        Ok(OutputReport {
            hints: vec!["Unpack it with \"tar -xpf {}\".".to_owned()],
            ..Default::default()
        })
    }
}

fn only_layer(layers: &[LayerRef]) -> Result<&LayerRef> {
    match layers {
        [layer] if layer.form == LayerForm::Tar => Ok(layer),
        [_] => Err(Error::usage("the layer is not a plain tar")),
        _ => {
            let message = format!(
                "a rootfs tar holds one layer, and this image has {}",
                layers.len()
            );
            Err(Error::new(ErrorKind::Unsupported, message)
                .hint("Squash the image to one layer first."))
        }
    }
}

/// Copies from offset 0: where the descriptor stands is anyone's guess.
fn copy(from: &File, to: &mut File, size: u64, host: &Host) -> Result<()> {
    let mut piece = vec![0; PIECE];
    let mut done = 0;
    while done < size {
        let wanted = piece
            .len()
            .min(usize::try_from(size - done).unwrap_or(usize::MAX));
        let length = from
            .read_at(&mut piece[..wanted], done)
            .map_err(|e| Error::io("cannot read the layer", e))?;
        if length == 0 {
            return Err(Error::input(format!(
                "the layer ends after {done} of {size} bytes"
            )));
        }
        to.write_all(&piece[..length])
            .map_err(|e| Error::io("cannot write the result", e))?;
        done += length as u64;
        host.progress(done, size, "bytes")?;
    }
    Ok(())
}
