//! The rules of a tree, stated in text: `d PATH`, `f PATH=CONTENT`,
//! `l PATH->TARGET`, `h PATH->TARGET`, `p PATH`.

use super::*;
use Duplicates::{LastWins, Refuse};

pub(super) fn path(name: &str) -> RootPath {
    RootPath::new(name.as_bytes()).unwrap()
}

pub(super) fn tree(duplicates: Duplicates) -> Tree {
    Tree::new_in(&std::env::temp_dir(), duplicates).unwrap()
}

/// Inserts the object that `line` describes.
pub(super) fn insert(tree: &mut Tree, line: &str) -> Result<(), TreeError> {
    let (letter, rest) = line.split_once(' ').unwrap();
    let (name, more) = rest.split_once("->").or(rest.split_once('=')).unwrap_or((rest, ""));
    let kind = match letter {
        "f" => Kind::File { size: more.len() as u64 },
        "d" => Kind::Directory,
        "l" => Kind::Symlink(more.as_bytes().into()),
        "h" => Kind::HardLink(path(more)),
        _ => Kind::Fifo,
    };
    tree.insert(Entry::new(path(name), kind, 0o755), &mut more.as_bytes())
}

/// All of `tree` but the root, as `insert` reads it.
pub(super) fn listing(tree: &Tree) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let line = |entry: Entry| {
        let name = text(entry.path.as_bytes());
        match entry.kind {
            Kind::File { .. } => format!("f {name}={}", read(tree, &entry.path)),
            Kind::Directory => format!("d {name}"),
            Kind::Symlink(target) => format!("l {name}->{}", text(&target)),
            Kind::HardLink(target) => format!("h {name}->{}", text(target.as_bytes())),
            _ => format!("p {name}"),
        }
    };
    tree.entries().skip(1).map(line).collect()
}

fn read(tree: &Tree, path: &RootPath) -> String {
    let mut content = String::new();
    tree.content(path).unwrap().unwrap().read_to_string(&mut content).unwrap();
    content
}

fn lines(text: &str) -> Vec<&str> {
    text.split(';').map(str::trim).filter(|line| !line.is_empty()).collect()
}

fn made(duplicates: Duplicates, text: &str) -> Tree {
    let mut tree = tree(duplicates);
    lines(text).into_iter().for_each(|line| insert(&mut tree, line).unwrap());
    tree.normalise(0).unwrap();
    tree
}

#[test]
fn the_last_wins() {
    // What comes, what is there in the end, how many warnings.
    let table = [
        ("f b/c=1; f a=2", "f a=2; d b; f b/c=1", 0),
        ("d a; f a/x=1; d a", "d a; f a/x=1", 0),
        ("f a=1; f a=2", "f a=2", 1),
        ("f a=1; d a", "d a", 1),
        ("f a=1; f a/b/c=2", "d a; d a/b; f a/b/c=2", 1),
        ("f a/b/c=1; f a-=2; l a->x", "l a->x; f a-=2", 1),
        // Links above an entry.
        ("d usr/bin; l bin->usr/bin; f bin/x=1", "l bin->usr/bin; d usr; d usr/bin; f usr/bin/x=1", 0),
        ("l bin->usr/bin; f bin/x=1", "l bin->usr/bin; d usr; d usr/bin; f usr/bin/x=1", 0),
        ("l a->/../..; f a/x=1", "l a->/../..; f x=1", 0),
        ("l a->../../../b; f a/x=1", "l a->../../../b; d b; f b/x=1", 0),
        ("d c; l c/up->..; l r->/c/up; f r/x=1", "d c; l c/up->..; l r->/c/up; f x=1", 0),
        ("l a->b; l b->a; f a/x=1", "d a; f a/x=1; l b->a", 1),
        ("f x=1; l a->x; f a/y=2", "d a; f a/y=2; f x=1", 1),
        ("f x=1; l a->x; d d; l d/e->../a; f d/e/y=2", "l a->x; d d; d d/e; f d/e/y=2; f x=1", 1),
        // A directory over a link.
        ("d usr/bin; l bin->usr/bin; d bin", "l bin->usr/bin; d usr; d usr/bin", 0),
        ("l bin->usr/bin; d bin", "l bin->usr/bin; d usr; d usr/bin", 0),
        ("f x=1; l a->x; d a", "d a; f x=1", 1),
        ("l a->a; d a", "d a", 1),
        ("d b; l a->b; f a=1", "f a=1; d b", 1),
        // Hard links.
        ("f b=1; h a->b", "f a=1; h b->a", 0),
        ("h a->b; f b=1", "f a=1; h b->a", 0),
        ("h a->b; h b->c; h c->d; f d=1", "f a=1; h b->a; h c->a; h d->a", 0),
        ("f a=1; h b->a; h c->b; f a=2", "f a=2; f b=1; h c->b", 1),
        ("f a=1; h b->a; d a", "d a; f b=1", 1),
        ("f a/b=1; h a->a/b", "f a=1", 1),
        ("f a=1; h a/b->a", "d a; f a/b=1", 1),
        ("f a=1; h a->a", "f a=1", 0),
        ("d usr; f usr/x=1; l u->usr; h y->u/x", "l u->usr; d usr; f usr/x=1; h y->usr/x", 0),
        ("h y->u/x; l u->usr; f usr/x=1", "l u->usr; d usr; f usr/x=1; h y->usr/x", 0),
        ("l a->x; h b->a", "l a->x; h b->a", 0),
        ("p a; h b->a", "p a; h b->a", 0),
    ];
    for (input, output, warnings) in table {
        let mut tree = made(LastWins, input);
        assert_eq!(listing(&tree), lines(output), "{input}");
        assert_eq!(tree.take_warnings().len(), warnings, "{input}");
    }
}

