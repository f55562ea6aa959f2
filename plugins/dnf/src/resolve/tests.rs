//! What is chosen, in which order, and what is said where nothing can be.

use proptest::prelude::*;

use super::rules::Rules;
use super::testing::{Words, chosen, is_possible, offers, packages, sorted};
use super::universe::Universe;
use super::{Hidden, Want, check, needs_filelists, resolve, solve, wants};

#[test]
fn what_a_package_needs_comes_along_and_before_it() {
    let text = "a\n Requires: b, c\nb\n Requires: c\nc\nd\n";
    assert_eq!(chosen(text, "a"), "c b a");
    assert_eq!(chosen(text, "d, d"), "d");
    assert_eq!(chosen(text, ""), "");
}

#[test]
fn the_newest_of_the_best_repository_is_taken() {
    let text = "a 1\na 3 noarch\na 2\nb 9 x86_64 0 99\nb 5 x86_64 1 10\nc\n Requires: b\n";
    assert_eq!(chosen(text, "a"), "a-3.noarch");
    assert_eq!(chosen(text, "b"), "b-5");
    assert_eq!(chosen(text, "c"), "b-5 c");
}

#[test]
fn a_package_is_named_in_dnfs_ways() {
    let text = "gcc 13\ngcc 14\ngcc 14 i686\ngcc-c++ 14\nlib\n Provides: libx.so.1()(64bit), perl(X) = 3\n Files: /usr/bin/x\n\
                a-1\n";
    assert_eq!(chosen(text, "gcc"), "gcc-14");
    assert_eq!(chosen(text, "gcc-13"), "gcc-13");
    assert_eq!(chosen(text, "gcc-13-1"), "gcc-13");
    assert_eq!(chosen(text, "gcc-0:13-1.x86_64"), "gcc-13");
    assert_eq!(chosen(text, "gcc < 14"), "gcc-13");
    assert_eq!(chosen(text, "gcc*"), "gcc-14 gcc-c++-14");
    assert_eq!(chosen(text, "libx.so.1()(64bit)"), "lib");
    assert_eq!(chosen(text, "perl(X) >= 2"), "lib");
    assert_eq!(chosen(text, "perl(*)"), "lib");
    assert_eq!(chosen(text, "/usr/bin/x"), "lib");
    assert_eq!(chosen(text, "/usr/*/x"), "lib");
    assert_eq!(chosen(text, "(gcc-c++ and lib)"), "gcc-c++-14 lib");
    // A name comes before a name with a version.
    assert_eq!(chosen(text, "a-1"), "a-1");
    // A pattern asks for one package of each name, one of paths for one package.
    assert_eq!(chosen("foo 1\nfoo 2 noarch\nfoo 1 i686\n", "foo.*"), "foo-2.noarch");
    assert_eq!(chosen("p\n Provides: /opt/x\nq\n Provides: /opt/x\n", "/opt/*"), "p");
}

#[test]
fn what_does_not_exist_is_told_with_what_may_be_meant() {
    let text = "bash\nfoo 1 i686\nbar 1 aarch64\nbaz\n";
    assert_eq!(chosen(text, "bsah"), "no package is called bsah, and none provides it; there is bash");
    assert_eq!(chosen(text, "nothing"), "no package is called nothing, and none provides it");
    let foreign = "bar cannot be had: bar-1-1.aarch64 is of an architecture that does not run here";
    assert_eq!(chosen(text, "bar"), foreign);
    assert_eq!(chosen(text, "bash >= 2"), "bash >= 2 cannot be had: the newest is bash-1-1.x86_64");
    let words = Words { exclude: vec!["ba*".to_owned()], ..Words::new("bash") };
    assert_eq!(words.resolve(text), "bash cannot be had: bash-1-1.x86_64 is excluded");
    let words = Words { wants: vec![Want::Offer(7)], ..Words::default() };
    assert_eq!(words.resolve(text), "there is no offer 7");
    let text = "a\n Requires: b >= 5\nb 1\nb 3 aarch64\nc\n Requires: d >= 2\nd 1 aarch64\n";
    assert!(chosen(text, "a").ends_with("needs b >= 5, but the newest is b-1-1.x86_64"));
    assert!(chosen(text, "c").ends_with("d-1-1.aarch64 is of an architecture that does not run here"));
}

