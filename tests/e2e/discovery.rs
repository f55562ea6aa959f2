//! Which plugins are found, in which order, and which are refused: without running any of their code.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use ctr_forge_tests::build::{profile_directory, workspace_directory};
use ctr_forge_tests::{Faulty, Forge, Need, Test};
use serde_json::Value;

pub(crate) const TESTS: &[Test] = &[
    Test { name: "discovery::the_order_of_the_search", needs: &[], run: the_order_of_the_search },
    Test {
        name: "discovery::relative_directories_are_refused",
        needs: &[],
        run: relative_directories_are_refused,
    },
    Test { name: "discovery::no_code_runs_to_list", needs: &[Need::Tool("gcc")], run: no_code_runs_to_list },
    Test {
        name: "discovery::files_that_are_no_plugin",
        needs: &[Need::Tool("gcc")],
        run: files_that_are_no_plugin,
    },
    Test {
        name: "discovery::two_notes_in_one_file",
        needs: &[Need::Tool("gcc")],
        run: two_notes_in_one_file,
    },
    Test { name: "discovery::note_and_sidecar_must_agree", needs: &[], run: note_and_sidecar_must_agree },
    Test { name: "discovery::who_may_write_is_checked", needs: &[], run: who_may_write_is_checked },
    Test { name: "discovery::who_owns_it_is_checked", needs: &[Need::Root], run: who_owns_it_is_checked },
    Test { name: "discovery::an_ordinary_user", needs: &[Need::OtherUser], run: an_ordinary_user },
    Test { name: "discovery::core_commands_stay", needs: &[], run: core_commands_stay },
    Test { name: "discovery::lists_are_json", needs: &[], run: lists_are_json },
    Test { name: "discovery::policy_by_name", needs: &[], run: policy_by_name },
    Test { name: "discovery::policy_by_place", needs: &[], run: policy_by_place },
    Test { name: "discovery::policy_by_digest", needs: &[], run: policy_by_digest },
    Test { name: "discovery::policy_hints", needs: &[], run: policy_hints },
    Test { name: "discovery::a_bad_policy_is_an_error", needs: &[], run: a_bad_policy_is_an_error },
];

/// The binary as it is installed: `usr/bin/ctr-forge` in a directory of its own.
fn installed() -> Forge {
    let forge = Forge::new();
    install(&forge.path("usr/bin/ctr-forge"));
    let binary = forge.path("usr/bin/ctr-forge");
    forge.with(binary)
}

fn install(binary: &Path) {
    fs::create_dir_all(binary.parent().unwrap()).unwrap();
    let built = profile_directory().join("ctr-forge");
    // A link is as good and takes no room, but for other file systems.
    if fs::hard_link(&built, binary).is_err() {
        fs::copy(&built, binary).unwrap();
    }
}

const PLUGINS: &str = "usr/lib/ctr-forge/plugins";

