use super::*;
use crate::dependency::Relation;
use crate::package::Package;
use crate::version::Evr;

const MODULES: &str = r#"---
document: modulemd
version: 2
data:
  name: nodejs
  stream: "18"
  version: 1
  context: c1
  arch: x86_64
  dependencies:
  - buildrequires: {platform: [el9]}
    requires: {platform: [el9]}
  profiles:
    common: {rpms: [nodejs, npm]}
    minimal: {rpms: [nodejs]}
  artifacts:
    rpms:
    - nodejs-1:18.1-1.el9.x86_64
    - nodejs-1:18.1-1.el9.src
    - npm-1:9-1.el9.x86_64
...
---
document: modulemd
version: 2
data:
  name: nodejs
  stream: 20
  version: 3
  artifacts: {rpms: [nodejs-1:20.1-1.el9.x86_64]}
...
---
document: modulemd
version: 2
data:
  name: app
  stream: x
  version: 1
  context: old
  dependencies: [{requires: {nodejs: ["18"], platform: [el9]}}]
  artifacts: {rpms: [app-1-1.el9.noarch]}
---
document: modulemd
version: 2
data:
  name: app
  stream: x
  version: 1
  context: new
  dependencies: [{requires: {nodejs: ["20"]}}]
  artifacts: {rpms: [app-0:2-1.el9.noarch]}
---
document: modulemd
version: 1
data:
  name: old
  stream: f29
  version: 5
  dependencies: {requires: {platform: f29}}
  artifacts: {rpms: [old-0:1-1.noarch]}
---
document: modulemd-defaults
version: 1
data:
  module: nodejs
  stream: 18
  profiles: {18: [common], 20: []}
---
document: modulemd-defaults
version: 1
data: {module: old, stream: f29}
---
document: modulemd-translations
version: 1
data: {module: nodejs}
"#;

fn package(name: &str, epoch: u32, version: &str, arch: &str) -> Package {
    let evr = Evr { epoch, version: version.into(), release: Some("1.el9".into()) };
    Package { name: name.into(), evr, arch: arch.into(), ..Package::default() }
}

fn wanted(words: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    words.iter().map(|(name, stream)| ((*name).to_owned(), stream.map(str::to_owned))).collect()
}

fn visible(words: &[(&str, Option<&str>)], platform: Option<&str>) -> Result<Selection, ModulesError> {
    Modules::parse(MODULES).unwrap().visible(&wanted(words), platform)
}

#[test]
fn only_default_streams_show_where_nothing_is_said() {
    let Selection { enabled, filter } = visible(&[], Some("platform:el9")).unwrap();
    assert_eq!(enabled.iter().collect::<Vec<_>>(), [(&"nodejs".to_owned(), &"18".to_owned())]);
    assert!(!filter.hides(&package("nodejs", 1, "18.1", "x86_64")));
    assert!(filter.hides(&package("nodejs", 1, "20.1", "x86_64")));
    assert!(filter.hides(&package("app", 0, "1", "noarch")));
    assert!(!filter.hides(&package("bash", 0, "5", "x86_64")));
}

#[test]
fn a_package_of_no_module_must_not_stand_in_for_one_that_is() {
    let filter = visible(&[], Some("platform:el9")).unwrap().filter;
    assert!(filter.hides(&package("nodejs", 0, "99", "x86_64")));
    let provides = vec![Relation { name: "npm".into(), bound: None }];
    assert!(filter.hides(&Package { provides, ..package("other", 0, "1", "noarch") }));
}

#[test]
fn a_stream_enables_what_it_needs_and_shows_the_context_that_fits() {
    let by_default = visible(&[("app", Some("x")), ("nodejs", Some("18"))], None).unwrap();
    assert!(!by_default.filter.hides(&package("app", 0, "1", "noarch")));
    assert!(by_default.filter.hides(&package("app", 0, "2", "noarch")));
    let other = visible(&[("app", Some("x")), ("nodejs", Some("20"))], Some("platform:el9")).unwrap();
    assert!(other.filter.hides(&package("app", 0, "1", "noarch")));
    assert!(!other.filter.hides(&package("app", 0, "2", "noarch")));
    let alone = visible(&[("app", Some("x"))], Some("platform:el8")).unwrap();
    assert_eq!(alone.enabled["nodejs"], "20");
}