#[test]
fn a_source_may_not_contradict_itself() {
    let table = [
        ("f a=1; f a=1", "/a comes twice: as a file and as a file"),
        ("f a/b=1; l a->b", "/a comes twice: as a directory and as a symbolic link"),
        ("l bin->usr/bin; d bin", "/bin comes twice: as a symbolic link and as a directory"),
        ("l bin->usr/bin; f bin/x/y=1", "/bin/x/y lies below /bin, which is a symbolic link"),
        ("f a=1; f a/b=1", "/a/b lies below /a, which is a file"),
        ("f a=1; h a->a", "/a comes twice: as a file and as a file"),
        ("l ->x", "the root cannot be a symbolic link"),
        ("d a; h b->a", "/b is a hard link to /a, which is a directory"),
    ];
    for (input, message) in table {
        let mut tree = tree(Refuse);
        let result: Result<(), TreeError> =
            lines(input).into_iter().try_for_each(|line| insert(&mut tree, line));
        assert_eq!(result.unwrap_err().to_string(), message, "{input}");
    }
    let tree = made(Refuse, "f a/b=1; d a; d a; h c->d; f d=2");
    assert_eq!(listing(&tree), lines("d a; f a/b=1; f c=2; h d->c"));
}

#[test]
fn hard_links_must_lead_to_a_file() {
    for (input, message) in [
        ("h a->b", "/a is a hard link to a file that is not there: /b"),
        ("h a->a", "/a is a hard link to a file that is not there: /a"),
        ("h a->b; h b->c; h c->b", "is a hard link to a file that is not there"),
        ("h a->b; d b", "/a is a hard link to /b, which is a directory"),
    ] {
        for duplicates in [Refuse, LastWins] {
            let mut tree = tree(duplicates);
            lines(input).into_iter().for_each(|line| insert(&mut tree, line).unwrap());
            let error = tree.normalise(0).unwrap_err().to_string();
            assert!(error.contains(message), "{input}: {error}");
            assert!(tree.normalise(0).is_err(), "{input}: the error does not go away");
        }
    }
}

#[test]
fn links_lead_to_paths_only() {
    let mut tree = tree(LastWins);
    insert(&mut tree, &format!("l a->{}", "x".repeat(256))).unwrap();
    let error = insert(&mut tree, "f a/x=1").unwrap_err();
    assert!(matches!(error, TreeError::Path { .. }), "{error}");
}

#[test]
fn a_directory_over_a_directory_brings_its_attributes() {
    let mut tree = tree(Refuse);
    insert(&mut tree, "f a/b=1").unwrap();
    let later = Entry { uid: 7, ..Entry::new(path("a"), Kind::Directory, 0o700) };
    tree.insert(later.clone(), &mut io::empty()).unwrap();
    assert_eq!(tree.get(&path("a")), Some(later));
    assert_eq!(tree.len(), 3);
}

