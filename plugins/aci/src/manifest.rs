//! The manifest of an image (appc 0.8.11, `spec/aci.md`, "Image Manifest Schema"; names and
//! identifiers: `spec/types.md`).

use std::collections::{BTreeMap, BTreeSet};

use ctr_forge_oci::{APPC_ARCHITECTURES, rfc3339};
use ctr_forge_plugin::{Error, ErrorKind, Host, ImageConfig, Result};
use serde::Serialize;
use serde_json::Value;

use crate::Options;

/// The version of the specification: its last.
const VERSION: &str = "0.8.11";

/// All isolators there are: readers refuse others.
const ISOLATORS: &[&str] = &[
    "resource/block-bandwidth",
    "resource/block-iops",
    "resource/cpu",
    "resource/memory",
    "resource/network-bandwidth",
    "os/linux/capabilities-remove-set",
    "os/linux/capabilities-retain-set",
    "os/linux/cpu-shares",
    "os/linux/no-new-privileges",
    "os/linux/oom-score-adj",
    "os/linux/seccomp-remove-set",
    "os/linux/seccomp-retain-set",
    "os/linux/selinux-context",
    "os/unix/sysctl",
];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    ac_kind: &'static str,
    ac_version: &'static str,
    name: String,
    labels: Vec<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<App>,
    annotations: Vec<Pair>,
}

#[derive(Debug, Serialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct App {
    exec: Vec<String>,
    user: String,
    group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_directory: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environment: Vec<Pair>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mount_points: Vec<MountPoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    isolators: Vec<Isolator>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    user_labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct MountPoint {
    name: String,
    path: String,
}

#[derive(Debug, Serialize)]
struct Port {
    name: String,
    protocol: String,
    port: u16,
}

#[derive(Debug, Serialize)]
struct Isolator {
    name: String,
    value: Value,
}

/// The manifest as JSON.
pub(crate) fn manifest(options: &Options, image: &ImageConfig, host: &Host) -> Result<Vec<u8>> {
    if let Some(signal) = &image.stop_signal {
        host.warn(format!("an ACI has no place for the stop signal {signal}; it is left out"));
    }
    let isolators = isolators(options)?;
    let app = app(isolators, image)?;
    if app.is_none() && !options.isolator.is_empty() {
        return Err(Error::usage("isolators limit an app, and the image has none")
            .hint("--entrypoint or --cmd names its program.")
            .option("isolator"));
    }
    let manifest = Manifest {
        ac_kind: "ImageManifest",
        ac_version: VERSION,
        name: name(options, image)?,
        labels: labels(image)?,
        app,
        annotations: annotations(image)?,
    };
    serde_json::to_vec(&manifest)
        .map_err(|e| Error::new(ErrorKind::Internal, "cannot encode the manifest").because(&e))
}

fn name(options: &Options, image: &ImageConfig) -> Result<String> {
    let tagged = || image.tags.first().map(|tag| &tag.name);
    let name =
        options.name.as_ref().or_else(tagged).ok_or_else(|| {
            Error::usage("an ACI needs a name").hint("--name example.com/app").option("name")
        })?;
    match is_identifier(name) {
        true => Ok(name.clone()),
        false => Err(Error::usage(format!("\"{}\" is no name for an ACI", name.escape_debug()))
            .hint("It is lower-case letters and digits, with single \"-\", \".\", \"_\", \"~\" or \"/\" between them.")
            .option("name")),
    }
}

/// AC Identifier: `[a-z0-9]+([-._~/][a-z0-9]+)*`.
fn is_identifier(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = |end: Option<&u8>| end.is_some_and(|&b| plain(b));
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|&b| plain(b) || b"-._~/".contains(&b))
        && bytes.windows(2).all(|two| plain(two[0]) || plain(two[1]))
}

fn labels(image: &ImageConfig) -> Result<Vec<Pair>> {
    let found = APPC_ARCHITECTURES.iter().find(|(arch, variant, _)| {
        *arch == image.arch && (variant.is_none() || *variant == image.variant.as_deref())
    });
    let (.., arch) = found.ok_or_else(|| {
        let variant = image.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
        let message = format!(
            "the App Container specification has no name for the architecture {}{variant}",
            image.arch
        );
        Error::new(ErrorKind::Unsupported, message)
            .hint("Other formats have: ctr-forge output oci.")
            .option("arch")
    })?;
    let version = image.tags.first().map(|tag| tag.tag.as_str());
    let labels = [("os", Some(image.os.as_str())), ("arch", Some(*arch)), ("version", version)];
    let labels = labels.into_iter().filter_map(|(name, value)| Some(pair(name, value?)));
    Ok(labels.collect())
}

