//! Its groups.

use super::filler;

/// What `@core` has to have.
pub const CORE: &[&str] = &[
    "basesystem",
    "bash",
    "coreutils",
    "filesystem",
    "glibc",
    "grep",
    "rpm",
    "sed",
    "setup",
    "shadow-utils",
    "util-linux",
];

/// Its comps.xml.
pub fn comps() -> String {
    let core: String = CORE.iter().map(|name| package("mandatory", name)).collect();
    let core = core
        + &package("default", "hostname")
        + &package("default", "less")
        + &package("optional", "nano")
        + "<packagereq type=\"conditional\" requires=\"httpd\">httpd-manual</packagereq>\n";
    let standard =
        package("mandatory", "tar") + &package("default", "which") + &package("optional", "diffutils");
    let everything: String = filler::names().iter().map(|name| package("mandatory", name)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE comps PUBLIC \"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\">\n<comps>\n{}{}{}\
         <environment>\n<id>minimal-environment</id>\n<name>Minimal Install</name>\n\
         <description>Little.</description>\n<display_order>3</display_order>\n\
         <grouplist>\n<groupid>core</groupid>\n</grouplist>\n\
         <optionlist>\n<groupid>standard</groupid>\n</optionlist>\n</environment>\n\
         <category>\n<id>base-system</id>\n<name>Base</name>\n<description>Base.</description>\n\
         <grouplist>\n<groupid>core</groupid>\n<groupid>standard</groupid>\n</grouplist>\n</category>\n</comps>\n",
        group("core", "Core", &core),
        group("standard", "Standard", &standard),
        group("everything", "Everything", &everything),
    )
}

fn package(kind: &str, name: &str) -> String {
    format!("<packagereq type=\"{kind}\">{name}</packagereq>\n")
}

fn group(id: &str, name: &str, packages: &str) -> String {
    format!(
        "<group>\n<id>{id}</id>\n<name>{name}</name>\n<name xml:lang=\"de\">{name} auf Deutsch</name>\n\
         <description>{name}.</description>\n<default>true</default>\n<uservisible>true</uservisible>\n\
         <packagelist>\n{packages}</packagelist>\n</group>\n"
    )
}
