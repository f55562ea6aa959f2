//! Who one is at a registry: `containers-auth.json(5)`, docker's `config.json`, and the
//! credential helpers that they name.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ctr_forge_plugin::{Error, ErrorKind, Result};
use serde::Deserialize;

/// Largest auth file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Who one is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Password {
        user: String,
        password: String,
    },
    /// A token for which the token server gives others (distribution's `oauth.md`).
    Identity(String),
}

/// Secrets stay out.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user()).finish_non_exhaustive()
    }
}

/// By which docker's credential helpers tell an identity token from a password.
const IDENTITY: &str = "<token>";

impl Login {
    fn new(user: String, secret: String) -> Self {
        if user == IDENTITY { Self::Identity(secret) } else { Self::Password { user, password: secret } }
    }

    /// The name, where there is one.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Password { user, .. } => Some(user),
            Self::Identity(_) => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthFile {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    identitytoken: Option<String>,
}

/// What the first of `files` that knows the registry says; in none, nobody.
pub(crate) fn find(files: &[PathBuf], registry: &str, repository: &str) -> Result<Option<Login>> {
    for path in files {
        let bad = |e: &(dyn std::error::Error + 'static)| {
            Error::new(ErrorKind::Config, format!("cannot read {}, which names logins", path.display()))
                .because(e)
        };
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(bad(&e)),
        };
        if !metadata.is_file() || metadata.len() > MAX_FILE {
            return Err(bad(&std::io::Error::other("it is no file of at most 1 MiB")));
        }
        let text = fs::read(path).map_err(|e| bad(&e))?;
        let file: AuthFile = serde_json::from_slice(&text).map_err(|e| bad(&e))?;
        if let Some(login) = in_file(&file, registry, repository)? {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

fn in_file(file: &AuthFile, registry: &str, repository: &str) -> Result<Option<Login>> {
    if let Some(helper) = file.cred_helpers.get(registry) {
        return ask(helper, registry);
    }
    let keys = keys(registry, repository);
    for key in &keys {
        let entry = file.auths.iter().find(|(name, _)| normal(name) == *key).map(|(_, auth)| auth);
        let token = entry.and_then(|auth| auth.identitytoken.clone()).filter(|token| !token.is_empty());
        if let Some(token) = token {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(text) = entry.and_then(|auth| auth.auth.as_deref()).filter(|text| !text.is_empty()) {
            return decode(text, registry).map(Some);
        }
    }
    match &file.creds_store {
        Some(helper) => ask(helper, registry),
        None => Ok(None),
    }
}

/// Under which names a login may be noted, the closest first.
fn keys(registry: &str, repository: &str) -> Vec<String> {
    let whole = format!("{registry}/{repository}");
    let ends: Vec<usize> = whole.match_indices('/').map(|(at, _)| at).collect();
    let parents = ends.iter().rev().map(|&end| whole[..end].to_owned());
    std::iter::once(whole.clone()).chain(parents).collect()
}

/// docker notes its own registry as a URL, and old tools all of them.
fn normal(name: &str) -> String {
    let name = name.trim_start_matches("https://").trim_start_matches("http://");
    if name.starts_with("index.docker.io") {
        return "docker.io".to_owned();
    }
    name.trim_end_matches('/').trim_end_matches("/v2").trim_end_matches("/v1").to_owned()
}

fn decode(text: &str, registry: &str) -> Result<Login> {
    let bad = || Error::new(ErrorKind::Config, format!("the login noted for {registry} cannot be read"));
    let bytes = STANDARD.decode(text).map_err(|e| bad().because(&e))?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    let (user, password) = text.split_once(':').ok_or_else(bad)?;
    // docker pads with zero bytes.
    Ok(Login::new(user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// Asks `docker-credential-HELPER` (docker's `docker-credential-helpers`).
fn ask(helper: &str, registry: &str) -> Result<Option<Login>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let program = format!("docker-credential-{helper}");
    let failed = |e: &(dyn std::error::Error + 'static)| {
        Error::new(ErrorKind::ToolFailed, format!("{program} cannot say who one is at {registry}")).because(e)
    };
    if helper.is_empty() || helper.contains('/') {
        return Err(Error::new(ErrorKind::Config, "an auth file names a credential helper with a path"));
    }
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed(&e))?;
    if let Some(mut stdin) = child.stdin.take() {
        let url = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
        stdin.write_all(url.as_bytes()).map_err(|e| failed(&e))?;
    }
    let output = child.wait_with_output().map_err(|e| failed(&e))?;
    if !output.status.success() {
        // The one way that helpers have to say that they know nobody.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        return match text.contains("credentials not found") {
            true => Ok(None),
            false => Err(failed(&std::io::Error::other(text.trim().to_owned()))),
        };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|e| failed(&e))?;
    Ok(Some(Login::new(answer.username, answer.secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(json: &str, registry: &str, repository: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), json).unwrap();
        let missing = PathBuf::from("/nonexistent/auth.json");
        let login = find(&[missing, file.path().to_owned()], registry, repository).unwrap()?;
        Some(match login {
            Login::Password { user, password } => format!("{user}:{password}"),
            Login::Identity(token) => format!("token {token}"),
        })
    }

    #[test]
    fn the_closest_name_counts() {
        // Base64 of "a:1", "b:2", "c:x:y".
        let json = r#"{"auths":{"r.example":{"auth":"YTox"},"r.example/team":{"auth":"Yjoy"},
            "https://index.docker.io/v1/":{"auth":"Yzp4Onk="},"empty.example":{},
            "token.example":{"auth":"YTox","identitytoken":"xyz"}}}"#;
        assert_eq!(find_in(json, "r.example", "team/app").as_deref(), Some("b:2"));
        assert_eq!(find_in(json, "r.example", "teams/app").as_deref(), Some("a:1"));
        assert_eq!(find_in(json, "docker.io", "library/x").as_deref(), Some("c:x:y"));
        assert_eq!(find_in(json, "token.example", "x").as_deref(), Some("token xyz"));
        assert_eq!(find_in(json, "other.example", "x"), None);
        assert_eq!(find_in(json, "empty.example", "x"), None);
    }

    #[test]
    fn a_broken_file_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["{", r#"{"auths":{"r":{"auth":"%%"}}}"#, r#"{"auths":{"r":{"auth":"YWI="}}}"#] {
            fs::write(file.path(), text).unwrap();
            assert!(find(&[file.path().to_owned()], "r", "x").is_err(), "{text}");
        }
    }
}
