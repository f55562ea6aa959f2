//! A tree against the simplest thing that could be right: directories that
//! own what they hold, and links followed by recursion.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::tests::{insert, listing, path, tree};
use super::*;

#[derive(Debug, Clone)]
enum Node {
    Directory(BTreeMap<String, Node>),
    File(usize),
    Link(String),
}

type Place = Vec<String>;

fn empty() -> Node {
    Node::Directory(BTreeMap::new())
}

struct Model(Node);

impl Model {
    fn at(&self, place: &[String]) -> Option<&Node> {
        place.iter().try_fold(&self.0, |node, part| match node {
            Node::Directory(below) => below.get(part),
            _ => None,
        })
    }

    fn leads_on(&self, place: &[String]) -> bool {
        matches!(self.at(place), None | Some(Node::Directory(_)))
    }

    /// Puts `node` at `place`, making directories on the way.
    fn put(&mut self, place: &[String], node: Node) {
        let mut here = &mut self.0;
        for part in place {
            let Node::Directory(below) = here else { panic!("{place:?} lies below a file") };
            here = below.entry(part.clone()).or_insert_with(empty);
        }
        *here = node;
    }

    fn remove(&mut self, place: &[String]) {
        let Some((name, parents)) = place.split_last() else { return };
        if let Some(Node::Directory(below)) = self.at(parents) {
            let mut below = below.clone();
            below.remove(name);
            self.put(parents, Node::Directory(below));
        }
    }

    /// Where the path `text`, seen from `here`, leads; every link is followed.
    fn follow(&self, here: &[String], text: &str, links: &mut u32) -> Option<Place> {
        let mut here = if text.starts_with('/') { Place::new() } else { here.to_vec() };
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        for (index, part) in parts.iter().enumerate() {
            if *part == ".." {
                here.pop();
                continue;
            }
            let mut next = [here.clone(), vec![part.to_string()]].concat();
            if let Some(Node::Link(target)) = self.at(&next) {
                *links += 1;
                if *links > 40 {
                    return None;
                }
                next = self.follow(&here, target, links)?;
            }
            if index + 1 < parts.len() && !self.leads_on(&next) {
                return None;
            }
            here = next;
        }
        Some(here)
    }

    /// Where the parents of `name` are in the end, with its own name.
    fn locate(&mut self, name: &str) -> Place {
        let mut parts: Vec<&str> = name.split('/').collect();
        let last = parts.pop().unwrap().to_string();
        let (mut here, mut links) = (Place::new(), 0);
        for part in &parts {
            match self.follow(&here, part, &mut links).filter(|end| self.leads_on(end)) {
                Some(end) => here = end,
                None => {
                    here.push(part.to_string());
                    self.put(&here, empty());
                    return self.locate(name);
                }
            }
        }
        here.push(last);
        here
    }

    fn insert(&mut self, name: &str, node: Node) {
        let place = self.locate(name);
        let old = self.at(&place).cloned();
        match (old, &node) {
            (Some(Node::Directory(_)), Node::Directory(_)) => {}
            (Some(Node::Link(target)), Node::Directory(_)) => {
                let parent = &place[..place.len() - 1];
                match self.follow(parent, &target, &mut 1).filter(|end| self.leads_on(end)) {
                    Some(end) if self.at(&end).is_some() => {}
                    Some(end) => self.put(&end, node),
                    None => self.put(&place, node),
                }
            }
            _ => self.put(&place, node),
        }
    }

    /// The file that a hard link to `name` would be.
    fn file(&self, name: &str) -> Option<Node> {
        let (parents, last) = name.rsplit_once('/').unwrap_or(("", name));
        let mut place = self.follow(&[], parents, &mut 0)?;
        place.push(last.to_string());
        self.at(&place).filter(|node| matches!(node, Node::File(_))).cloned()
    }

    fn listing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(&self.0, "", &mut HashMap::new(), &mut lines);
        lines
    }
}

fn list(node: &Node, name: &str, files: &mut HashMap<usize, String>, lines: &mut Vec<String>) {
    match node {
        Node::Directory(below) => {
            lines.extend((!name.is_empty()).then(|| format!("d {name}")));
            for (part, node) in below {
                let name = if name.is_empty() { part.clone() } else { format!("{name}/{part}") };
                list(node, &name, files, lines);
            }
        }
        Node::Link(target) => lines.push(format!("l {name}->{target}")),
        Node::File(id) => match files.get(id) {
            Some(first) => lines.push(format!("h {name}->{first}")),
            None => {
                files.insert(*id, name.to_string());
                lines.push(format!("f {name}={id}"));
            }
        },
    }
}

#[derive(Debug, Clone)]
enum Step {
    Directory(String),
    File(String),
    Link(String, String),
    HardLink(String, String),
    Remove(String),
}

/// Few names, so that steps meet.
fn name() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-c]", 1..4).prop_map(|parts| parts.join("/"))
}

fn target() -> impl Strategy<Value = String> {
    let part = prop_oneof![3 => "[a-c]", 1 => Just("..".to_string())];
    (any::<bool>(), prop::collection::vec(part, 1..4))
        .prop_map(|(absolute, parts)| ["", "/"][usize::from(absolute)].to_string() + &parts.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => name().prop_map(Step::Directory),
        3 => name().prop_map(Step::File),
        3 => (name(), target()).prop_map(|(name, target)| Step::Link(name, target)),
        2 => (name(), name()).prop_map(|(name, target)| Step::HardLink(name, target)),
        1 => name().prop_map(Step::Remove),
    ]
}

fn take(step: &Step, id: usize, model: &mut Model, tree: &mut Tree) {
    match step {
        Step::Directory(name) => {
            model.insert(name, empty());
            insert(tree, &format!("d {name}")).unwrap();
        }
        Step::File(name) => {
            model.insert(name, Node::File(id));
            insert(tree, &format!("f {name}={id}")).unwrap();
        }
        Step::Link(name, target) => {
            model.insert(name, Node::Link(target.clone()));
            insert(tree, &format!("l {name}->{target}")).unwrap();
        }
        Step::HardLink(name, target) => {
            // What awaits its file is not the model's; links to links are in the table.
            if let Some(file) = model.file(target) {
                model.insert(name, file);
                insert(tree, &format!("h {name}->{target}")).unwrap();
            }
        }
        Step::Remove(name) => {
            model.remove(&name.split('/').map(str::to_string).collect::<Place>());
            tree.remove(&path(name)).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_tree_is_what_its_model_is(steps in prop::collection::vec(step(), 1..25)) {
        let (mut model, mut tree) = (Model(empty()), tree(Duplicates::LastWins));
        for (id, step) in steps.iter().enumerate() {
            take(step, id, &mut model, &mut tree);
            prop_assert_eq!(listing(&tree), model.listing(), "after {:?}", step);
        }
    }

    #[test]
    fn the_order_of_entries_does_not_matter(steps in prop::collection::vec(name(), 1..12), turn in 0..12usize) {
        let mut names: Vec<String> = steps.iter().map(|name| format!("f {name}/f=x")).collect();
        names.sort();
        names.dedup();
        let fill = |names: &[String]| {
            let mut tree = tree(Duplicates::Refuse);
            names.iter().for_each(|line| insert(&mut tree, line).unwrap());
            listing(&tree)
        };
        let sorted = fill(&names);
        let turn = turn % names.len();
        names.rotate_left(turn);
        prop_assert_eq!(fill(&names), sorted);
    }
}
