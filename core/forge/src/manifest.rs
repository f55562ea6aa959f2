//! Parses `plugin.toml` and checks what serde cannot.

use ctr_forge_plugin::{
    Component, Error, FEATURES, Manifest, Merges, OptionSpec, PROTOCOL, Result, Role, ValueType, is_name,
};
use semver::{Version, VersionReq};

/// Long names that ctr-forge itself has for every source or output; a plugin cannot take them.
fn reserved(role: Role) -> &'static [&'static str] {
    match role {
        Role::Source => {
            &["arch", "dry-run", "exclude-path", "lock", "offline", "output", "report", "sandbox"]
        }
        Role::Output => &[
            "annotation",
            "arch",
            "base",
            "cmd",
            "discovery",
            "entrypoint",
            "env",
            "label",
            "load",
            "mount-from",
            "output",
            "plain-http",
            "port",
            "preserve",
            "push",
            "rootfs",
            "sign-key",
            "stop-signal",
            "tag",
            "user",
            "volume",
            "workdir",
        ],
    }
}

/// Long names that every command has.
const GLOBAL: &[&str] = &["color", "help", "json", "plugin", "plugin-dir", "quiet", "verbose", "version"];
/// One-letter names likewise.
const RESERVED_SHORT: &[char] = &['h', 'o', 'q', 't', 'v', 'V'];

/// Parses a manifest and checks that this version of ctr-forge can work with it.
pub fn parse(text: &[u8], host: &Version) -> Result<Manifest> {
    let text =
        std::str::from_utf8(text).map_err(|e| Error::plugin("its manifest is not UTF-8").because(&e))?;
    // Protocol and requirements first, and alone: the rest of a newer manifest may not even parse.
    let head: Head = toml::from_str(text).map_err(|e| bad_toml(&e))?;
    check_versions(&head, host)?;
    let manifest: Manifest = toml::from_str(text).map_err(|e| bad_toml(&e))?;
    check(&manifest)?;
    Ok(manifest)
}

/// What must be understood before anything else is.
#[derive(serde::Deserialize)]
struct Head {
    protocol: u32,
    requires: String,
    #[serde(default)]
    features: Vec<String>,
}

fn bad_toml(error: &toml::de::Error) -> Error {
    Error::plugin("its manifest cannot be read")
        .because(&std::io::Error::other(error.to_string().trim_end().to_owned()))
}

fn check_versions(head: &Head, host: &Version) -> Result<()> {
    if head.protocol != PROTOCOL {
        let message =
            format!("it speaks plugin protocol {}, this ctr-forge {host} speaks {PROTOCOL}", head.protocol);
        return Err(Error::plugin(message).hint(who_must_move(head.protocol > PROTOCOL)));
    }
    let requires = head.requires.strip_prefix("ctr-forge ").unwrap_or(&head.requires);
    let requirement = VersionReq::parse(requires).map_err(|e| {
        Error::plugin(format!("its \"requires\" is not a version requirement: \"{}\"", head.requires))
            .because(&e)
            .hint("Write it as: requires = \"ctr-forge ^1.2\"")
    })?;
    if !requirement.matches(host) {
        let newer = requirement.comparators.iter().any(|c| {
            (c.major, c.minor.unwrap_or(0), c.patch.unwrap_or(0)) > (host.major, host.minor, host.patch)
        });
        let message = format!("it needs ctr-forge {requires}, this is ctr-forge {host}");
        return Err(Error::plugin(message).hint(who_must_move(newer)));
    }
    match head.features.iter().find(|feature| !FEATURES.contains(&feature.as_str())) {
        Some(feature) => {
            Err(Error::plugin(format!("it needs the feature \"{feature}\", which ctr-forge {host} lacks"))
                .hint(who_must_move(true)))
        }
        None => Ok(()),
    }
}