fn pair(name: &str, value: &str) -> Pair {
    Pair { name: name.to_owned(), value: value.to_owned() }
}

/// How the program runs; none for an image that is a library for others.
fn app(isolators: Vec<Isolator>, image: &ImageConfig) -> Result<Option<App>> {
    let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let exec = [words(&image.entrypoint), words(&image.cmd)].concat();
    if exec.is_empty() {
        return Ok(None);
    }
    let (user, group) = match image.user.as_deref() {
        None => ("0", "0"),
        // As docker2aci has it: a user without a group has one of the same name.
        Some(user) => user.split_once(':').unwrap_or((user, user)),
    };
    let environment = image.env.iter().map(|variable| {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        match is_variable(name) {
            true => Ok(pair(name, value)),
            false => {
                Err(Error::usage(format!("\"{}\" is no name of a variable in an ACI", name.escape_debug()))
                    .option("env"))
            }
        }
    });
    Ok(Some(App {
        exec,
        user: user.to_owned(),
        group: group.to_owned(),
        working_directory: image.workdir.clone(),
        environment: environment.collect::<Result<_>>()?,
        mount_points: mount_points(image),
        ports: image.ports.iter().map(|port| parse_port(port)).collect::<Result<_>>()?,
        isolators,
        user_labels: image.labels.clone(),
    }))
}

/// `[A-Za-z_][A-Za-z_0-9.-]*`.
fn is_variable(name: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|&b| first(b))
        && bytes.iter().all(|&b| first(b) || b.is_ascii_digit() || b == b'.' || b == b'-')
}

/// Places for data, with the names that docker2aci gives them.
fn mount_points(image: &ImageConfig) -> Vec<MountPoint> {
    let mut names = BTreeSet::new();
    let point = |path: &String| {
        let base = format!("volume-{}", ac_name(path));
        let base = base.trim_end_matches('-').to_owned();
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !names.contains(name));
        let name = name.unwrap_or(base);
        names.insert(name.clone());
        MountPoint { name, path: path.clone() }
    };
    image.volumes.iter().map(point).collect()
}

/// AC Name, `[a-z0-9]+(-[a-z0-9]+)*`, made of any text.
fn ac_name(text: &str) -> String {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn parse_port(port: &str) -> Result<Port> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let wrong = || Error::usage(format!("\"{}\" is no port", port.escape_debug())).option("port");
    let number: u16 = number.parse().map_err(|_| wrong())?;
    Ok(Port { name: format!("{number}-{protocol}"), protocol: protocol.to_owned(), port: number })
}

fn isolators(options: &Options) -> Result<Vec<Isolator>> {
    let isolator = |(name, text): (&String, &String)| {
        let wrong = |why: &str| {
            Error::usage(format!("the isolator \"{}\" {why}", name.escape_debug())).option("isolator")
        };
        if !ISOLATORS.contains(&name.as_str()) {
            return Err(wrong("is not known").hint(format!("Known are {}.", ISOLATORS.join(", "))));
        }
        let value: Value = serde_json::from_str(text).map_err(|e| {
            wrong("has a value that is no JSON").because(&e).hint("resource/memory='{\"limit\":\"1G\"}'")
        })?;
        check_isolator(name, &value).map_err(wrong)?;
        Ok(Isolator { name: name.clone(), value })
    };
    let isolators = options.isolator.iter().flatten().map(isolator).collect::<Result<Vec<_>>>()?;
    for kind in ["capabilities", "seccomp"] {
        let has = |set: &str| {
            isolators.iter().any(|isolator| isolator.name == format!("os/linux/{kind}-{set}-set"))
        };
        if has("retain") && has("remove") {
            let message = format!("the isolators {kind}-retain-set and {kind}-remove-set exclude each other");
            return Err(Error::usage(message).option("isolator"));
        }
    }
    Ok(isolators)
}

