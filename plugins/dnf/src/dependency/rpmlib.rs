//! What a package may ask of rpm itself (`rpmlibProvides` in rpm's `lib/rpmds.cc`).
//!
//! Packages say with `rpmlib(Feature) <= version` which features of rpm they were built with. No
//! package provides them; who installs does.

use super::Relation;
use crate::version::Evr;

/// The features, with the version of rpm that brought them.
const FEATURES: &[(&str, &str)] = &[
    ("BuiltinLuaScripts", "4.2.2-1"),
    ("CaretInVersions", "4.15.0-1"),
    ("CompressedFileNames", "3.0.4-1"),
    ("ConcurrentAccess", "4.1-1"),
    ("DynamicBuildRequires", "4.15.0-1"),
    ("ExplicitPackageProvide", "4.0-1"),
    ("FileCaps", "4.6.1-1"),
    ("FileDigests", "4.6.0-1"),
    ("HeaderLoadSortsTags", "4.0.1-1"),
    ("LargeFiles", "4.12.0-1"),
    ("PartialHardlinkSets", "4.0.4-1"),
    ("PayloadFilesHavePrefix", "4.0-1"),
    ("PayloadIsBzip2", "3.0.5-1"),
    ("PayloadIsLzma", "4.4.2-1"),
    ("PayloadIsXz", "5.2-1"),
    ("PayloadIsZstd", "5.4.18-1"),
    ("RichDependencies", "4.12.0-1"),
    ("ScriptletExpansion", "4.9.0-1"),
    ("ScriptletInterpreterArgs", "4.0.3-1"),
    ("TildeInVersions", "4.10.0-1"),
    ("VersionedDependencies", "3.0.3-1"),
];

/// Whether a relation asks for a feature of rpm, and if so, whether there is such a one. A package
/// that asks for another cannot be installed: nobody knows what it needs.
pub fn is_met_by_rpmlib(relation: &Relation) -> Option<bool> {
    let feature = relation.name.strip_prefix("rpmlib(")?.strip_suffix(')')?;
    let known = FEATURES.iter().find(|(name, _)| *name == feature);
    Some(known.is_some_and(|(_, version)| {
        let accepts = |evr: Evr| relation.bound.as_ref().is_none_or(|bound| bound.accepts(&evr));
        Evr::parse(version).is_ok_and(accepts)
    }))
}
