//! In which order chosen packages are installed.
//!
//! As rpm sorts them: who is needed comes before who needs it. Where packages need each other in a
//! circle, only what their scripts need (`Requires(pre)` and its like) counts within it, and if
//! there is a choice, the one that waits for the fewest others comes first. What is left open is
//! decided by name, version and architecture, and so does not depend on the order in which anything
//! was read.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use super::logic;
use super::universe::{PackageId, Universe};

/// Indexes of the offers, in the order of installation.
pub(super) fn sort(universe: &Universe<'_>, chosen: &[PackageId]) -> Vec<usize> {
    let mut nodes = chosen.to_vec();
    nodes.sort_by(|&a, &b| by_name(universe, a, b));
    let graph = Graph::new(universe, &nodes);
    graph.sorted().into_iter().map(|node| universe.offer(nodes[node])).collect()
}

fn by_name(universe: &Universe<'_>, a: PackageId, b: PackageId) -> Ordering {
    let (x, y) = (universe[a].package, universe[b].package);
    x.name.cmp(&y.name).then_with(|| x.evr.compare(&y.evr)).then_with(|| x.arch.cmp(&y.arch)).then(a.cmp(&b))
}

/// Packages by their place in the order of names.
struct Graph {
    /// Who is needed by each; `pre` are those of them that its scripts need.
    needs: Vec<BTreeSet<usize>>,
    pre: Vec<BTreeSet<usize>>,
}

impl Graph {
    fn new(universe: &Universe<'_>, nodes: &[PackageId]) -> Self {
        let places: HashMap<PackageId, usize> =
            nodes.iter().enumerate().map(|(place, &id)| (id, place)).collect();
        let mut graph =
            Self { needs: vec![BTreeSet::new(); nodes.len()], pre: vec![BTreeSet::new(); nodes.len()] };
        for (node, &id) in nodes.iter().enumerate() {
            for requirement in &universe[id].package.requires {
                let clauses = logic::clauses(universe, &requirement.dependency, true).unwrap_or_default();
                let needed = clauses.iter().flatten().filter(|literal| literal.is_positive());
                let needed = needed.filter_map(|literal| places.get(&literal.package()));
                for &other in needed.filter(|other| **other != node) {
                    graph.needs[node].insert(other);
                    if requirement.pre {
                        graph.pre[node].insert(other);
                    }
                }
            }
        }
        graph
    }

    fn sorted(&self) -> Vec<usize> {
        let circles = circles(&self.needs);
        let order = in_order(&circles, &self.needs, &self.needs);
        order.into_iter().flat_map(|circle| self.sorted_circle(&circles[circle])).collect()
    }

    /// The members of a circle, in the order in which their scripts need them.
    fn sorted_circle(&self, members: &BTreeSet<usize>) -> Vec<usize> {
        if members.len() == 1 {
            return members.iter().copied().collect();
        }
        let members: Vec<usize> = members.iter().copied().collect();
        let inside = |edges: &[BTreeSet<usize>]| -> Vec<BTreeSet<usize>> {
            let renumber = |other: &usize| members.binary_search(other).ok();
            members.iter().map(|&member| edges[member].iter().filter_map(renumber).collect()).collect()
        };
        let (needs, pre) = (inside(&self.needs), inside(&self.pre));
        let groups = circles(&pre);
        let order = in_order(&groups, &pre, &needs);
        order.into_iter().flat_map(|group| groups[group].iter().map(|&member| members[member])).collect()
    }
}

/// The circles (strongly connected components) of a graph, by Tarjan, without recursion. What is in
/// none is one by itself.
pub(super) fn circles(needs: &[BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    let (mut number, mut low) = (vec![0_usize; needs.len()], vec![0_usize; needs.len()]);
    let (mut stack, mut on_stack) = (Vec::new(), vec![false; needs.len()]);
    let (mut found, mut next) = (Vec::new(), 0);
    for start in 0..needs.len() {
        if number[start] != 0 {
            continue;
        }
        let mut path = vec![(start, None)];
        while let Some((node, after)) = path.pop() {
            if after.is_none() {
                next += 1;
                (number[node], low[node]) = (next, next);
                stack.push(node);
                on_stack[node] = true;
            }
            let rest = match after {
                None => needs[node].range(..),
                Some(last) => {
                    low[node] = low[node].min(low[last]);
                    needs[node].range(last + 1..)
                }
            };
            let mut inner = None;
            for &need in rest {
                if number[need] == 0 {
                    inner = Some(need);
                    break;
                }
                if on_stack[need] {
                    low[node] = low[node].min(number[need]);
                }
            }
            if let Some(need) = inner {
                path.push((node, Some(need)));
                path.push((need, None));
            } else if low[node] == number[node] {
                let mut circle = BTreeSet::new();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    circle.insert(member);
                    if member == node {
                        break;
                    }
                }
                found.push(circle);
            }
        }
    }
    found
}

/// Groups in an order in which none comes before one that it `must` follow. Of those that could be
/// next, the one that waits for the fewest of those that it `should` follow; then by name.
fn in_order(groups: &[BTreeSet<usize>], must: &[BTreeSet<usize>], should: &[BTreeSet<usize>]) -> Vec<usize> {
    let (must, should) = (Waiting::new(groups, must), Waiting::new(groups, should));
    let (mut blocked, mut waits) = (must.counts, should.counts);
    let name = |group: usize| groups[group].first().copied();
    let mut ready: BTreeSet<_> = (0..groups.len())
        .filter(|&group| blocked[group] == 0)
        .map(|group| (waits[group], name(group), group))
        .collect();
    let mut sorted = Vec::with_capacity(groups.len());
    while let Some((_, _, group)) = ready.pop_first() {
        sorted.push(group);
        for &follower in &should.followers[group] {
            let was_ready = ready.remove(&(waits[follower], name(follower), follower));
            waits[follower] -= 1;
            if was_ready {
                ready.insert((waits[follower], name(follower), follower));
            }
        }
        for &follower in &must.followers[group] {
            blocked[follower] -= 1;
            if blocked[follower] == 0 {
                ready.insert((waits[follower], name(follower), follower));
            }
        }
    }
    sorted
}

/// Who follows whom, by group.
struct Waiting {
    /// How many others each follows.
    counts: Vec<usize>,
    followers: Vec<Vec<usize>>,
}

impl Waiting {
    fn new(groups: &[BTreeSet<usize>], needs: &[BTreeSet<usize>]) -> Self {
        let mut group_of = vec![0; needs.len()];
        for (group, members) in groups.iter().enumerate() {
            members.iter().for_each(|&member| group_of[member] = group);
        }
        let mut waiting = Self { counts: vec![0; groups.len()], followers: vec![Vec::new(); groups.len()] };
        for (group, members) in groups.iter().enumerate() {
            let needed = members.iter().flat_map(|&member| &needs[member]);
            let others: BTreeSet<usize> = needed.map(|&need| group_of[need]).collect();
            for other in others.into_iter().filter(|&other| other != group) {
                waiting.counts[group] += 1;
                waiting.followers[other].push(group);
            }
        }
        waiting
    }
}
