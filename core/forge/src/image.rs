//! How an image is run and named: the words of the command line, checked.

use std::collections::BTreeMap;

use ctr_forge_plugin::{Error, ImageConfig, ImageName, Result};

/// What the command line says of an image, unchecked.
#[derive(Debug, Clone, Default)]
pub struct ImageWords {
    /// A JSON array of strings, or one program without arguments.
    pub entrypoint: Option<String>,
    /// A JSON array of strings, or one word.
    pub cmd: Option<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// `USER[:GROUP]`.
    pub user: Option<String>,
    /// An absolute path.
    pub workdir: Option<String>,
    /// `PORT[/tcp|udp|sctp]`.
    pub ports: Vec<String>,
    /// Absolute paths.
    pub volumes: Vec<String>,
    /// `NAME=VALUE`.
    pub labels: Vec<String>,
    /// `NAME=VALUE`.
    pub annotations: Vec<String>,
    /// `SIGTERM` or a number.
    pub stop_signal: Option<String>,
    /// `NAME[:TAG]`.
    pub tags: Vec<String>,
}

impl ImageWords {
    /// Checks the words. `arch` is OCI's name of an architecture, or the name that `uname` or a
    /// distribution uses; without one it is this machine's. `created` is in seconds since 1970.
    pub fn check(&self, arch: Option<&str>, created: i64) -> Result<ImageConfig> {
        let (arch, variant) = match arch {
            Some(arch) => parse_arch(arch)?,
            None => host_arch(),
        };
        Ok(ImageConfig {
            os: "linux".into(),
            arch,
            variant,
            created,
            entrypoint: self.entrypoint.as_deref().map(|word| command("entrypoint", word)).transpose()?,
            cmd: self.cmd.as_deref().map(|word| command("cmd", word)).transpose()?,
            env: environment(&self.env)?,
            user: self.user.as_deref().map(user).transpose()?,
            workdir: self.workdir.as_deref().map(|path| absolute("workdir", path)).transpose()?,
            ports: self.ports.iter().map(|port| parse_port(port)).collect::<Result<_>>()?,
            volumes: self.volumes.iter().map(|path| absolute("volume", path)).collect::<Result<_>>()?,
            labels: pairs("label", &self.labels)?,
            annotations: pairs("annotation", &self.annotations)?,
            stop_signal: self.stop_signal.as_deref().map(signal).transpose()?,
            tags: self.tags.iter().map(|tag| parse_name(tag)).collect::<Result<_>>()?,
        })
    }
}

fn wrong(option: &str, word: &str, reason: &str) -> Error {
    Error::usage(format!("\"{}\" does not fit --{option}: {reason}", word.escape_debug())).option(option)
}

fn command(option: &str, word: &str) -> Result<Vec<String>> {
    if word.trim_start().starts_with('[') {
        let words: Vec<String> = serde_json::from_str(word).map_err(|e| {
            wrong(option, word, "expected a JSON array of strings")
                .because(&e)
                .hint("Quote it for the shell: '[\"/bin/sh\", \"-c\", \"true\"]'")
        })?;
        return match words.iter().any(|word| word.contains('\0')) {
            true => Err(wrong(option, word, "a word cannot contain NUL")),
            false => Ok(words),
        };
    }
    if word.is_empty() || word.contains(char::is_whitespace) {
        let error = wrong(option, word, "a program with arguments is written as a JSON array");
        let words: Vec<_> = word.split_whitespace().collect();
        return Err(error.hint(format!("Write it as '{}'.", serde_json::json!(words))));
    }
    Ok(vec![word.to_owned()])
}

fn environment(words: &[String]) -> Result<Vec<String>> {
    let mut values: BTreeMap<&str, usize> = BTreeMap::new();
    let mut environment: Vec<String> = Vec::new();
    for word in words {
        let Some((name, _)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(wrong("env", word, "expected NAME=VALUE"));
        };
        // The last one wins, in the place of the first: what a shell's export does.
        match values.get(name) {
            Some(&index) => environment[index].clone_from(word),
            None => {
                values.insert(name, environment.len());
                environment.push(word.clone());
            }
        }
    }
    Ok(environment)
}

