//! The command line: help without plugin code, suggestions, exit codes, JSON errors.

use ctr_forge_tests::{Forge, Test};
use serde_json::Value;

pub(crate) const TESTS: &[Test] = &[
    Test { name: "command_line::sources_are_listed", needs: &[], run: sources_are_listed },
    Test {
        name: "command_line::help_comes_from_the_manifest",
        needs: &[],
        run: help_comes_from_the_manifest,
    },
    Test { name: "command_line::wrong_words_get_suggestions", needs: &[], run: wrong_words_get_suggestions },
    Test { name: "command_line::errors_as_json", needs: &[], run: errors_as_json },
    Test { name: "command_line::completions_know_plugins", needs: &[], run: completions_know_plugins },
    Test { name: "command_line::environment_is_checked", needs: &[], run: environment_is_checked },
];

fn sources_are_listed() {
    let forge = Forge::new();
    let help = forge.ok(["source", "--help"]).stdout();
    assert!(help.contains("scratch") && help.contains("Make a root filesystem from files"), "{help}");
    let outputs = forge.ok(["output", "--help"]).stdout();
    assert!(outputs.contains("oci") && outputs.contains("docker"), "{outputs}");
}

fn help_comes_from_the_manifest() {
    let help = Forge::new().ok(["source", "scratch", "--help"]).stdout();
    for word in ["--tar <PATH>", "--copy <SRC:DST[:UID:GID[:MODE]]>", "--exclude-path", "Examples:"] {
        assert!(help.contains(word), "{word} is not in: {help}");
    }
}

fn wrong_words_get_suggestions() {
    let forge = Forge::new();
    forge
        .fails(2, ["source", "scrach"])
        .says(&["there is no source \"scrach\"", "Did you mean \"scratch\"?"]);
    forge.fails(2, ["source", "scratch", "--cpy", "a:b"]).says(&["--cpy", "--copy"]);
    forge.fails(2, ["sorce"]).says(&["sorce", "source"]);
    forge.fails(2, ["source", "scratch"]).says(&["nothing to make", "--tar"]);
    forge.fails(2, ["output", "oci", "x.tar"]).says(&["--output <PATH>"]);
    forge
        .fails(5, ["output", "oci", "absent.tar", "-o", "image"])
        .says(&["cannot read absent.tar", "No such file"]);
}

fn errors_as_json() {
    let output = Forge::new().fails(2, ["--json", "source", "scratch", "--copy", "nocolon"]);
    let error: Value = serde_json::from_str(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "usage");
    assert_eq!(error["error"]["exit_code"], 2);
    assert_eq!(error["error"]["option"], "copy");
}

fn completions_know_plugins() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Forge::new().ok(["completions", shell]).stdout();
        assert!(script.contains("overlay"), "{shell} does not know --overlay");
    }
}

fn environment_is_checked() {
    let forge = Forge::new().env("SOURCE_DATE_EPOCH", "yesterday");
    forge.fails(3, ["plugin", "list"]).says(&["SOURCE_DATE_EPOCH is \"yesterday\"", "date +%s"]);
}