fn list(forge: &Forge, more: &[&str]) -> Value {
    let output = forge.ok([more, &["--json", "plugin", "list"]].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Version and origin of the plugin "faulty" that is used.
fn used(list: &Value) -> Option<(String, String)> {
    let word = |plugin: &Value, key: &str| plugin[key].as_str().unwrap().to_owned();
    let plugins = list["plugins"].as_array().unwrap();
    let plugin = plugins.iter().find(|plugin| plugin["name"] == "faulty")?;
    Some((word(plugin, "version"), word(plugin, "origin")))
}

/// The one refusal: kind and sentence.
#[track_caller]
fn refused(list: &Value) -> (String, String) {
    let refused = list["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1, "{list:#}");
    let error = &refused[0]["error"];
    (error["kind"].as_str().unwrap().to_owned(), error.to_string())
}

fn manifest(version: u8) -> String {
    let text = fs::read_to_string(workspace_directory().join("tests/plugins/faulty/plugin.toml")).unwrap();
    text.replace("version = \"1.0.0\"", &format!("version = \"1.0.{version}\""))
}

/// A program with a sidecar.
fn write_program(forge: &Forge, directory: &str, version: u8) {
    let program = forge.write(format!("{directory}/ctr-forge-source-faulty"), "#!/bin/sh\nexit 1\n");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    forge.write(format!("{directory}/ctr-forge-source-faulty.toml"), manifest(version));
}

/// One plugin in every place, each of another version: what is found is removed, and the next must follow.
fn the_order_of_the_search() {
    let forge = Forge::new();
    // An installation that is a target directory of cargo too.
    install(&forge.path("usr/bin/ctr-forge"));
    forge.write("usr/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# created by cargo.\n");
    let at = |name: &str| forge.path(name).to_str().unwrap().to_owned();
    let (named, path) = (at("environment"), format!("{}:/usr/bin:/bin", at("path")));
    let binary = forge.path("usr/bin/ctr-forge");
    let data = at("data");
    let forge = forge.with(binary).env("CTR_FORGE_PLUGIN_PATH", &named).env("XDG_DATA_HOME", &data);
    let forge = forge.env("PATH", &path);

    let libraries = ["file", "directory", "environment", "usr/bin", "data/ctr-forge/plugins", PLUGINS];
    for (version, directory) in (1..).zip(libraries) {
        Faulty::new("none").version(version).write(forge.path(directory).join("faulty.so"));
    }
    write_program(&forge, "usr/libexec/ctr-forge", 7);
    write_program(&forge, "path", 8);

    let mut words = vec!["--plugin", "file/faulty.so", "--plugin-dir", "directory"];
    let origins = [
        "named on the command line",
        "named on the command line",
        "from CTR_FORGE_PLUGIN_PATH",
        "beside this binary, built by cargo",
        "the user's own",
        "installed",
        "installed",
        "on PATH",
    ];
    for (version, origin) in (1..=8).zip(origins) {
        let found = list(&forge, &words);
        assert_eq!(used(&found), Some((format!("1.0.{version}"), origin.to_owned())), "{found:#}");
        let shadowed = found["shadowed"].as_array().unwrap();
        assert_eq!(shadowed.len(), 8 - version, "{found:#}");
        assert!(shadowed.iter().all(|other| other["by"] == found["plugins"][0]["path"]), "{found:#}");
        match version {
            1 => drop(words.drain(..2)),
            2 => words.clear(),
            7 => fs::remove_dir_all(forge.path("usr/libexec")).unwrap(),
            8 => fs::remove_dir_all(forge.path("path")).unwrap(),
            other => fs::remove_file(forge.path(libraries[other - 1]).join("faulty.so")).unwrap(),
        }
    }
    assert_eq!(used(&list(&forge, &[])), None);
    let text = forge.ok(["plugin", "list"]).stdout();
    assert!(text.contains("No plugin was found"), "{text}");
}

fn relative_directories_are_refused() {
    let forge = installed();
    Faulty::new("none").write(forge.path("plugins/faulty.so"));
    Faulty::new("none").write(forge.path("faulty.so"));
    // Neither the current directory nor what is relative to it.
    assert_eq!(used(&list(&forge, &[])), None);
    let forge = forge.env("CTR_FORGE_PLUGIN_PATH", "plugins::.");
    let found = list(&forge, &[]);
    assert_eq!(used(&found), None);
    let refused = found["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 2, "{found:#}");
    for refused in refused {
        let message = refused["error"]["message"].as_str().unwrap();
        assert_eq!(message, "a relative directory is never searched for plugins");
    }
    // Named on the command line it is what the user sees before him.
    assert!(used(&list(&forge, &["--plugin-dir", "plugins"])).is_some());
    forge.fails(5, ["--plugin-dir", "absent", "plugin", "list"]).says(&["cannot search absent for plugins"]);
}

/// A library in C, from the template, with this code added.
fn library(forge: &Forge, name: &str, more: &str, into: &str) {
    forge.ok(["plugin", "new", name, "--lang", "c"]);
    let source = forge.path(name).join("plugin.c");
    fs::write(&source, fs::read_to_string(&source).unwrap() + more).unwrap();
    fs::create_dir_all(forge.path(into)).unwrap();
    forge.sh(&format!("cd {name}; gcc -fPIC -shared -fvisibility=hidden -o ../{into}/{name}.so plugin.c"));
}

fn no_code_runs_to_list() {
    let forge = installed();
    let mark = forge.path("mark");
    let constructor = format!(
        "\n#include <fcntl.h>\n__attribute__((constructor)) static void early(void) \
         {{ close(open(\"{}\", O_CREAT | O_WRONLY, 0600)); }}\n",
        mark.display()
    );
    library(&forge, "early", &constructor, PLUGINS);
    for words in [
        &["plugin", "list"] as &[&str],
        &["plugin", "info", "early"],
        &["source", "--help"],
        &["source", "early", "--help"],
        &["completions", "bash"],
        &["--version"],
    ] {
        forge.ok(words);
    }
    forge.fails(2, ["source", "early", "--no-such-option"]);
    assert!(!mark.exists(), "code of the plugin has run");
    forge.ok(["source", "early", "-o", "rootfs.tar"]);
    assert!(mark.exists(), "the plugin leaves its mark when it runs");
}

fn files_that_are_no_plugin() {
    let forge = installed();
    forge.sh(&format!("mkdir -p {PLUGINS}; echo 'int x;' | gcc -shared -o {PLUGINS}/foreign.so -xc -"));
    let (kind, error) = refused(&list(&forge, &[]));
    assert!(kind == "plugin" && error.contains("has no ctr-forge note, so it is not a plugin"), "{error}");
    fs::write(forge.path(PLUGINS).join("foreign.so"), "text").unwrap();
    assert!(refused(&list(&forge, &[])).1.contains("not an ELF file"));
    fs::remove_file(forge.path(PLUGINS).join("foreign.so")).unwrap();
    fs::create_dir(forge.path(PLUGINS).join("directory.so")).unwrap();
    assert!(refused(&list(&forge, &[])).1.contains("it is not a regular file"));
    fs::remove_dir(forge.path(PLUGINS).join("directory.so")).unwrap();
    symlink("/nowhere", forge.path(PLUGINS).join("dangling.so")).unwrap();
    assert_eq!(refused(&list(&forge, &[])).0, "io");
    fs::remove_file(forge.path(PLUGINS).join("dangling.so")).unwrap();
    // A program that nobody can run, and one without a manifest.
    write_program(&forge, PLUGINS, 1);
    let program = forge.path(PLUGINS).join("ctr-forge-source-faulty");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&list(&forge, &[])).1.contains("it is not executable"));
    fs::remove_file(forge.path(PLUGINS).join("ctr-forge-source-faulty.toml")).unwrap();
    assert!(refused(&list(&forge, &[])).1.contains("a script a manifest beside it"));
}

fn two_notes_in_one_file() {
    let forge = installed();
    let second = "\n#undef CTRF_EMBED_MANIFEST\n__asm__(\".pushsection .note.ctr-forge,\\\"a\\\",%note\\n\
        .balign 4\\n.long 10, 16, 0x63746601\\n.asciz \\\"ctr-forge\\\"\\n.balign 4\\n\
        .long 1, 0, 2, 0\\n.popsection\\n\");\n";
    library(&forge, "both", second, PLUGINS);
    let (kind, error) = refused(&list(&forge, &[]));
    assert!(kind == "plugin" && error.contains("has more than one ctr-forge note"), "{error}");
}

fn note_and_sidecar_must_agree() {
    let forge = installed();
    let program = forge.path(PLUGINS).join("ctr-forge-source-faulty");
    Faulty::new("none").write(&program);
    assert!(used(&list(&forge, &[])).is_some(), "a note is enough");
    let sidecar = forge.write(format!("{PLUGINS}/ctr-forge-source-faulty.toml"), manifest(0));
    assert!(used(&list(&forge, &[])).is_some(), "the same twice");
    fs::write(&sidecar, manifest(1)).unwrap();
    let (kind, error) = refused(&list(&forge, &[]));
    assert!(kind == "plugin" && error.contains("its note and the manifest beside it differ"), "{error}");
    fs::write(&sidecar, "x".repeat((256 << 10) + 1)).unwrap();
    assert!(refused(&list(&forge, &[])).1.contains("is longer than 262144 bytes"));
}

fn who_may_write_is_checked() {
    let forge = installed();
    let file = forge.path(PLUGINS).join("faulty.so");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    Faulty::new("none").write(&file);
    for (bits, who) in [(0o777, "everybody (mode 0777)"), (0o775, "its group (mode 0775)")] {
        mode(&file, bits);
        let (kind, error) = refused(&list(&forge, &[]));
        assert!(kind == "permission" && error.contains(who) && error.contains("chmod go-w"), "{error}");
    }
    mode(&file, 0o644);
    for parent in [forge.path(PLUGINS), forge.path("usr")] {
        mode(&parent, 0o777);
        let (kind, error) = refused(&list(&forge, &[]));
        let named = format!("{} can be written by everybody", parent.display());
        assert!(kind == "permission" && error.contains(&named), "{error}");
        mode(&parent, 0o1777);
        assert!(used(&list(&forge, &[])).is_some(), "what is sticky protects what is in it");
        mode(&parent, 0o755);
    }
    // A link leads to the file that counts.
    fs::rename(&file, forge.path("elsewhere.so")).unwrap();
    symlink(forge.path("elsewhere.so"), &file).unwrap();
    assert!(used(&list(&forge, &[])).is_some());
    // But where it lies counts too.
    mode(&forge.path(PLUGINS), 0o777);
    assert_eq!(refused(&list(&forge, &[])).0, "permission");
    mode(&forge.path(PLUGINS), 0o755);
    assert!(used(&list(&forge, &[])).is_some());
    mode(&forge.path("elsewhere.so"), 0o666);
    assert_eq!(refused(&list(&forge, &[])).0, "permission");
    // The sidecar of a program decides as much as the program.
    fs::remove_file(&file).unwrap();
    write_program(&forge, PLUGINS, 1);
    mode(&forge.path(PLUGINS).join("ctr-forge-source-faulty.toml"), 0o666);
    assert!(refused(&list(&forge, &[])).1.contains("faulty.toml can be written by everybody"));
}

fn who_owns_it_is_checked() {
    let forge = installed();
    let file = forge.path(PLUGINS).join("faulty.so");
    Faulty::new("none").write(&file);
    chown(&file, Some(65534), None).unwrap();
    let (kind, error) = refused(&list(&forge, &[]));
    assert!(
        kind == "permission" && error.contains("belongs to user 65534, who is neither root nor you"),
        "{error}"
    );
    chown(&file, Some(0), None).unwrap();
    // A link of somebody else, to a file that is root's.
    fs::rename(&file, forge.path("elsewhere.so")).unwrap();
    symlink(forge.path("elsewhere.so"), &file).unwrap();
    assert!(used(&list(&forge, &[])).is_some());
    lchown(&file, Some(65534), None).unwrap();
    assert!(refused(&list(&forge, &[])).1.contains("faulty.so belongs to user 65534"));
    lchown(&file, Some(0), None).unwrap();
    chown(forge.path(PLUGINS), Some(65534), None).unwrap();
    assert!(refused(&list(&forge, &[])).1.contains("plugins belongs to user 65534"));
    // Root in somebody else's home: what that user put there does not run as root.
    fs::remove_file(&file).unwrap();
    chown(forge.path(PLUGINS), Some(0), None).unwrap();
    let user = forge.path(".local/share/ctr-forge/plugins/faulty.so");
    Faulty::new("none").write(&user);
    let forge = forge.env("CTR_FORGE_PLUGIN_PATH", user.parent().unwrap().to_str().unwrap());
    assert_eq!(used(&list(&forge, &[])).unwrap().1, "from CTR_FORGE_PLUGIN_PATH");
    fs::create_dir(forge.path("home")).unwrap();
    chown(forge.path("home"), Some(65534), None).unwrap();
    let home = forge.path("home").to_str().unwrap().to_owned();
    assert_eq!(used(&list(&forge.env("HOME", &home), &[])), None);
}

/// Somebody who is not root uses root's plugins and his own.
fn an_ordinary_user() {
    let forge = installed();
    fs::set_permissions(forge.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    Faulty::new("surroundings").write(forge.path(PLUGINS).join("faulty.so"));
    fs::create_dir(forge.path("home")).unwrap();
    chown(forge.path("home"), Some(65534), Some(65534)).unwrap();
    let own = forge.path("own");
    Faulty::new("none").version(1).write(own.join("faulty.so"));
    chown(own.join("faulty.so"), Some(65534), None).unwrap();
    let run = "setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=$PWD/home \"$FORGE\"";
    forge
        .sh(&format!("{run} source faulty -o home/rootfs.tar --report home/report; test -s home/rootfs.tar"));
    let report: Value = serde_json::from_slice(&fs::read(forge.path("home/report")).unwrap()).unwrap();
    let isolation = report["isolation"].as_str().unwrap();
    assert!(
        isolation == "isolated from the network" || isolation.starts_with("not isolated: "),
        "{report:#}"
    );
    forge.sh(&format!("{run} --plugin-dir own source faulty -o home/other.tar; {run} --plugin-dir own plugin list | grep 1.0.1"));
}

fn core_commands_stay() {
    let forge = installed();
    // A source called "plugin", a program that cargo or git would take for a command.
    Faulty::new("none")
        .patch(b"id = \"faulty\"", b"id = \"plugin\"")
        .write(forge.path(PLUGINS).join("faulty.so"));
    let program = forge.write("path/ctr-forge-plugin", "#!/bin/sh\necho taken over\n");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", forge.path("path").display());
    let forge = forge.env("PATH", &path);
    let listed = forge.ok(["plugin", "list"]).stdout();
    assert!(listed.contains("source plugin") && !listed.contains("taken over"), "{listed}");
    let help = forge.ok(["source", "plugin", "--help"]).stdout();
    assert!(help.contains("A root filesystem, if nothing goes wrong"), "{help}");
    // Nor can an option of a plugin take the place of one that all sources have.
    let taken = Faulty::new("none").patch(b"name = \"extra\"", b"name = \"quiet\"");
    taken.write(forge.path(PLUGINS).join("faulty.so"));
    assert!(refused(&list(&forge, &[])).1.contains("ctr-forge's own"));
}

fn lists_are_json() {
    let forge = installed();
    Faulty::new("none").write(forge.path(PLUGINS).join("faulty.so"));
    let found = list(&forge, &[]);
    let path = forge.path(PLUGINS).join("faulty.so").canonicalize().unwrap();
    let expected = serde_json::json!([{
        "name": "faulty", "version": "1.0.0", "summary": "Breaks the contract in a way of choice",
        "sources": ["faulty"], "outputs": [], "path": path, "shape": "library", "origin": "installed",
    }]);
    assert_eq!(found["plugins"], expected);
    let info: Value =
        serde_json::from_slice(&forge.ok(["plugin", "info", "faulty", "--json"]).stdout).unwrap();
    assert_eq!(info["name"], "faulty");
}

fn write_policy(forge: &Forge, name: &str, text: &str) {
    forge.write(format!("usr/{name}"), text);
}

const VENDOR: &str = "share/ctr-forge/policy.d/50-vendor.toml";
const ADMIN: &str = "etc/ctr-forge/policy.d/50-admin.toml";

fn policy_by_name() {
    let forge = installed();
    Faulty::new("none").write(forge.path(PLUGINS).join("faulty.so"));
    let disabled = |forge: &Forge| {
        let (kind, error) = refused(&list(forge, &[]));
        assert!(
            kind == "permission" && error.contains("the policy of this installation disables it"),
            "{error}"
        );
    };
    write_policy(&forge, VENDOR, "disabled = [\"faulty\"]\n");
    disabled(&forge);
    forge.fails(2, ["source", "faulty"]).says(&[
        "there is no source \"faulty\"",
        "was refused",
        "disables it",
    ]);
    // Even where the user names it.
    Faulty::new("none").write(forge.path("own/faulty.so"));
    forge.fails(6, ["--plugin", "own/faulty.so", "source", "faulty"]).says(&["disables it"]);
    // The administrator's word is the last.
    write_policy(&forge, ADMIN, "disabled = []\n");
    assert!(used(&list(&forge, &[])).is_some());
    write_policy(&forge, ADMIN, "disabled = []\nenabled = [\"scratch\"]\n");
    disabled(&forge);
    write_policy(&forge, ADMIN, "disabled = []\nenabled = [\"faulty\"]\n");
    assert!(used(&list(&forge, &[])).is_some());
    write_policy(&forge, "etc/ctr-forge/policy.d/60-later.toml", "enabled = []\n");
    disabled(&forge);
}

fn policy_by_place() {
    let forge = installed();
    Faulty::new("none").write(forge.path("own/faulty.so"));
    write_program(&forge, "path", 1);
    let path = format!("{}:/usr/bin:/bin", forge.path("path").display());
    let forge = forge.env("PATH", &path);
    assert!(used(&list(&forge, &["--plugin-dir", "own"])).is_some());
    write_policy(&forge, ADMIN, "allow-user-plugins = false\n");
    let found = list(&forge, &["--plugin-dir", "own"]);
    assert_eq!(used(&found).unwrap().1, "on PATH");
    assert!(refused(&found).1.contains("allows no plugins of users"), "{found:#}");
    forge
        .fails(6, ["--plugin", "own/faulty.so", "source", "faulty"])
        .says(&["cannot use the plugin own/faulty.so", "allow-user-plugins"]);
    write_policy(&forge, ADMIN, "allow-path-executables = false\n");
    assert_eq!(used(&list(&forge, &[])), None);
    // File systems that cannot tell owners.
    fs::set_permissions(forge.path("own/faulty.so"), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(refused(&list(&forge, &["--plugin-dir", "own"])).0, "permission");
    let own = forge.path("own").canonicalize().unwrap();
    write_policy(&forge, ADMIN, &format!("trusted-dirs = [{:?}]\n", own.display().to_string()));
    assert!(used(&list(&forge, &["--plugin-dir", "own"])).is_some());
}

fn policy_by_digest() {
    let forge = installed();
    let file = forge.path(PLUGINS).join("faulty.so");
    Faulty::new("none").write(&file);
    let digest = forge.sh(&format!("sha256sum {PLUGINS}/faulty.so | cut -c-64")).stdout();
    write_policy(&forge, VENDOR, &format!("[sha256]\nfaulty = \"{}\"\n", digest.trim()));
    assert!(used(&list(&forge, &[])).is_some());
    Faulty::new("none").version(1).write(&file);
    let (kind, error) = refused(&list(&forge, &[]));
    assert!(kind == "verification" && error.contains(digest.trim()), "{error}");
    let file = file.to_str().unwrap();
    forge.fails(9, ["--plugin", file, "source", "faulty"]).says(&["the policy pins"]);
}

fn policy_hints() {
    let forge = installed();
    write_policy(&forge, VENDOR, "[install-hint]\ndnf = \"apt install ctr-forge-source-dnf\"\n");
    forge
        .fails(2, ["source", "dnf"])
        .says(&["there is no source \"dnf\"", "hint: Install it: apt install ctr-forge-source-dnf"]);
}

fn a_bad_policy_is_an_error() {
    let forge = installed();
    for text in ["disabled = \"faulty\"\n", "alow-user-plugins = false\n", "= broken"] {
        write_policy(&forge, ADMIN, text);
        forge.fails(3, ["plugin", "list"]).says(&["cannot use policy", "50-admin.toml"]);
    }
    fs::remove_file(forge.path("usr").join(ADMIN)).unwrap();
    forge.ok(["plugin", "list"]);
}
