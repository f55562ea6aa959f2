//! gpg and its agent: they sign, so that secret keys stay where they are.
//!
//! | module | what it does |
//! |---|---|
//! | `agent` | signatures of a digest alone, without OpenPGP around them |
//! | `sexp` | the notation in which the agent answers |

mod agent;
mod sexp;

use std::process::{Command, Stdio};

use ctr_forge_plugin::{Error, ErrorKind, Result};

pub(crate) use agent::{Agent, PublicKey};

use crate::Forge;

/// What gpg makes of its standard input with these words.
pub(crate) fn sign(forge: &Forge, key: &str, words: &[&str], input: Stdio) -> Result<Vec<u8>> {
    check_name(key)?;
    let output = command(forge)
        .args(["--batch", "--no-tty", "--local-user", key])
        .args(words)
        .stdin(input)
        .output()
        .map_err(missing)?;
    if output.status.success() && !output.stdout.is_empty() {
        return Ok(output.stdout);
    }
    let mut error = Error::new(
        ErrorKind::ToolFailed,
        format!("gpg does not sign with the key \"{}\"", key.escape_debug()),
    );
    error.causes = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
    Err(error.hint("gpg --list-secret-keys lists those that there are.").option("sign-key"))
}

/// Refuses what gpg would take for an option, or for any key that there is.
fn check_name(key: &str) -> Result<()> {
    match key.starts_with('-') || key.trim().is_empty() {
        true => Err(Error::usage("a key is named by its fingerprint or address").option("sign-key")),
        false => Ok(()),
    }
}

/// A public key, in armor.
pub(crate) fn export(forge: &Forge, key: &str) -> Result<Vec<u8>> {
    let mut gpg = command(forge);
    let output =
        gpg.args(["--batch", "--no-tty", "--armor", "--export", "--", key]).output().map_err(missing)?;
    match output.status.success() && !output.stdout.is_empty() {
        true => Ok(output.stdout),
        false => {
            let message = format!("gpg does not give out the key \"{}\"", key.escape_debug());
            Err(Error::new(ErrorKind::ToolFailed, message))
        }
    }
}

/// The public-key algorithm of a key, by its number (RFC 9580, section 9.1).
pub(crate) fn algorithm(forge: &Forge, key: &str) -> Option<String> {
    let output = command(forge).args(["--with-colons", "--list-keys", "--", key]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().find(|line| line.starts_with("pub:"))?;
    line.split(':').nth(3).map(str::to_owned)
}

fn command(forge: &Forge) -> Command {
    let mut command = Command::new("gpg");
    command.env_clear().envs(forge.gpg_env.iter().cloned()).stdin(Stdio::null());
    command
}

fn missing(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(ErrorKind::MissingTool, "gpg is not installed, which keeps the secret keys")
                .hint("Install GnuPG (package gnupg or gpg).")
        }
        _ => Error::io("cannot run gpg", error),
    }
}