fn pairs(option: &str, words: &[String]) -> Result<BTreeMap<String, String>> {
    let parse = |word: &String| match word.split_once('=') {
        // "$fd" would be taken for a file on its way to the plugin.
        Some((name, value)) if !name.is_empty() && !name.starts_with('$') => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(wrong(option, word, "expected NAME=VALUE, where NAME does not begin with \"$\"")),
    };
    words.iter().map(parse).collect()
}

fn user(word: &str) -> Result<String> {
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.$".contains(c))
    };
    let good = match word.split_once(':') {
        Some((user, group)) => part(user) && part(group),
        None => part(word),
    };
    if good {
        Ok(word.to_owned())
    } else {
        Err(wrong("user", word, "expected USER or USER:GROUP, by name or number"))
    }
}

fn absolute(option: &str, path: &str) -> Result<String> {
    match path.starts_with('/') && !path.contains('\0') {
        true => Ok(path.to_owned()),
        false => Err(wrong(option, path, "expected an absolute path")),
    }
}

fn parse_port(word: &str) -> Result<String> {
    let (number, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let number = number.parse::<u16>().ok().filter(|&number| number > 0);
    match (number, protocol) {
        (Some(number), "tcp" | "udp" | "sctp") => Ok(format!("{number}/{protocol}")),
        _ => Err(wrong("port", word, "expected 1 to 65535, and /tcp, /udp or /sctp")),
    }
}

fn signal(word: &str) -> Result<String> {
    let number = word.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    let name = word.strip_prefix("SIG").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_uppercase())
            && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "+-".contains(c))
    });
    if number || name {
        Ok(word.to_owned())
    } else {
        Err(wrong("stop-signal", word, "expected a name as SIGTERM, or a number"))
    }
}

/// OCI architecture and variant of a name, be it OCI's, the kernel's or a distribution's.
pub fn parse_arch(word: &str) -> Result<(String, Option<String>)> {
    let (arch, variant) = match word {
        "amd64" | "x86_64" | "x86-64" => ("amd64", None),
        "386" | "i386" | "i686" | "x86" => ("386", None),
        "arm64" | "aarch64" | "arm64/v8" => ("arm64", None),
        "arm" | "arm/v7" | "armhf" | "armv7" | "armv7l" | "armv7hl" => ("arm", Some("v7")),
        "arm/v6" | "armv6" | "armv6l" => ("arm", Some("v6")),
        "arm/v5" | "armel" => ("arm", Some("v5")),
        "ppc64le" | "ppc64el" => ("ppc64le", None),
        "s390x" => ("s390x", None),
        "riscv64" => ("riscv64", None),
        "loong64" | "loongarch64" => ("loong64", None),
        "mips64le" | "mips64el" => ("mips64le", None),
        _ => {
            let known = [
                "amd64", "386", "arm64", "arm/v7", "arm/v6", "arm/v5", "ppc64le", "s390x", "riscv64",
                "loong64", "mips64le",
            ];
            return Err(
                wrong("arch", word, "no such architecture").hint(format!("Known are {}.", known.join(", ")))
            );
        }
    };
    Ok((arch.to_owned(), variant.map(str::to_owned)))
}

/// OCI architecture and variant of this machine.
pub fn host_arch() -> (String, Option<String>) {
    // A machine that is not in the list is called by its own name: no image
    // of another could be made by mistake.
    let arch = std::env::consts::ARCH;
    parse_arch(if arch == "powerpc64" { "ppc64le" } else { arch }).unwrap_or_else(|_| (arch.to_owned(), None))
}

/// The registry that engines assume for a name without one.
const DEFAULT_REGISTRY: &str = "docker.io";