/// What `spec/ace.md` demands of a value.
fn check_isolator(name: &str, value: &Value) -> std::result::Result<(), &'static str> {
    let within = |from: i64, to: i64| value.as_i64().is_some_and(|number| (from..=to).contains(&number));
    let good = match name {
        _ if name.starts_with("resource/") => value.as_object().is_some_and(|limits| {
            !limits.is_empty()
                && limits.iter().all(|(key, value)| {
                    ["request", "limit", "default"].contains(&key.as_str())
                        && (value.is_string() || value.is_boolean())
                })
        }),
        _ if name.ends_with("-set") => {
            value["set"].as_array().is_some_and(|set| !set.is_empty() && set.iter().all(Value::is_string))
        }
        "os/linux/no-new-privileges" => value.is_boolean(),
        "os/linux/oom-score-adj" => within(-1000, 1000),
        "os/linux/cpu-shares" => within(2, 262_144),
        _ => value.is_object(),
    };
    if good { Ok(()) } else { Err("has a value that the specification does not allow") }
}

fn annotations(image: &ImageConfig) -> Result<Vec<Pair>> {
    let created = rfc3339(image.created);
    let mut annotations: Vec<Pair> = created.iter().map(|date| pair("created", date)).collect();
    for (name, value) in &image.annotations {
        let wrong = |why: &str| {
            Error::usage(format!("the annotation \"{}\" {why}", name.escape_debug())).option("annotation")
        };
        if !is_identifier(name) || name == "created" {
            return Err(wrong("has no name that one of the user's can have"));
        }
        let is_url = value.starts_with("http://") || value.starts_with("https://");
        if ["homepage", "documentation"].contains(&name.as_str()) && !is_url {
            return Err(wrong("is to be a URL"));
        }
        annotations.push(pair(name, value));
    }
    Ok(annotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for good in ["a", "example.com/app", "a-b_c~d", "0"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "A", "a/", "/a", "a//b", "a..b", "a b", "ä"] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }

    #[test]
    fn volumes_have_names_of_their_own() {
        let volumes = ["/data", "/Data", "/", "/a_b/c"].map(str::to_owned).into();
        let points = mount_points(&ImageConfig { volumes, ..ImageConfig::default() });
        let names: Vec<_> = points.iter().map(|point| (point.path.as_str(), point.name.as_str())).collect();
        let expected = [
            ("/", "volume"),
            ("/Data", "volume-data"),
            ("/a_b/c", "volume-a-b-c"),
            ("/data", "volume-data-2"),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn architectures_without_a_name_are_an_error() {
        let image = |arch: &str, variant: Option<&str>| ImageConfig {
            os: "linux".into(),
            arch: arch.into(),
            variant: variant.map(str::to_owned),
            ..ImageConfig::default()
        };
        let arch = |arch, variant| Ok::<_, Error>(labels(&image(arch, variant))?.pop().unwrap().value);
        assert_eq!(arch("arm64", None).unwrap(), "aarch64");
        assert_eq!(arch("arm", Some("v7")).unwrap(), "armv7l");
        for (name, variant) in [("riscv64", None), ("arm", None), ("arm", Some("v5"))] {
            assert_eq!(arch(name, variant).unwrap_err().kind, ErrorKind::Unsupported);
        }
    }

    #[test]
    fn isolators_are_checked() {
        let check = |list: &[(&str, &str)]| {
            let one =
                |(name, value): &(&str, &str)| BTreeMap::from([((*name).to_owned(), (*value).to_owned())]);
            let isolator = list.iter().map(one).collect();
            isolators(&Options { isolator, ..Options::default() })
        };
        assert_eq!(check(&[("resource/memory", r#"{"limit":"1G"}"#)]).unwrap().len(), 1);
        assert!(check(&[("os/linux/cpu-shares", "512"), ("os/linux/no-new-privileges", "true")]).is_ok());
        let set = r#"{"set":["CAP_KILL"]}"#;
        for bad in [
            &[("resource/disk", "{}")][..],
            &[("resource/memory", "1G")],
            &[("resource/memory", "{}")],
            &[("os/linux/cpu-shares", "1")],
            &[("os/linux/seccomp-retain-set", r#"{"set":[]}"#)],
            &[("os/linux/capabilities-retain-set", set), ("os/linux/capabilities-remove-set", set)],
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