/// The hint for a refusal over versions.
pub(crate) fn who_must_move(plugin_is_newer: bool) -> &'static str {
    match plugin_is_newer {
        true => "Upgrade ctr-forge, or install an older version of the plugin.",
        false => "Install a newer version of the plugin, or rebuild it.",
    }
}

fn check(manifest: &Manifest) -> Result<()> {
    if !is_name(&manifest.name) {
        return Err(Error::plugin(format!(
            "its name \"{}\" is not of the form [a-z][a-z0-9-]*",
            manifest.name.escape_debug()
        )));
    }
    Version::parse(&manifest.version).map_err(|e| {
        Error::plugin(format!("its version \"{}\" is not semver", manifest.version)).because(&e)
    })?;
    if manifest.sources.is_empty() && manifest.outputs.is_empty() {
        return Err(Error::plugin("its manifest names no source and no output"));
    }
    for role in [Role::Source, Role::Output] {
        let components = manifest.components(role);
        for (index, component) in components.iter().enumerate() {
            if !is_name(&component.id) || components[..index].iter().any(|other| other.id == component.id) {
                return Err(Error::plugin(format!(
                    "the {} id \"{}\" is malformed or used twice",
                    role.name(),
                    component.id.escape_debug()
                )));
            }
            check_component(role, component).map_err(|error| {
                error.context(format!("its {} \"{}\" is wrong", role.name(), component.id))
            })?;
        }
    }
    Ok(())
}

fn check_component(role: Role, component: &Component) -> Result<()> {
    if role == Role::Output && component.layers.is_empty() {
        return Err(Error::plugin("an output must say which \"layers\" it takes"));
    }
    let mut names: Vec<&str> = Vec::new();
    let mut shorts = Vec::new();
    for option in &component.options {
        for name in std::iter::once(&option.name).chain(&option.aliases) {
            // Where there is nothing to choose, the host has no option for it.
            let compression = (component.layers.len() > 1).then_some(&"compression");
            let taken = reserved(role).iter().chain(GLOBAL).chain(compression).any(|other| other == name);
            if !is_name(name) || taken || names.contains(&name.as_str()) {
                return Err(Error::plugin(format!(
                    "option name \"{}\" is malformed, used twice, or ctr-forge's own",
                    name.escape_debug()
                )));
            }
            names.push(name);
        }
        if let Some(short) = option.short {
            if !short.is_ascii_alphanumeric() || RESERVED_SHORT.contains(&short) || shorts.contains(&short) {
                return Err(Error::plugin(format!(
                    "option letter \"{}\" is malformed, used twice, or ctr-forge's own",
                    short.escape_debug()
                )));
            }
            shorts.push(short);
        }
        check_option(option)
            .map_err(|message| Error::plugin(format!("option \"{}\" {message}", option.name)))?;
    }
    if let Merges::With(name) = &component.merges
        && !component.options.iter().any(|option| option.name == *name && option.kind == ValueType::Bool)
    {
        let name = name.escape_debug();
        return Err(Error::plugin(format!("\"merges\" names \"{name}\", which is no option of type bool")));
    }
    check_references(&component.options)?;
    check_positionals(role, &component.options)
}

/// Options refer to each other by their names, not aliases, and never to themselves.
fn check_references(options: &[OptionSpec]) -> Result<()> {
    for option in options {
        for other in option.conflicts.iter().chain(&option.needs) {
            if *other == option.name || !options.iter().any(|option| option.name == *other) {
                let message =
                    format!("option \"{}\" refers to \"{other}\", which is no other option", option.name);
                return Err(Error::plugin(message));
            }
        }
    }
    Ok(())
}

fn check_option(option: &OptionSpec) -> Result<(), String> {
    if option.kind == ValueType::Bool
        && (option.is_list() || option.positional || option.default.is_some() || option.required)
    {
        return Err(
            "is a flag, so it takes no default and is neither positional, repeated nor required".into()
        );
    }
    if option.default.is_some() && (option.required || option.is_list()) {
        return Err("has a default, so it can be neither required nor a list".into());
    }
    if let Some(default) = &option.default {
        if matches!(option.kind, ValueType::Path | ValueType::PathMap | ValueType::Map) {
            return Err("is of a type that takes no default".into());
        }
        crate::options::plain_value(option, default)
            .map_err(|error| format!("has an impossible default: {error}"))?;
    }
    Ok(())
}

