//! `docker import`: a root filesystem alone, and the command that says the rest.
//!
//! What the archive cannot hold goes into `--change`, whose values are lines of a Dockerfile. Docker
//! reads them with quotes, escapes and variables (Dockerfile reference, "Escape", "Environment
//! replacement"); podman takes them as they are but for quotes around the whole. So there are quotes
//! and escapes only where a value needs them.

use std::fs::File;

use ctr_forge_oci::Layer;
use ctr_forge_plugin::{Error, ErrorKind, ImageConfig, Result};
use serde_json::json;

/// Writes the one layer as it is; all readers of archives decompress.
pub(crate) fn write(mut out: File, layers: &[Layer], step: &mut impl FnMut(u64) -> Result<()>) -> Result<()> {
    let [layer] = layers else {
        return Err(Error::plugin("an import has one tree, and several layers came"));
    };
    layer.copy(&mut out, step)
}

/// `docker import --change … {} NAME:TAG`, for a shell.
pub(crate) fn command(image: &ImageConfig) -> Result<String> {
    let mut words = vec!["docker import".to_owned()];
    if !is_this_machine(&image.arch) {
        let variant = image.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
        words.push(format!("--platform {}/{}{variant}", image.os, image.arch));
    }
    words.extend(changes(image)?.iter().map(|change| format!("--change {}", quoted(change))));
    words.push("{}".to_owned());
    words.extend(image.tags.first().map(|tag| format!("{}:{}", tag.name, tag.tag)));
    Ok(words.join(" "))
}

fn changes(image: &ImageConfig) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    // Before the arguments: a new program makes docker forget those that there are.
    lines.extend(image.entrypoint.iter().map(|words| format!("ENTRYPOINT {}", json!(words))));
    lines.extend(image.cmd.iter().map(|words| format!("CMD {}", json!(words))));
    for variable in &image.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        lines.push(format!("ENV {}={}", name, word(value)));
    }
    lines.extend(image.user.iter().map(|user| format!("USER {}", bare(user))));
    lines.extend(image.workdir.iter().map(|path| format!("WORKDIR {}", bare(path))));
    lines.extend(image.ports.iter().map(|port| format!("EXPOSE {port}")));
    lines.extend(image.volumes.iter().map(|path| format!("VOLUME {}", json!([bare(path)]))));
    for (name, value) in &image.labels {
        lines.push(format!("LABEL {}={}", word(name), word(value)));
    }
    match lines.iter().find(|line| line.contains(['\n', '\r'])) {
        None => Ok(lines),
        Some(line) => {
            let name = line.split(['=', ' ']).take(2).collect::<Vec<_>>().join(" ");
            let message = format!("docker import takes no line break, and {name} has one");
            Err(Error::new(ErrorKind::Unsupported, message)
                .hint("An archive for docker load can have it: leave out --import."))
        }
    }
}

/// A value of a Dockerfile.
fn word(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,=+@%~^{}[]()<>|;*?!&".contains(c);
    match value.chars().all(plain) && !value.is_empty() {
        true => value.to_owned(),
        false => format!("\"{}\"", bare(value).replace('"', "\\\"")),
    }
}

/// The same where it cannot stand in quotes.
fn bare(value: &str) -> String {
    value.replace('\\', "\\\\").replace('$', "\\$")
}

/// A word for a shell, and without what stands for the path in a hint.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''").replace("{}", "{''}"))
}

/// Whether docker on such a machine takes the architecture for granted.
fn is_this_machine(arch: &str) -> bool {
    let own = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    own == arch
}

#[cfg(test)]
mod tests {
    use ctr_forge_plugin::ImageName;

    use super::*;

    #[test]
    fn everything_is_said() {
        let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let image = ImageConfig {
            os: "linux".into(),
            arch: "s390x".into(),
            entrypoint: Some(list(&["/bin/sh", "-c"])),
            cmd: Some(list(&["it's {}"])),
            env: list(&["A=1", "B=two words", "C=$HOME \"x\\y\"", "D="]),
            user: Some("1:2".into()),
            workdir: Some("/w".into()),
            ports: ["80/tcp".to_owned()].into(),
            volumes: ["/v".to_owned()].into(),
            labels: [("k".to_owned(), "v".to_owned())].into(),
            stop_signal: Some("SIGINT".into()),
            tags: vec![ImageName { name: "a".into(), tag: "1".into(), full: "x/a:1".into() }],
            ..ImageConfig::default()
        };
        let expected = [
            r#"docker import --platform linux/s390x --change 'ENTRYPOINT ["/bin/sh","-c"]'"#,
            r#"--change 'CMD ["it'\''s {''}"]' --change 'ENV A=1' --change 'ENV B="two words"'"#,
            r#"--change 'ENV C="\$HOME \"x\\y\""' --change 'ENV D=""' --change 'USER 1:2'"#,
            r#"--change 'WORKDIR /w' --change 'EXPOSE 80/tcp' --change 'VOLUME ["/v"]'"#,
            r#"--change 'LABEL k=v' {} a:1"#,
        ];
        assert_eq!(command(&image).unwrap(), expected.join(" "));
        let broken = ImageConfig { env: list(&["A=1\n2"]), ..ImageConfig::default() };
        let error = command(&broken).unwrap_err();
        assert!(error.message.contains("ENV A has one"), "{error}");
    }
}