/// Takes `NAME[:TAG]` apart, by the grammar of the distribution reference.
pub fn parse_name(word: &str) -> Result<ImageName> {
    let bad = |reason: &str| wrong("tag", word, reason);
    if word.contains('@') {
        return Err(bad("a digest cannot be given to an image that is being made"));
    }
    let slash = word.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match word[slash..].split_once(':') {
        Some((_, tag)) => (&word[..word.len() - tag.len() - 1], tag),
        None => (word, "latest"),
    };
    let tag_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if tag.len() > 128
        || !tag.starts_with(tag_char)
        || !tag.chars().all(|c| tag_char(c) || c == '.' || c == '-')
    {
        return Err(bad(
            "a tag is up to 128 letters, digits, \"_\", \".\" or \"-\", not beginning with the last two",
        ));
    }
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, name),
    };
    if path.is_empty() || name.len() > 255 || !path.split('/').all(is_path_component) {
        return Err(bad(
            "a name is lower-case letters and digits, with \".\", \"_\", \"__\" or \"-\" between them, in parts separated by \"/\"",
        ));
    }
    let host_char = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if registry.is_some_and(|registry| registry.is_empty() || !registry.chars().all(host_char)) {
        return Err(bad("the registry is not a host name"));
    }
    let full = match registry {
        Some(_) => format!("{name}:{tag}"),
        None if path.contains('/') => format!("{DEFAULT_REGISTRY}/{path}:{tag}"),
        None => format!("{DEFAULT_REGISTRY}/library/{path}:{tag}"),
    };
    Ok(ImageName { name: name.to_owned(), tag: tag.to_owned(), full })
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = part.split(alphanumeric).filter(|separator| !separator.is_empty());
    part.starts_with(alphanumeric)
        && part.ends_with(alphanumeric)
        && separators.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        let full = |word: &str| parse_name(word).unwrap().full;
        assert_eq!(full("hello"), "docker.io/library/hello:latest");
        assert_eq!(full("team/app:1.2"), "docker.io/team/app:1.2");
        assert_eq!(full("localhost/app"), "localhost/app:latest");
        assert_eq!(full("registry.example:5000/a/b:v1"), "registry.example:5000/a/b:v1");
        for bad in
            ["", ":1", "Hello", "a//b", "a:", "a:-x", "a@sha256:00", "a_", "-a", "a..b", "registry.example/"]
        {
            assert!(parse_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commands() {
        assert_eq!(command("cmd", "[\"/bin/sh\", \"-c\"]").unwrap(), ["/bin/sh", "-c"]);
        assert_eq!(command("cmd", "/hello").unwrap(), ["/hello"]);
        let error = command("cmd", "/bin/sh -c true").unwrap_err();
        assert_eq!(error.hints, ["Write it as '[\"/bin/sh\",\"-c\",\"true\"]'."]);
        assert!(command("cmd", "[1]").is_err());
    }

    #[test]
    fn words_are_checked() {
        let check = |change: &dyn Fn(&mut ImageWords)| {
            let mut words = ImageWords::default();
            change(&mut words);
            words.check(None, 0)
        };
        let config = check(&|words| {
            words.env = ["A=1", "B=", "A=2"].map(String::from).into();
            words.ports = vec!["80".into(), "53/udp".into()];
        })
        .unwrap();
        assert_eq!(config.env, ["A=2", "B="]);
        assert_eq!(config.ports.into_iter().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        assert_eq!(ImageWords::default().check(Some("aarch64"), 0).unwrap().arch, "arm64");
        assert!(ImageWords::default().check(Some("z80"), 0).is_err());
        assert!(check(&|words| words.env = vec!["=x".into()]).is_err());
        assert!(check(&|words| words.ports = vec!["0".into()]).is_err());
        assert!(check(&|words| words.ports = vec!["80/xyz".into()]).is_err());
        assert!(check(&|words| words.workdir = Some("relative".into())).is_err());
        assert!(check(&|words| words.user = Some("a:b:c".into())).is_err());
        assert!(check(&|words| words.stop_signal = Some("TERM".into())).is_err());
        assert!(check(&|words| words.annotations = vec!["$fd=1".into()]).is_err());
    }
}