/// What stands where must be told by counting: only the last can be several,
/// and none that must be given can follow one that need not.
fn check_positionals(role: Role, options: &[OptionSpec]) -> Result<()> {
    let positionals: Vec<_> = options.iter().filter(|option| option.positional).collect();
    let Some((last, before)) = positionals.split_last() else { return Ok(()) };
    if role == Role::Output {
        let message =
            format!("\"{}\" is positional, but the positionals of an output are root filesystems", last.name);
        return Err(Error::plugin(message));
    }
    if let Some(option) = before.iter().find(|option| option.is_list()) {
        return Err(Error::plugin(format!(
            "only the last positional can be repeated, not \"{}\"",
            option.name
        )));
    }
    match positionals.windows(2).find(|pair| !pair[0].required && pair[1].required) {
        Some(pair) => Err(Error::plugin(format!(
            "positional \"{}\" must be given, but \"{}\" before it need not",
            pair[1].name, pair[0].name
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        protocol = 1
        name = "x"
        version = "1.0.0"
        requires = "ctr-forge ^0.1"
        summary = "x"
        [[source]]
        id = "x"
        summary = "x"
        [[source.option]]
        name = "depth"
        type = "int"
        default = "3"
        help = "how deep"
    "#;

    fn parse_changed(from: &str, to: &str) -> Result<Manifest> {
        assert!(GOOD.contains(from), "{from}");
        parse(GOOD.replace(from, to).as_bytes(), &Version::new(0, 1, 0))
    }

    #[test]
    fn a_good_manifest() {
        let manifest = parse_changed("", "").unwrap();
        assert_eq!(manifest.sources[0].options[0].name, "depth");
    }

    #[test]
    fn refusals_name_both_sides_and_who_must_move() {
        let newer = parse_changed("^0.1", "^9.2").unwrap_err();
        assert_eq!(newer.message, "it needs ctr-forge ^9.2, this is ctr-forge 0.1.0");
        assert!(newer.hints[0].starts_with("Upgrade ctr-forge"), "{newer:?}");
        let older = parse_changed("^0.1", "=0.0.9").unwrap_err();
        assert!(older.hints[0].starts_with("Install a newer version of the plugin"), "{older:?}");
        let protocol = parse_changed("protocol = 1", "protocol = 2").unwrap_err();
        assert_eq!(protocol.message, "it speaks plugin protocol 2, this ctr-forge 0.1.0 speaks 1");
        assert!(
            parse_changed("summary = \"x\"\n        [[", "features = [\"novel\"]\nsummary = \"x\"\n[[")
                .is_err()
        );
    }

    #[test]
    fn what_serde_cannot_see() {
        let cases = [
            ("name = \"x\"", "name = \"X y\""),
            ("version = \"1.0.0\"", "version = \"one\""),
            ("name = \"depth\"", "name = \"output\""),
            ("name = \"depth\"", "name = \"depth\"\nshort = \"o\""),
            ("default = \"3\"", "default = \"three\""),
            ("default = \"3\"", "default = \"3\"\nrequired = true"),
            ("default = \"3\"", "conflicts = [\"nothing\"]"),
            ("default = \"3\"", "needs = [\"depth\"]"),
            (
                "default = \"3\"",
                "positional = true\nhelp = \"\"\n[[source.option]]\nname = \"b\"\npositional = true\nrequired = true",
            ),
            ("type = \"int\"", "type = \"bool\""),
            ("[[source]]", "[[output]]"),
        ];
        for (from, to) in cases {
            assert!(parse_changed(from, to).is_err(), "{to}");
        }
    }
}
