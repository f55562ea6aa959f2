//! In which order packages are installed: what a package needs before it, as apk goes through
//! the world (`solver.c` of apk-tools). A circle is entered where it is met first.

use super::universe::{NameId, PackageId, Universe};

/// What is still to be done, the next one last: dependencies may be deeper than a stack.
enum Task {
    Name(NameId),
    Package(PackageId),
    /// Packages that come by themselves, if all that they wait for has come.
    Follower(NameId),
}

/// Sorts `chosen`.
pub(super) fn order(universe: &Universe<'_>, chosen: &[PackageId]) -> Vec<PackageId> {
    let mut order = Order::new(universe, chosen);
    for &(name, _) in &universe.wants {
        order.run(Task::Name(name));
    }
    // All that is chosen was reached; whatever a solver has beyond that comes last.
    for &package in chosen {
        order.run(Task::Name(universe[package].name));
    }
    order.sorted
}

struct Order<'u, 'a> {
    universe: &'u Universe<'a>,
    /// Who was chosen for each name.
    chosen: Vec<Option<PackageId>>,
    done_names: Vec<bool>,
    begun: Vec<bool>,
    sorted: Vec<PackageId>,
}

impl<'u, 'a> Order<'u, 'a> {
    fn new(universe: &'u Universe<'a>, chosen: &[PackageId]) -> Self {
        let mut by_name: Vec<Option<PackageId>> = vec![None; universe.names().len()];
        for &package in chosen {
            for (name, _) in &universe[package].names {
                by_name[name.index()].get_or_insert(package);
            }
        }
        Self {
            universe,
            chosen: by_name,
            done_names: vec![false; universe.names().len()],
            begun: vec![false; universe.package_count()],
            sorted: Vec::with_capacity(chosen.len()),
        }
    }

    fn run(&mut self, first: Task) {
        let mut tasks = vec![first];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Name(name) => self.name(name, &mut tasks),
                Task::Package(package) => {
                    self.sorted.push(package);
                    let names = self.universe[package].names.iter().rev();
                    let waiting = names.flat_map(|(name, _)| self.universe[*name].triggers.iter().rev());
                    let followers = waiting.flat_map(|&package| self.universe[package].names.iter().rev());
                    tasks.extend(followers.map(|(name, _)| Task::Follower(*name)));
                }
                Task::Follower(name) if self.follows(name) => tasks.push(Task::Name(name)),
                Task::Follower(_) => {}
            }
        }
    }

    fn name(&mut self, name: NameId, tasks: &mut Vec<Task>) {
        if std::mem::replace(&mut self.done_names[name.index()], true) {
            return;
        }
        let Some(package) = self.chosen[name.index()] else { return };
        if std::mem::replace(&mut self.begun[package], true) {
            return;
        }
        let relations = &self.universe[package];
        for (name, _) in &relations.names {
            self.done_names[name.index()] = true;
        }
        tasks.push(Task::Package(package));
        let needs = relations.depends.iter().rev().filter(|(_, dependency)| !dependency.conflict);
        tasks.extend(needs.map(|(name, _)| Task::Name(*name)));
    }

    /// Whether the package of this name was waiting, and all that it waits for is done.
    fn follows(&self, name: NameId) -> bool {
        let Some(package) = self.chosen[name.index()] else { return false };
        !self.done_names[name.index()]
            && self.universe[package].install_if.iter().all(|(name, dependency)| {
                dependency.conflict || (self.done_names[name.index()] && self.chosen[name.index()].is_some())
            })
    }
}
