//! `kept`, `kept.draft` and `kept.store`: what a plugin has made at some cost, for its next job.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use ctr_forge_fetch::{Draft, FetchError};
use ctr_forge_plugin::message::{self, FileAnswer, KeepDraft, KeptName, service};
use ctr_forge_plugin::{Error, Result};
use ctr_forge_rootfs::Digest;
use serde_json::Value;

use super::fetch::failed;
use super::{Answer, decode, encode};
use crate::discovery::{Code, Plugin};
use crate::{Attachments, Forge};

/// Drafts that a job can have at once.
const MAX_DRAFTS: usize = 1024;

/// What one job keeps.
#[derive(Debug)]
pub(super) struct Kept {
    /// Whose names these are.
    maker: Digest,
    drafts: BTreeMap<u32, Draft>,
    next: u32,
}

impl Kept {
    pub(super) fn new(plugin: &Plugin) -> Self {
        Self { maker: maker(plugin), drafts: BTreeMap::new(), next: 1 }
    }

    /// What was kept under a name.
    pub(super) fn find(
        &self,
        forge: &Forge,
        params: Value,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Answer> {
        let params: KeptName = decode(service::KEPT, params)?;
        let file = forge.fetcher.kept(&self.name(&params.name), checked(forge));
        check()?;
        let mut files = Attachments::new();
        let file = file.map_err(|e| failed("what was kept", &e))?;
        encode(file.map(|file| FileAnswer { file: files.add(file) }), files)
    }

    /// A file for something to be kept.
    pub(super) fn draft(&mut self, forge: &Forge) -> Result<Answer> {
        if self.drafts.len() >= MAX_DRAFTS {
            return Err(Error::usage(format!("a job can make {MAX_DRAFTS} things to be kept at once")));
        }
        let mut files = Attachments::new();
        let draft = forge.fetcher.draft().map_err(|e| failed("a file to keep", &e))?;
        let Some(draft) = draft else { return encode(None::<message::Draft>, files) };
        let file = draft.file().try_clone().map_err(|e| Error::io("cannot pass a file on", e))?;
        let answer = message::Draft { draft: self.next, file: files.add(file) };
        self.drafts.insert(self.next, draft);
        self.next += 1;
        encode(answer, files)
    }

    /// Keeps a draft.
    pub(super) fn store(
        &mut self,
        forge: &Forge,
        params: Value,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Answer> {
        let params: KeepDraft = decode(service::KEPT_STORE, params)?;
        let draft = self.drafts.remove(&params.draft);
        let draft = draft.ok_or_else(|| Error::usage("there is no such draft"))?;
        let stored = forge.fetcher.keep(&self.name(&params.name), draft, checked(forge));
        check()?;
        stored.map_err(|e| failed("a file to keep", &e))?;
        encode((), Attachments::new())
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.maker.hex())
    }
}

/// Stops at the user's wish.
fn checked(forge: &Forge) -> impl Fn() -> std::result::Result<(), FetchError> {
    let cancel = &forge.cancel;
    move || match cancel.times() {
        0 => Ok(()),
        _ => Err(FetchError::Cancelled { name: "a file in the cache".into() }),
    }
}

/// Names one build of a plugin. Another build of the same version may make other things, as
/// whoever works on a plugin will be glad of.
fn maker(plugin: &Plugin) -> Digest {
    let file = match &plugin.code {
        Code::Library(file) | Code::Executable(file) => file.metadata(),
        Code::Bundled(_) => File::open("/proc/self/exe").and_then(|file| file.metadata()),
    };
    let state = file.map(|state| (state.dev(), state.ino(), state.size(), state.mtime(), state.mtime_nsec()));
    Digest::of(format!("{:?} {}", state.ok(), plugin.manifest_bytes.escape_ascii()).as_bytes())
}