#[test]
fn a_word_excludes_what_its_first_form_names() {
    let words = |exclude: &str| Words { exclude: vec![exclude.to_owned()], ..Words::new("foo") };
    assert_eq!(words("foo-1").resolve("foo 1\n"), "foo cannot be had: foo-1-1.x86_64 is excluded");
    assert_eq!(words("foo-1").resolve("foo 1\nfoo-1\n"), "foo");
}

#[test]
fn what_is_hidden_is_not_chosen_but_known() {
    let packages = packages("a 3\nb\n Requires: x\np 1\n Provides: x\np 2\n Provides: x\nq\n Provides: x\n");
    let mut offers = offers(&packages);
    offers[0].hidden = Some(Hidden::ByRepository("updates"));
    offers[3].hidden = Some(Hidden::ByModules);
    let told = |words: &str| resolve(&offers, &Words::new(words).request()).unwrap_err().to_string();
    assert_eq!(told("a"), "a cannot be had: a-3-1.x86_64 is excluded in the repository updates");
    assert_eq!(
        told("p-2"),
        "p-2 cannot be had: p-2-1.x86_64 is hidden by modules, whose streams are enabled by @module:stream"
    );
    // That there is a newer version counts against one, even if that is hidden.
    assert_eq!(resolve(&offers, &Words::new("b").request()), Ok(vec![4, 1]));
}

#[test]
fn an_offer_can_be_asked_for_by_itself() {
    let text = "a 2\na 1\nb\n Requires: a\n";
    let mut words = Words::new("b");
    words.wants.push(Want::Offer(1));
    assert_eq!(words.resolve(text), "a b");
}

#[test]
fn a_local_file_comes_before_all_repositories() {
    let packages = packages("a 2\na 1\nb\n Requires: a\n");
    let mut offers = offers(&packages);
    offers[1].is_local = true;
    let words = Words::new("b");
    assert_eq!(resolve(&offers, &words.request()), Ok(vec![1, 2]));
    let words = Words { exclude: vec!["a".to_owned()], ..words };
    assert_eq!(resolve(&offers, &words.request()), Ok(vec![1, 2]));
}

#[test]
fn an_obsoleted_package_gives_way() {
    let text = "old 5\nnew 1\n Obsoletes: old < 6\n Provides: old = 6\nneeds\n Requires: old\n";
    assert_eq!(chosen(text, "old"), "new");
    assert_eq!(chosen(text, "needs"), "new needs");
    assert_eq!(chosen("old 7\nnew\n Obsoletes: old < 6\n", "old"), "old-7");
    // Only where nothing but a name is said.
    assert_eq!(chosen(text, "old.x86_64"), "old-5");
    assert_eq!(chosen(text, "old-5"), "old-5");
    // By name and version, not by what it provides.
    assert_eq!(sorted("a\n Provides: old\nnew\n Obsoletes: old\n", "a, new"), "a new");
    // It does not do away with itself.
    assert_eq!(chosen("a 2\n Obsoletes: a < 2\n", "a"), "a-2");
    // What several versions of can be installed obsoletes others all the same.
    let reasons = chosen("kernel\n Obsoletes: old\nold\n", "kernel, old-1");
    assert!(reasons.contains("kernel-1-1.x86_64 obsoletes old-1-1.x86_64"), "{reasons}");
}

#[test]
fn of_many_that_obsolete_each_other_all_stay() {
    let names: Vec<_> = (0..150).map(|number| format!("p{number:03}")).collect();
    let one = |name: &String| {
        let others: Vec<_> = names.iter().filter(|other| *other != name).map(String::as_str).collect();
        format!("{name}\n Provides: x\n Obsoletes: {}\n", others.join(", "))
    };
    let many: String = names.iter().map(one).collect();
    assert_eq!(chosen(&format!("a\n Requires: x\n{many}"), "a"), "p000 a");
    let over = format!("{many}over\n Provides: x\n Obsoletes: p000, p001\n");
    assert_eq!(chosen(&format!("a\n Requires: x\n{over}"), "a"), "over a");
}

