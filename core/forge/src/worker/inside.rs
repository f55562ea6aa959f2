//! A plugin's own method in the root of a build: loaded in the sandbox process's copy, called when
//! that has entered the root.

use std::io::{self, Write};
use std::os::fd::OwnedFd;

use ctr_forge_plugin::message::method;
use ctr_forge_plugin::sandbox::RunParams;
use ctr_forge_plugin::{Error, ErrorKind, Event, Result, invoke_alone};
use ctr_forge_sandbox::{Loader, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CodeKind, child};
use crate::discovery::{Bundled, Code, Plugin};

/// Whose method it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Inside {
    code: CodeKind,
    name: String,
    manifest: String,
}

impl Inside {
    /// The code of a plugin, and its file where it has one.
    ///
    /// # Errors
    ///
    /// If it is a program: that would have to be in the root itself.
    pub(crate) fn of(plugin: &Plugin) -> Result<(Value, Option<OwnedFd>)> {
        let (code, file) = match &plugin.code {
            Code::Library(file) => (CodeKind::Library, Some(file)),
            Code::Bundled(_) => (CodeKind::Bundled, None),
            Code::Executable(_) => {
                let message = "a plugin that is a program cannot be called in a root: only a library can";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let manifest = String::from_utf8_lossy(&plugin.manifest_bytes).into_owned();
        let inside = Self { code, name: plugin.manifest.name.clone(), manifest };
        let inside = serde_json::to_value(inside);
        let inside =
            inside.map_err(|e| Error::new(ErrorKind::Internal, "cannot name a plugin").because(&e))?;
        let file = file.map(|file| file.try_clone().map(OwnedFd::from)).transpose();
        Ok((inside, file.map_err(|e| Error::io("cannot pass a plugin on", e))?))
    }
}

/// Loads plugins for the sandbox process.
#[derive(Debug, Clone, Copy)]
pub struct PluginLoader {
    /// The plugins linked into this binary.
    pub bundled: &'static [Bundled],
}

impl Loader for PluginLoader {
    fn load(&self, params: &RunParams, code: &Value, files: &[OwnedFd]) -> Result<Method> {
        let wrong = |e: &serde_json::Error| {
            Error::new(ErrorKind::Internal, "a call in a root is not understood").because(e)
        };
        let inside = Inside::deserialize(code).map_err(|e| wrong(&e))?;
        let request = serde_json::to_value(&params.inside).map_err(|e| wrong(&e))?;
        let table = child::load(inside.code, &inside.name, &inside.manifest, files.last(), self.bundled)?;
        // SAFETY: the table is that of a library that is never unloaded, or of this binary.
        Ok(Box::new(move || unsafe { invoke_alone(table, method::INSIDE, &request, &mut tell) }))
    }
}

/// What a plugin reports becomes part of what is printed in the root.
fn tell(event: &[u8]) {
    let line = match serde_json::from_slice(event) {
        Ok(Event::Log { message, .. } | Event::Warning { message, .. } | Event::Panic { message, .. }) => {
            message
        }
        _ => return,
    };
    // Nobody is left to tell if that fails.
    let _ = writeln!(io::stderr(), "{line}");
}
