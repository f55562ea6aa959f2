//! The bytes of layers, on their way from the host's files into an output.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use ctr_forge_plugin::{Error, ErrorKind, FileRef, Host, LayerRef, Result};

/// Bytes copied at once: large enough for a disk, small enough to be cancelled soon.
const CHUNK: usize = 1 << 20;

/// A layer's blob, open for reading.
#[derive(Debug)]
pub struct Layer {
    /// Digest of the blob: `sha256:…`.
    pub digest: String,
    /// Size of the blob in bytes.
    pub size: u64,
    file: File,
}

impl Layer {
    /// The files of `layers` by way of `take`, each blob once however often it is used.
    pub fn take(layers: &[LayerRef], mut take: impl FnMut(FileRef) -> Result<File>) -> Result<Vec<Layer>> {
        let mut seen = HashSet::new();
        let distinct = layers.iter().filter(|layer| seen.insert(layer.digest.as_str()));
        let open = |layer: &LayerRef| {
            Ok(Layer { digest: layer.digest.clone(), size: layer.size, file: take(layer.file)? })
        };
        distinct.map(open).collect()
    }

    /// Copies the blob to `out`, calling `step` with the number of bytes after each piece.
    ///
    /// That the file has the size it should have is checked. Its digest is not:
    /// the host computed it from these very bytes, and doing so again would take
    /// longer than all else that an output does.
    pub fn copy(&self, out: &mut impl Write, step: &mut impl FnMut(u64) -> Result<()>) -> Result<()> {
        let reading = |e| Error::io(format!("cannot read layer {}", self.digest), e);
        let actual = self.file.metadata().map_err(reading)?.len();
        if actual != self.size {
            let message = format!("layer {} has {actual} bytes, not {}", self.digest, self.size);
            return Err(Error::new(ErrorKind::Internal, message));
        }
        let mut buffer = vec![0; CHUNK];
        let mut done = 0;
        while done < self.size {
            // By position: others may be reading the same open file.
            let size = (self.size - done).min(CHUNK as u64);
            let chunk = &mut buffer[..size as usize];
            self.file.read_exact_at(chunk, done).map_err(reading)?;
            out.write_all(chunk).map_err(|e| Error::io(format!("cannot write layer {}", self.digest), e))?;
            done += size;
            step(size)?;
        }
        Ok(())
    }
}

/// What [`Layer::copy`] calls: tells `host` how many of the `layers`' bytes are
/// done, and fails once the job is cancelled.
pub fn progress(host: &Host, layers: &[Layer]) -> impl FnMut(u64) -> Result<()> {
    let total = layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
    let mut done = 0;
    move |bytes| {
        done += bytes;
        host.check_cancelled()?;
        host.progress(done, total, "bytes")
    }
}

#[cfg(test)]
mod tests {
    use ctr_forge_plugin::LayerForm;

    use super::*;

    fn layer(size: u64, content: &[u8]) -> Layer {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Layer { digest: "sha256:00".into(), size, file }
    }

    #[test]
    fn copies_from_the_start_whatever_the_offset() {
        let content: Vec<u8> = (0..CHUNK * 2 + 5).map(|n| (n % 251) as u8).collect();
        let (mut out, mut steps) = (Vec::new(), Vec::new());
        let mut step = |bytes| {
            steps.push(bytes);
            Ok(())
        };
        layer(content.len() as u64, &content).copy(&mut out, &mut step).unwrap();
        assert!(out == content);
        assert_eq!(steps, [CHUNK as u64, CHUNK as u64, 5]);
    }

    #[test]
    fn a_file_of_another_size_is_no_layer() {
        for size in [2, 4] {
            let error = layer(size, b"abc").copy(&mut Vec::new(), &mut |_| Ok(())).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Internal);
        }
    }

    #[test]
    fn stops_when_told_to() {
        let cancelled = |_| Err(Error::new(ErrorKind::Cancelled, "the job was cancelled"));
        let error = layer(3, b"abc").copy(&mut Vec::new(), &mut { cancelled }).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Cancelled);
    }

    #[test]
    fn a_layer_used_twice_is_taken_once() {
        let layer = |digest: &str, fd| LayerRef {
            file: FileRef { fd },
            form: LayerForm::Tar,
            digest: digest.into(),
            size: 0,
            diff_id: digest.into(),
            diff_size: 0,
        };
        let mut taken = Vec::new();
        let layers = [layer("sha256:aa", 5), layer("sha256:bb", 6), layer("sha256:aa", 5)];
        Layer::take(&layers, |file| {
            taken.push(file.fd);
            Ok(tempfile::tempfile().unwrap())
        })
        .unwrap();
        assert_eq!(taken, [5, 6]);
    }
}