#[test]
fn more_choices_than_are_made_again_still_make_a_whole() {
    const COUNT: usize = 201;
    let needs: Vec<_> = (0..COUNT).map(|number| format!("x{number}")).collect();
    let both = |number: usize| {
        format!("p{number}\n Provides: x{number}\n Requires: q{number}\nq{number}\n Provides: x{number}\n")
    };
    let text = format!("a\n Requires: {}\n{}", needs.join(", "), (0..COUNT).map(both).collect::<String>());
    let packages = packages(&text);
    assert_eq!(Words::new("a").indexes(&packages).unwrap().len(), 1 + COUNT + 1);
    assert_eq!(Words::new("a").weak().indexes(&packages).unwrap().len(), 1 + COUNT + 1);
}

#[test]
fn conflicts_keep_packages_apart_but_never_from_themselves() {
    let text = "a\n Requires: x\nb\n Provides: x\n Conflicts: a\nc\n Provides: x\n Conflicts: x\n";
    assert_eq!(chosen(text, "a"), "c a");
    assert_eq!(chosen("m\n Provides: mta\n Conflicts: mta\n", "m"), "m");
}

#[test]
fn versions_of_what_is_provided_count() {
    let text = "a\n Requires: x >= 2\np\n Provides: x = 1\nq\n Provides: x = 2\n";
    assert_eq!(chosen(text, "a"), "q a");
    // As in rpm, what is provided without a version is there in each.
    assert_eq!(chosen("a\n Requires: x >= 2\np\n Provides: x\n", "a"), "p a");
}

#[test]
fn of_providers_the_best_is_taken_as_libsolv_does() {
    let both = "a\n Requires: x\nq\n Provides: x\np\n Provides: x\n";
    assert_eq!(chosen(both, "a"), "p a");
    // One that is there anyway, even if that shows later.
    assert_eq!(sorted(both, "a, q"), "a q");
    assert_eq!(sorted(&format!("{both}b\n Requires: q\n"), "a, b"), "a b q");
    assert_eq!(chosen(&format!("{both}p 2\n"), "a"), "q a");
    let versions = "a\n Requires: x\np\n Provides: x = 1\nq\n Provides: x = 2\n";
    assert_eq!(chosen(versions, "a"), "q a");
    let suggested = both.replacen("Requires: x\n", "Requires: x\n Suggests: q\n", 1);
    assert_eq!(chosen(&suggested, "a"), "q a");
    let enhancing = both.replacen("q\n Provides: x\n", "q\n Provides: x\n Enhances: a\n", 1);
    assert_eq!(chosen(&enhancing, "a"), "q a");
    let recommended = both.replacen("Requires: x\n", "Requires: x\n Recommends: q\n", 1);
    assert_eq!(chosen(&recommended, "a"), "q a");
}

#[test]
fn a_choice_that_cannot_be_had_is_taken_back() {
    let text = "a\n Requires: x\np\n Provides: x\n Requires: missing\nq\n Provides: x\n";
    assert_eq!(chosen(text, "a"), "q a");
    let text = "a\n Requires: x, y\np\n Provides: x\n Conflicts: y\nq\n Provides: x\nr\n Provides: y\n";
    assert_eq!(chosen(text, "a"), "q r a");
    // What is needed may be older than the newest; what is asked for may not.
    let text = "a\n Requires: b\nb 2\n Requires: missing\nb 1\n";
    assert_eq!(chosen(text, "a"), "b a");
    assert!(chosen(text, "b").contains("b is wanted in its newest version, which is b-2-1.x86_64"));
}

