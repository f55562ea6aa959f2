//! Where a result is made, until all of it is there.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use ctr_forge_plugin::{Component, Destination, Error, OutputReport, Result, Writes};
use ctr_forge_rootfs::{Attributes, Duplicates, Walk, Writer};
use tempfile::TempDir;

use super::super::{Cancellable, because, empty_tree, place_in_passing, temporary_file, unless_cancelled};
use crate::destination::{StagedDirectory, StagedFile};
use crate::{Attachments, Forge};

/// Where the result is made, until it is published.
pub(in crate::ops) struct Place {
    made: Made,
    /// Where it goes from there, of a directory that becomes one file.
    packed: Option<Packed>,
}

enum Made {
    File(StagedFile),
    Directory(StagedDirectory),
    /// A temporary file that is copied to standard output at the end.
    Stdout(File),
}

/// A directory's way into one file.
struct Packed {
    target: Made,
    /// The directory, which goes with this.
    passing: TempDir,
}

/// The directory in its temporary place.
const PASSING: &str = "image";

impl Place {
    pub(in crate::ops) fn new(forge: &Forge, component: &Component, target: &Path) -> Result<Self> {
        let stdout = target.as_os_str() == "-";
        let whole = |made| Ok(Self { made, packed: None });
        match component.writes {
            Writes::Directory if component.archive && is_archive(target) => {
                let passing = place_in_passing(forge)?;
                let made = Made::Directory(StagedDirectory::new(&passing.path().join(PASSING))?);
                let packed = Packed { target: Made::file(forge, target)?, passing };
                Ok(Self { made, packed: Some(packed) })
            }
            Writes::Directory if stdout => Err(Error::usage(format!(
                "\"{}\" writes a directory, which cannot go to standard output",
                component.id
            ))
            .hint("Name a directory with -o.")),
            Writes::Directory => whole(Made::Directory(StagedDirectory::new(target)?)),
            Writes::File => whole(Made::file(forge, target)?),
        }
    }

    pub(super) fn attach(&self, forge: &Forge, files: &mut Attachments) -> Result<Destination> {
        let mut waiting = || {
            forge.reporter.phase("Waiting for another process that writes there");
            forge.cancel.check()
        };
        Ok(match &self.made {
            Made::File(staged) => Destination::File { file: files.add(again(staged.file())?) },
            Made::Stdout(file) => Destination::File { file: files.add(again(file)?) },
            Made::Directory(staged) => Destination::Directory {
                directory: files.add(staged.open()?),
                existing: staged.existing(&mut waiting)?.map(|existing| files.add(existing)),
                archive: self.packed.is_some(),
            },
        })
    }

    /// A file for a layer. An output that writes a directory can have it there without a copy.
    pub(in crate::ops) fn layer_file(&self, forge: &Forge) -> Result<File> {
        if let Made::Directory(staged) = &self.made
            && let Some(file) = staged.unnamed_file()
        {
            return Ok(file);
        }
        temporary_file(forge)
    }

    /// Brings all to its final name. The members of an archive are dated `date`.
    pub(super) fn publish(self, forge: &Forge, report: &OutputReport, date: i64) -> Result<()> {
        self.made.publish(report)?;
        let Some(Packed { target, passing }) = self.packed else { return Ok(()) };
        forge.reporter.phase("Writing the archive");
        let file = match &target {
            Made::File(staged) => again(staged.file())?,
            Made::Stdout(file) => again(file)?,
            Made::Directory(_) => return Ok(()),
        };
        pack(forge, &passing.path().join(PASSING), file, date)?;
        target.publish(report)
    }
}

impl Made {
    fn file(forge: &Forge, target: &Path) -> Result<Self> {
        match target.as_os_str() == "-" {
            true => temporary_file(forge).map(Self::Stdout),
            false => StagedFile::new(target).map(Self::File),
        }
    }

    fn publish(self, report: &OutputReport) -> Result<()> {
        match self {
            Self::File(staged) => staged.publish(),
            Self::Directory(staged) => staged.publish(&report.files),
            Self::Stdout(mut file) => {
                let mut stdout = io::stdout().lock();
                file.rewind()
                    .and_then(|()| io::copy(&mut file, &mut stdout))
                    .and_then(|_| stdout.flush())
                    .map_err(|e| Error::io("cannot write to standard output", e))
            }
        }
    }
}

/// Whether the user means one file: by its name, or because standard output is one. What is a
/// directory already stays one.
fn is_archive(target: &Path) -> bool {
    let named = target.extension().is_some_and(|extension| extension == "tar") && !target.is_dir();
    named || target.as_os_str() == "-"
}

fn again(file: &File) -> Result<File> {
    file.try_clone().map_err(|e| Error::io("cannot pass a file on", e))
}

/// Writes a directory as a tar that says nothing of this machine.
fn pack(forge: &Forge, directory: &Path, file: File, date: i64) -> Result<()> {
    const WHAT: &str = "cannot write the archive";
    let failed = |e: &(dyn std::error::Error + 'static)| unless_cancelled(forge, because(WHAT, e));
    let mut tree = empty_tree(forge, Duplicates::Refuse)?;
    let walk = Walk { attributes: Attributes::Plain { mtime: date }, one_file_system: false };
    tree.read_directory(directory, &walk, &mut || forge.cancel.times() == 0).map_err(|e| failed(&e))?;
    tree.normalise(date).map_err(|e| failed(&e))?;
    let sink = BufWriter::with_capacity(1 << 20, Cancellable::new(file, &forge.cancel));
    let mut writer = Writer::new(sink);
    tree.write_to(&mut writer).map_err(|e| failed(&e))?;
    writer.finish().and_then(|mut sink| sink.flush()).map_err(|e| failed(&e))
}
