//! `ctr-forge inspect`: what is in an image.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use ctr_forge_core::ops::{self, Inspected};
use ctr_forge_plugin::{Error, Result};
use serde_json::{Value, json};

use crate::cli::Session;
use crate::terminal;

pub(crate) fn cli() -> Command {
    Command::new("inspect")
        .about("Show what is in an image of any format, and check its digests")
        .long_about(
            "Shows configuration, layers, sizes and the largest files of an OCI layout, an archive of \
             docker or podman, or an ACI. All content is read and compared with the digests that the \
             image gives.",
        )
        .arg(
            Arg::new("image")
                .value_name("IMAGE[:NAME]")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("A layout or file; with a name, that image of it alone"),
        )
        .arg(arch())
        .arg(
            Arg::new("tree-digest")
                .long("tree-digest")
                .action(ArgAction::SetTrue)
                .help("Print the digest of the tree alone: the same for the same files in every format"),
        )
        .after_help("Examples:\n  ctr-forge inspect image:1\n  ctr-forge inspect --tree-digest app.aci")
}

/// `--arch`, of all that reads an image.
pub(crate) fn arch() -> Arg {
    Arg::new("arch")
        .long("arch")
        .value_name("ARCH")
        .help("Of several images, that for this architecture: arm64")
}

pub(crate) fn run(session: &Session, matches: &ArgMatches) -> Result<ExitCode> {
    let image = matches.get_one::<PathBuf>("image").ok_or_else(|| Error::usage("no image was named"))?;
    let arch = matches.get_one::<String>("arch").map(String::as_str);
    let images = ops::inspect(&session.forge, image, arch)?;
    session.forge.reporter.finish();
    let text = if matches.get_flag("tree-digest") {
        let [image] = &images[..] else {
            return Err(Error::usage("there are several images, each with a tree of its own")
                .hint("Name one as IMAGE:NAME, or with --arch."));
        };
        format!("{}\n", image.tree_digest)
    } else if session.json {
        format!("{:#}\n", json!(images))
    } else {
        images.iter().map(described).collect::<Vec<_>>().join("\n")
    };
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn described(image: &Inspected) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            // A String takes everything.
            let _ = writeln!(text, "{key:<10} {}", value.escape_debug());
        }
    };
    line("format", image.format);
    line("name", &image.names.join(", "));
    line("digest", image.digest.as_deref().unwrap_or_default());
    line("id", &image.id);
    line("platform", &image.arch.as_ref().map(|arch| format!("linux/{arch}")).unwrap_or_default());
    line("created", image.created.as_deref().unwrap_or_default());
    for (name, value) in &image.annotations {
        line("annotation", &format!("{name}={value}"));
    }
    line("tree", &image.tree_digest);
    line("content", &format!("{} entries, {}", image.entries, size(image.bytes)));
    if let Some(Value::Object(run)) = image.config.get("config").or_else(|| image.config.get("app")) {
        for (key, value) in run.iter().filter(|(_, value)| is_something(value)) {
            let _ = writeln!(text, "  {:<18} {value}", key.escape_debug().to_string());
        }
    }
    let _ = writeln!(text, "layers");
    for layer in &image.layers {
        let name = layer.digest.as_ref().unwrap_or(&layer.diff_id);
        let _ = writeln!(
            text,
            "  {name} {} {}, {} as tar",
            layer.compression,
            size(layer.size),
            size(layer.diff_size)
        );
    }
    let _ = writeln!(text, "largest files");
    for (path, bytes) in &image.largest {
        let _ = writeln!(text, "  {:>10}  {path}", size(*bytes));
    }
    text
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        let all = [0, 999, 1000, 1_550_000, 999_960_000, u64::MAX].map(size);
        assert_eq!(all, ["0 B", "999 B", "1.0 kB", "1.6 MB", "1.0 GB", "18446744.1 TB"]);
    }
}