#[test]
fn rich_dependencies_mean_what_they_say() {
    let text = "a\n Requires: (b if c)\nb\nc\nd\n Requires: (b if z else e)\ne\nz\n\
                f\n Requires: (x with y)\ng\n Provides: x\nh\n Provides: x, y\n\
                i\n Requires: (x without y)\nj\n Requires: (b unless c)\nk\n Conflicts: (b and c)\n";
    assert_eq!(chosen(text, "a"), "a");
    assert_eq!(sorted(text, "a, c"), "a b c");
    assert_eq!(sorted(text, "d"), "d e");
    assert_eq!(sorted(text, "d, z"), "b d z");
    assert_eq!(sorted(text, "f"), "f h");
    assert_eq!(sorted(text, "i"), "g i");
    assert_eq!(sorted(text, "j"), "b j");
    assert!(chosen(text, "j, c").contains("j-1-1.x86_64"));
    assert_eq!(sorted(text, "k, b"), "b k");
    let reasons = chosen(text, "k, b, c");
    let told = "k-1-1.x86_64 conflicts with (b and c), which holds beside b-1-1.x86_64, c-1-1.x86_64";
    assert!(reasons.contains(told), "{reasons}");
}

#[test]
fn conditions_within_conditions_come_to_an_end() {
    let nested = |depth: usize| (0..depth).fold("c".to_owned(), |inner, _| format!("(p if {inner} else q)"));
    let text = |depth: usize| format!("a\n Requires: {}\nc\np\nq\n", nested(depth));
    assert_eq!(sorted(&text(3), "a, c"), "a c p");
    assert!(chosen(&text(31), "a").contains("a-1-1.x86_64 needs (p if"));
    // A long list is no deep one.
    let names: Vec<_> = (0..3000).map(|number| format!("p{number}")).collect();
    let text = format!("a\n Requires: ({} if c)\nc\n{}\n", names.join(" or "), names.join("\n"));
    assert_eq!(chosen(&text.replace("(p0 or", "((p0 or").replace(" if c", ") if c"), "a, c"), "c p0 a");
}

