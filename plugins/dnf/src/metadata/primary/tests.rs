use super::*;

const PACKAGE: &str = r#"<package type="rpm">
  <name>bash</name><arch>x86_64</arch><version epoch="1" ver="5.2" rel="3.fc42"/>
  <checksum type="sha256" pkgid="YES">HEX</checksum>
  <summary>A shell &amp; more</summary><description>x</description><url>https://x</url>
  <time file="2" build="1700000000"/><size package="100" installed="200" archive="300"/>
  <location href="Packages/b/bash.rpm"/>
  <format>
    <rpm:license>GPL-3.0-or-later</rpm:license><rpm:vendor>Fedora</rpm:vendor>
    <rpm:sourcerpm>bash-5.2-3.fc42.src.rpm</rpm:sourcerpm>
    <rpm:provides><rpm:entry name="bash" flags="EQ" epoch="1" ver="5.2" rel="3.fc42"/></rpm:provides>
    <rpm:requires>
      <rpm:entry name="filesystem" flags="GE" epoch="0" ver="3" pre="1"/>
      <rpm:entry name="(a &gt;= 1 if b)"/>
    </rpm:requires>
    <rpm:recommends><rpm:entry name="tip"/></rpm:recommends>
    <file>/usr/bin/bash</file><file type="dir">/etc/bash &lt;d&gt;</file>
  </format>
</package>"#;

fn read_text(packages: &str) -> Result<(Vec<Package>, Vec<BadPackage>), PrimaryError> {
    let text = format!("<metadata xmlns:rpm='x' packages='1'>{packages}</metadata>");
    let text = text.replace("HEX", &"ab".repeat(32));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let sink = Sink {
        wanted: &|arch| arch != "i686",
        package: &mut |package| good.push(package),
        bad: &mut |package| bad.push(package),
    };
    read(text.as_bytes(), &mut Texts::default(), sink)?;
    Ok((good, bad))
}

fn evr_of(epoch: u32, version: &str, release: Option<&str>) -> Evr {
    Evr { epoch, version: version.into(), release: release.map(Into::into) }
}

#[test]
fn a_package_has_all_that_is_said_of_it() {
    let (good, bad) = read_text(PACKAGE).unwrap();
    let ([package], []) = (&good[..], &bad[..]) else { panic!("{good:?} {bad:?}") };
    assert_eq!((&*package.name, &*package.arch), ("bash", "x86_64"));
    assert_eq!(package.evr, evr_of(1, "5.2", Some("3.fc42")));
    assert_eq!(package.digest, format!("sha256:{}", "ab".repeat(32)));
    assert_eq!((package.size, package.installed_size, package.build_time), (100, 200, 1_700_000_000));
    assert_eq!(package.location, "Packages/b/bash.rpm");
    assert_eq!((package.summary.as_str(), &*package.license), ("A shell & more", "GPL-3.0-or-later"));
    assert_eq!((&*package.vendor, &*package.source), ("Fedora", "bash-5.2-3.fc42.src.rpm"));
    assert_eq!(
        package.files.iter().map(|file| &**file).collect::<Vec<_>>(),
        ["/usr/bin/bash", "/etc/bash <d>"]
    );
    assert_eq!(package.provides[0].bound.as_ref().unwrap().operator, Operator::Equal);
    let Dependency::Simple(filesystem) = &package.requires[0].dependency else { panic!() };
    assert_eq!(*filesystem.bound.as_ref().unwrap().evr, evr_of(0, "3", None));
    assert!(package.requires[0].pre && !package.requires[1].pre);
    assert!(matches!(&package.requires[1].dependency, Dependency::Rich(_)));
    assert_eq!(package.recommends.len(), 1);
}

#[test]
fn sources_and_unwanted_architectures_are_left_out() {
    for arch in ["src", "nosrc", "i686"] {
        let text = PACKAGE.replace("x86_64", arch);
        assert_eq!(read_text(&text).unwrap(), (vec![], vec![]), "{arch}");
    }
}

#[test]
fn a_package_that_is_wrong_costs_no_other() {
    for (from, to, why) in [
        ("<name>bash", "<name>a/b", "no name"),
        ("<name>bash", "<name>", "no name"),
        ("<arch>x86_64</arch>", "", "architecture"),
        ("epoch=\"1\" ver=\"5.2\"", "epoch=\"x\" ver=\"5.2\"", "version"),
        ("rel=\"3.fc42\"/>\n", "/>\n", "version"),
        ("HEX", "12", "checksum"),
        ("sha256", "md5", "checksum"),
        ("Packages/b", "../b", "no place below"),
        ("package=\"100\"", "package=\"-1\"", "size"),
        ("name=\"(a &gt;= 1 if b)\"", "name=\"(a if\"", "cannot be read"),
        ("flags=\"GE\"", "flags=\"NE\"", "unknown kind"),
        ("ver=\"3\"", "", "without a good version"),
        ("name=\"tip\"", "", "has no name"),
        (">/usr/bin/bash", ">usr/bin/bash", "absolute"),
    ] {
        let broken = PACKAGE.replacen(from, to, 1);
        assert_ne!(broken, PACKAGE, "{from}");
        let (good, bad) = read_text(&(broken + PACKAGE)).unwrap();
        assert_eq!((good.len(), bad.len()), (1, 1), "{to}");
        assert!(bad[0].why.contains(why), "{to}: {}", bad[0].why);
    }
}

#[test]
fn broken_xml_is_an_error() {
    for bad in ["<package>", "<package><name>&x;</name></package>", "<package></metadata>"] {
        assert!(read_text(bad).is_err(), "{bad}");
    }
}
