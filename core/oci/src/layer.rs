//! The bytes of layers, on their way from the host's files into an output.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use ctr_forge_plugin::{Error, ErrorKind, FileRef, Host, LayerRef, Result};
use rustix::fs::{AtFlags, CWD, linkat};

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

    /// Gives the blob itself the name `name` in `directory`; whether that could be done.
    ///
    /// It can where the host made the file for it: unnamed, in the same file
    /// system, of this user. Elsewhere [`copy`](Self::copy) does the same.
    pub fn link(&self, directory: impl AsFd, name: &str) -> Result<bool> {
        self.check_size()?;
        // The way of open(2), under O_TMPFILE, for those without CAP_DAC_READ_SEARCH.
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(linkat(CWD, path, directory, name, AtFlags::SYMLINK_FOLLOW).is_ok())
    }

    /// Copies the blob to `out`, calling `step` with the number of bytes after each piece.
    ///
    /// That the file has the size it should have is checked. Its digest is not:
    /// the host computed it from these very bytes, and doing so again would take
    /// longer than all else that an output does.
    pub fn copy(&self, out: &mut impl Write, step: &mut impl FnMut(u64) -> Result<()>) -> Result<()> {
        self.check_size()?;
        let reading = |e| Error::io(format!("cannot read layer {}", self.digest), e);
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

    fn check_size(&self) -> Result<()> {
        let metadata = self.file.metadata();
        let actual = metadata.map_err(|e| Error::io(format!("cannot read layer {}", self.digest), e))?.len();
        if actual != self.size {
            let message = format!("layer {} has {actual} bytes, not {}", self.digest, self.size);
            return Err(Error::new(ErrorKind::Internal, message));
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
    use rustix::fs::{Mode, OFlags, openat};

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
            let error = layer(size, b"abc").link(CWD, "never").unwrap_err();
            assert_eq!(error.kind, ErrorKind::Internal);
        }
    }

    #[test]
    fn a_file_that_never_had_a_name_can_be_the_blob() {
        let directory = tempfile::tempdir().unwrap();
        let place = std::fs::File::open(directory.path()).unwrap();
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        // Not every file system has such files.
        let Ok(file) = openat(&place, ".", flags, Mode::from_raw_mode(0o644)) else { return };
        let layer = Layer { digest: "sha256:00".into(), size: 3, file: file.into() };
        layer.file.write_all_at(b"abc", 0).unwrap();
        assert!(layer.link(&place, "blob").unwrap());
        assert_eq!(std::fs::read(directory.path().join("blob")).unwrap(), b"abc");
        assert!(!layer.link(&place, "blob").unwrap(), "nothing is written over");
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