#[test]
fn removing_names_leaves_the_others() {
    let input = "f a/x=1; h a/y->a/x; h b->a/x; f c/d/e=2; h z->late; f late=3";
    let mut tree = made(LastWins, input);
    assert_eq!(tree.remove(&path("a")).unwrap(), 3);
    assert_eq!(tree.remove(&path("nothing")).unwrap(), 0);
    assert_eq!(listing(&tree), lines("f b=1; d c; d c/d; f c/d/e=2; f late=3; h z->late"));
    tree.retain(|path| path.file_name() != b"c" && path.file_name() != b"late").unwrap();
    assert_eq!(listing(&tree), lines("f b=1; d c; d c/d; f c/d/e=2; f z=3"), "parents of what stays stay");
    tree.retain(|_| false).unwrap();
    assert_eq!(tree.len(), 1);
}

#[test]
fn what_is_excluded_before_its_links_are_settled_keeps_them() {
    let mut tree = tree(Refuse);
    lines("h a->b; f b=1").into_iter().for_each(|line| insert(&mut tree, line).unwrap());
    tree.retain(|path| path.as_bytes() != b"b").unwrap();
    assert_eq!(listing(&tree), ["f a=1"]);
}

#[test]
fn no_date_is_later_than_the_epoch() {
    let mut tree = tree(Refuse);
    for (name, mtime) in [("old/x", -5), ("new", 101), ("touched", TOUCHED)] {
        let entry = Entry { mtime, ..Entry::new(path(name), Kind::Fifo, 0o644) };
        tree.insert(entry, &mut io::empty()).unwrap();
    }
    assert_eq!(tree.get(&path("new")).unwrap().mtime, 101);
    tree.normalise(100).unwrap();
    let dates: Vec<i64> = tree.entries().map(|entry| entry.mtime).collect();
    assert_eq!(dates, [100, 100, 100, -5, 100], "the root, new, old, old/x, touched");
}

#[test]
fn resolves_as_a_container_would() {
    let tree = made(LastWins, "f usr/bin/x=1; l bin->usr/bin; l etc/x->/bin/x; l no->where; l o->o");
    let end = |name| tree.resolve(&path(name)).map(|end| end.to_string());
    assert_eq!(end("etc/x").as_deref(), Some("/usr/bin/x"));
    assert_eq!(end("bin").as_deref(), Some("/usr/bin"));
    assert_eq!(end("").as_deref(), Some("/"));
    for nothing in ["no", "o", "bin/y", "usr/bin/x/y"] {
        assert_eq!(end(nothing), None, "{nothing}");
    }
    assert!(tree.content(&path("bin")).unwrap().is_none());
}

#[test]
fn content_must_come_whole() {
    let mut tree = tree(Refuse);
    let entry = Entry::new(path("a"), Kind::File { size: 5 }, 0o644);
    let error = tree.insert(entry, &mut &b"abc"[..]).unwrap_err();
    assert_eq!(error.to_string(), "the content of /a ends after 3 of 5 bytes");
}

#[test]
fn capabilities_lose_their_namespace() {
    let mut tree = tree(Refuse);
    let mut entry = Entry::new(path("a"), Kind::Fifo, 0o644);
    let mut value = [0; 24];
    value[3] = 3;
    entry.xattrs.insert("security.capability", value);
    tree.insert(entry, &mut io::empty()).unwrap();
    let xattrs = tree.get(&path("a")).unwrap().xattrs;
    assert_eq!(xattrs.get(b"security.capability").map(|value| (value.len(), value[3])), Some((20, 2)));
}

#[test]
fn written_and_read_again_it_is_the_same() {
    let input = "f b/c=1; f a=22; h z->a; l l->nowhere; p p; f e=; d b";
    let first = made(LastWins, input);
    let mut writer = Writer::new(Vec::new());
    first.write_to(&mut writer).unwrap();
    let tar = writer.finish().unwrap();
    let mut second = tree(Refuse);
    second.read_tar(&mut Reader::new(&tar[..])).unwrap();
    second.normalise(0).unwrap();
    assert_eq!(crate::dump(&second).unwrap(), crate::dump(&first).unwrap());
}

#[test]
fn only_a_normalised_tree_is_written() {
    let mut tree = tree(Refuse);
    let mut writer = Writer::new(Vec::new());
    assert!(matches!(tree.write_to(&mut writer), Err(TreeError::NotNormalised)));
    tree.normalise(0).unwrap();
    insert(&mut tree, "h a->b").unwrap();
    assert!(matches!(tree.write_to(&mut writer), Err(TreeError::NotNormalised)));
}