#[test]
fn weak_dependencies_come_only_if_asked_for_and_never_break_hard_ones() {
    let text = "a\n Recommends: b, c, missing\n Conflicts: c\nb\nc\nd\n Supplements: a\ne\n Supplements: (a and b)\n\
                f\n Suggests: b\ng\n Supplements: b\n Requires: missing\n";
    let weak = |words: &str| {
        let chosen = Words::new(words).weak().resolve(text);
        let mut names: Vec<_> = chosen.split(' ').map(str::to_owned).collect();
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(chosen(text, "a"), "a");
    assert_eq!(weak("a"), "a b d e");
    assert_eq!(weak("f"), "f");
    // Of what can be there in several versions one comes.
    let text = "a\nkernel 1\n Supplements: a\nkernel 2\n Supplements: a\n";
    assert_eq!(Words::new("a").weak().resolve(text), "a kernel-2");
}

#[test]
fn other_architectures_come_only_where_nothing_native_does() {
    let text = "a\n Requires: x\np 1\n Provides: x\np 2 i686\n Provides: x\nq 1 i686\n Provides: y\nb\n Requires: y\n";
    assert_eq!(chosen(text, "a"), "p a");
    assert_eq!(chosen(text, "b"), "q.i686 b");
    // Two word sizes of one version stand beside each other.
    let text = "p 2\np 2 i686\n Requires: libc(x86-32)\nlibc 1 i686\n Provides: libc(x86-32)\n";
    assert_eq!(sorted(text, "p, p.i686"), "libc.i686 p-2 p-2.i686");
    assert_eq!(sorted(text, "p.i686"), "libc.i686 p-2 p-2.i686");
    assert_eq!(chosen(text, "p"), "p-2");
    // Two versions do not.
    assert!(chosen("p 2\np 1 i686\n", "p, p.i686").contains("stands only beside"));
    let text = "p 2\np 1 i686\np 1 noarch\n Requires: missing\n";
    assert!(chosen(text, "p-2, p.i686").contains("stands only beside"));
}

#[test]
fn features_of_rpm_are_nobodys() {
    let text = "a\n Requires: rpmlib(FileCaps) <= 4.6.1-1\nb\n Requires: rpmlib(Telepathy) <= 1-1\n";
    assert_eq!(chosen(text, "a"), "a");
    assert_eq!(
        chosen(text, "b"),
        "b is wanted, which is b-1-1.x86_64\n  b-1-1.x86_64 needs rpmlib(Telepathy) <= 1-1, but that is no feature of \
         an rpm that is known here"
    );
}

#[test]
fn only_one_version_comes_unless_the_kernel_is_asked_for_twice() {
    let text = "kernel 1\nkernel 2\na 1\na 2\n";
    assert_eq!(chosen(text, "kernel"), "kernel-2");
    assert_eq!(sorted(text, "kernel-1, kernel-2"), "kernel kernel-2");
    assert!(chosen(text, "a-1, a-2").contains("cannot be installed beside"));
}

#[test]
fn file_lists_are_needed_where_nobody_is_known_to_have_a_path() {
    let text = "a\n Requires: /usr/share/x\nb\n Requires: /bin/sh\nsh\n Files: /bin/sh\nc\n Requires: (d if /usr/share/x)\nd\n Conflicts: /usr/share/x\n";
    let packages = packages(text);
    let needs = |words: &str| needs_filelists(&offers(&packages), &Words::new(words).request());
    assert!(needs("a"));
    assert!(!needs("b"));
    assert!(needs("c"));
    assert!(needs("d"));
    assert!(needs("/usr/share/y"));
    assert!(!needs("/bin/sh"));
    assert!(!needs("nothing"));
    // Of what a pattern fits, not all is known, but for where the main metadata have everything.
    assert!(needs("/*/sh"));
    assert!(!needs("/bin/s*"));
}

#[test]
fn circles_are_broken_where_scripts_need_least() {
    let text = "a\n Requires: b\nb\n Requires(pre): c\nc\n Requires: a\n";
    assert_eq!(chosen(text, "a"), "a c b");
    let text = "glibc\n Requires: common, bash\ncommon\n Requires: glibc\nbash\n Requires(pre): glibc\nz\n Requires: bash\n";
    assert_eq!(chosen(text, "z"), "common glibc bash z");
}

#[test]
fn the_order_of_the_repository_does_not_count() {
    let text = "a\n Requires: x\nq\n Provides: x\np\n Provides: x\n Requires: q\n";
    let mut packages = packages(text);
    let names = |packages: &[_]| {
        let chosen = Words::new("a").indexes(packages).unwrap();
        chosen.iter().map(|&index: &usize| packages[index].0.name.to_string()).collect::<Vec<_>>()
    };
    let first = names(&packages);
    packages.reverse();
    assert_eq!(names(&packages), first);
    packages.swap(0, 1);
    assert_eq!(names(&packages), first);
}

#[test]
fn why_nothing_can_be_had_is_told_in_words() {
    let text = "a\n Requires: b >= 2\nb 1\n";
    assert_eq!(
        chosen(text, "a"),
        "a is wanted, which is a-1-1.x86_64\n  a-1-1.x86_64 needs b >= 2, but the newest is b-1-1.x86_64"
    );
    let text = "a\n Requires: c\nb\n Conflicts: c\nc\n";
    let reasons = chosen(text, "a, b");
    assert!(reasons.contains("b-1-1.x86_64 conflicts with c-1-1.x86_64"), "{reasons}");
    assert!(reasons.contains("a-1-1.x86_64 needs c"), "{reasons}");
    let text = "a\n Requires: x\np\n Provides: x\n Requires: missing\nq\n Provides: x\n Requires: gone\n";
    let reasons = chosen(text, "a");
    assert!(reasons.contains("p-1-1.x86_64 needs missing, but nothing provides it"), "{reasons}");
    assert!(reasons.contains("q-1-1.x86_64 needs gone, but nothing provides it"), "{reasons}");
}

/// Packages `a` to `e` in up to three versions, with relations among them.
fn any_universe() -> impl Strategy<Value = String> {
    let name = || prop_oneof!["[a-e]", "[a-e] (<|<=|=|>=|>) [1-3]", "[xy]", "[xy] (<|>=|=) [1-3]"];
    let rich =
        |words: &'static str| (name(), words, name()).prop_map(|(a, word, b)| format!("({a} {word} {b})"));
    let some = |kinds: &'static str, words: &'static str| {
        let what = prop_oneof![3 => name(), 1 => rich(words)];
        (kinds, what).prop_map(|(kind, what)| format!(" {kind}: {what}\n"))
    };
    // rpm takes no conflict with a condition; what one means that a package meets itself is open.
    let conflict = some("Conflicts", "(and|or|with|without)");
    let relation = some("(Requires|Recommends|Supplements|Suggests)", "(and|or|if|unless|with|without)");
    let requires = some("Requires", "(and|or|if|unless|with|without)");
    let provide = "[xy]( = [1-3])?".prop_map(|what| format!(" Provides: {what}\n"));
    let obsolete = "[a-e] < [1-3]".prop_map(|what| format!(" Obsoletes: {what}\n"));
    let line = prop_oneof![2 => relation, 3 => requires, 2 => conflict, 2 => provide, 1 => obsolete];
    let head = "[a-e] [1-3](| noarch| i686)";
    let package = (head, prop::collection::vec(line, 0..4))
        .prop_map(|(head, lines)| format!("{head}\n{}", lines.concat()));
    prop::collection::vec(package, 1..9).prop_map(|packages| packages.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// The words ask for exact offers, so that what is asked for is no matter of choice. Nothing is
    /// for i686, as what may stand beside what is libsolv's own rule, not rpm's.
    #[test]
    fn a_set_is_found_exactly_where_there_is_one(text in any_universe(), first in 0..9_usize, second in 0..9_usize, weak: bool) {
        let text = text.replace(" i686", "");
        let packages = packages(&text);
        let wanted: Vec<usize> = [first, second].iter().map(|index| index % packages.len()).collect();
        let words = Words { wants: wanted.iter().map(|&index| Want::Offer(index)).collect(), weak, ..Words::default() };
        let groups: Vec<_> = wanted.iter().map(|&index| vec![index]).collect();
        match words.indexes(&packages) {
            Ok(chosen) => prop_assert!(wanted.iter().all(|index| chosen.contains(index))),
            Err(error) => prop_assert!(!is_possible(&packages, &groups), "{text}\n{error}"),
        }
    }

    /// The solver of last resort, on its own.
    #[test]
    fn the_other_solver_finds_a_set_exactly_where_there_is_one(text in any_universe(), first in 0..9_usize, second in 0..9_usize) {
        let text = text.replace(" i686", "");
        let packages = packages(&text);
        let offers = offers(&packages);
        let wanted: Vec<usize> = [first, second].iter().map(|index| index % packages.len()).collect();
        let wants: Vec<_> = wanted.iter().map(|&index| Want::Offer(index)).collect();
        let words = Words { wants: wants.clone(), ..Words::default() };
        let universe = Universe::new(&offers, &words.request());
        let settled = wants::settle(&universe, &wants).unwrap();
        let rules = Rules::new(&universe, &settled, false).unwrap();
        match solve::solve(&rules) {
            Some(chosen) => {
                prop_assert_eq!(check::fault(&rules.packages(&chosen)), None);
                prop_assert!(wanted.iter().all(|&index| chosen.iter().any(|&id| universe.offer(id) == index)));
            }
            None => {
                let groups: Vec<_> = wanted.iter().map(|&index| vec![index]).collect();
                prop_assert!(!is_possible(&packages, &groups), "{text}");
            }
        }
    }

    #[test]
    fn whatever_is_found_holds(text in any_universe(), words in "[a-e](, [a-ex])?", weak: bool) {
        let packages = packages(&text);
        let words = Words { weak, ..Words::new(&words) };
        if let Ok(chosen) = words.indexes(&packages) {
            let again = words.indexes(&packages).unwrap();
            prop_assert_eq!(chosen, again);
        }
    }
}