#[test]
fn what_cannot_be_enabled_is_said() {
    let error = |words: &[_], platform| visible(words, platform).unwrap_err().to_string();
    assert_eq!(error(&[("none", None)], None), "there is no module \"none\"");
    assert!(error(&[("nodejs", Some("7"))], None).ends_with("but 18, 20"));
    assert!(error(&[("app", None)], None).contains("no default stream"));
    assert!(error(&[("nodejs", Some("18")), ("nodejs", Some("20"))], None).contains("two streams"));
    assert!(error(&[("old", None)], Some("platform:el9")).contains("platform:f29"));
}

#[test]
fn profiles_have_packages() {
    let modules = Modules::parse(MODULES).unwrap();
    assert_eq!(modules.profile("nodejs", "18", None).unwrap(), ["nodejs", "npm"]);
    assert_eq!(modules.profile("nodejs", "18", Some("minimal")).unwrap(), ["nodejs"]);
    assert!(modules.profile("nodejs", "20", None).unwrap().is_empty());
    assert!(
        modules.profile("nodejs", "18", Some("x")).unwrap_err().to_string().ends_with("but common, minimal")
    );
    assert!(modules.profile("none", "1", None).is_err());
}

#[test]
fn a_stream_without_a_name_is_refused() {
    for bad in ["document: modulemd\ndata: {stream: x}", "document: modulemd\ndata: {name: x}", "a: *b"] {
        assert!(Modules::parse(bad).is_err(), "{bad}");
    }
    let bad = "document: modulemd\ndata: {name: x, stream: y, version: z}";
    assert!(Modules::parse(bad).is_err());
    assert!(Modules::parse("document: other\ndata: x\n").unwrap().is_empty());
}

#[test]
fn what_a_default_stream_has_enabled_goes_with_it() {
    let module = |name: &str, needs: &str| {
        format!(
            "---\ndocument: modulemd\ndata: {{name: {name}, stream: s, dependencies: [{{requires: {{{needs}}}}}]}}\n"
        )
    };
    let default =
        |name: &str| format!("---\ndocument: modulemd-defaults\ndata: {{module: {name}, stream: s}}\n");
    let text = module("a", "b: [], none: []") + &module("b", "") + &module("c", "d: []") + &module("d", "");
    let modules = Modules::parse(&(text + &default("a") + &default("c"))).unwrap();
    let enabled = modules.visible(&[], None).unwrap().enabled;
    assert_eq!(enabled.keys().collect::<Vec<_>>(), ["c", "d"]);
}

/// Many defaults that can be, as many that cannot, and many builds of the module that those need.
#[test]
fn a_great_many_modules_take_no_time() {
    let mut modules = Modules::default();
    for number in 0..20_000 {
        let stream = |name: String, needs: Vec<String>| {
            let requires = needs.into_iter().map(|name| (name, Vec::new())).collect();
            Stream { name, stream: "s".into(), requires, ..Stream::default() }
        };
        let (good, unfit) = (format!("good{number}"), format!("unfit{number}"));
        modules.streams.push(stream("bad".into(), vec![format!("none{number}")]));
        modules.streams.push(stream(good.clone(), Vec::new()));
        modules.streams.push(stream(unfit.clone(), vec!["bad".into()]));
        let defaults = Defaults { stream: Some("s".into()), ..Defaults::default() };
        modules.defaults.extend([(good, defaults.clone()), (unfit, defaults)]);
    }
    let began = std::time::Instant::now();
    assert_eq!(modules.visible(&[], None).unwrap().enabled.len(), 20_000);
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn modules_that_need_each_other_end() {
    let one = |name: &str, other: &str| {
        format!(
            "---\ndocument: modulemd\ndata: {{name: {name}, stream: s, version: 1, dependencies: [{{requires: {{{other}: []}}}}]}}\n"
        )
    };
    let modules = Modules::parse(&(one("a", "b") + &one("b", "a"))).unwrap();
    assert_eq!(modules.visible(&wanted(&[("a", Some("s"))]), None).unwrap().enabled.len(), 2);
}
