//! What packages may depend on: licences, sources, versions, layers.

use std::collections::{BTreeMap, BTreeSet};

use super::licence;
use super::metadata::{Metadata, Package};

/// Licences that are compatible with our own and ask for no more than a notice.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// How cargo names the public registry.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

const MEMORY: &str = "tophash-memory";
const GORUNTIME: &str = "tophash-goruntime";
const GOMAP: &str = "tophash-gomap";
const HEAPGRAPH: &str = "tophash-heapgraph";
const PROFILE: &str = "tophash-profile";
const LAB: &str = "tophash-lab";
const TREND: &str = "tophash-trend";
const VITALS: &str = "tophash-vitals";
const SAFEMAP: &str = "tophash-safemap";
const SAFEMAP_DERIVE: &str = "tophash-safemap-derive";
const SAFEMAP_REDIS: &str = "tophash-safemap-redis";
const DIAGNOSE: &str = "tophash-diagnose";
const TYPECHECK: &str = "tophash-typecheck";
const SOURCE: &str = "tophash-source";
const ESCAPE: &str = "tophash-escape";
const ESCAPE_ENGINE: &str = "tophash-escape-engine";
const BINARY: &str = "tophash";
const XTASK: &str = "xtask";

/// Each package of the workspace, and those of the workspace that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    (MEMORY, &[]),
    (GORUNTIME, &[MEMORY]),
    (GOMAP, &[MEMORY, GORUNTIME]),
    (HEAPGRAPH, &[]),
    (PROFILE, &[]),
    (LAB, &[MEMORY, GORUNTIME, GOMAP, PROFILE]),
    (DIAGNOSE, &[]),
    (TREND, &[]),
    (VITALS, &[TREND]),
    (TYPECHECK, &[]),
    (SOURCE, &[TYPECHECK]),
    (ESCAPE, &[]),
    (ESCAPE_ENGINE, &[TYPECHECK]),
    (
        BINARY,
        &[
            MEMORY,
            GORUNTIME,
            GOMAP,
            HEAPGRAPH,
            PROFILE,
            LAB,
            DIAGNOSE,
            TREND,
            VITALS,
            SOURCE,
            ESCAPE,
            ESCAPE_ENGINE,
            SAFEMAP,
            TYPECHECK,
        ],
    ),
    (SAFEMAP_DERIVE, &[]),
    (SAFEMAP, &[SAFEMAP_DERIVE]),
    (SAFEMAP_REDIS, &[SAFEMAP]),
    (XTASK, &[]),
];

/// Libraries that belong to one layer, or to the few that are named, for what they do: the system's
/// calls at the bottom, arguments and colour at the top. Tasks may use any.
const RESERVED: &[(&str, &str)] = &[
    ("memmap2", MEMORY),
    ("nix", MEMORY),
    ("gimli", GORUNTIME),
    ("iced-x86", GORUNTIME),
    ("gosyn", TYPECHECK),
    ("tree-sitter", SOURCE),
    ("tree-sitter-go", SOURCE),
    ("toml", SOURCE),
    ("anstream", BINARY),
    ("anyhow", BINARY),
    ("clap", BINARY),
    ("comfy-table", BINARY),
    ("indicatif", BINARY),
    ("owo-colors", BINARY),
    ("ratatui", BINARY),
    ("rustls", BINARY),
    ("rustls-native-certs", BINARY),
    ("ureq", BINARY),
    // A map's webhooks, behind a feature.
    ("rustls", SAFEMAP),
    ("rustls-native-certs", SAFEMAP),
    ("ureq", SAFEMAP),
    ("async-nats", SAFEMAP),
    ("rustls", SAFEMAP_REDIS),
];

/// Lists what is wrong with the packages.
pub(super) fn faults(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    for package in &metadata.packages {
        faults.extend(origin_faults(package));
    }
    for member in metadata.members() {
        faults.extend(layer_faults(member));
    }
    faults.extend(version_faults(metadata));
    faults
}

/// Licence and source, of any package.
fn origin_faults(package: &Package) -> Vec<String> {
    let name = format!("{} {}", package.name, package.version);
    let mut faults = Vec::new();
    match &package.license {
        None => faults.push(format!("{name}: names no licence")),
        Some(expression) if !licence::is_met(expression, &LICENCES) => {
            faults.push(format!("{name}: {expression} is not among the allowed licences"));
        }
        Some(_) => {}
    }
    if package.source.as_ref().is_some_and(|source| source != REGISTRY) {
        faults.push(format!("{name}: does not come from crates.io"));
    }
    faults
}

/// What a package of the workspace asks for.
fn layer_faults(member: &Package) -> Vec<String> {
    let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == member.name) else {
        return vec![format!("{}: has no layer; give it one in the policy", member.name)];
    };
    let mut faults = Vec::new();
    for dependency in &member.dependencies {
        let name = dependency.name.as_str();
        if dependency.req == "*" && dependency.path.is_none() {
            faults.push(format!("{}: asks for any version of {name}", member.name));
        }
        let is_ours = LAYERS.iter().any(|(layer, _)| *layer == name);
        // Tests may ask the tasks for toolchains and fixtures, and use any library.
        let is_for_tests = dependency.kind.as_deref() == Some("dev");
        if is_ours && !below.contains(&name) && !(is_for_tests && name == XTASK) {
            faults.push(format!("{}: may not depend on {name}", member.name));
        }
        let owners = RESERVED.iter().filter(|(library, _)| *library == name);
        let owners: Vec<&str> = owners.map(|(_, owner)| *owner).collect();
        let asks = member.name.as_str();
        if !owners.is_empty() && !is_for_tests && asks != XTASK && !owners.contains(&asks) {
            faults.push(format!("{asks}: {name} is for {} alone", owners.join(" and ")));
        }
    }
    faults
}

/// A library that the workspace uses directly must be there in one version.
fn version_faults(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.by_id();
    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in &metadata.resolve.nodes {
        if !metadata.workspace_members.contains(&node.id) {
            continue;
        }
        for package in node.dependencies.iter().filter_map(|id| packages.get(id.as_str())) {
            used.entry(&package.name).or_default().insert(&package.version);
        }
    }
    used.into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| {
            let versions: Vec<_> = versions.into_iter().collect();
            format!("{name}: the workspace uses several versions, {}", versions.join(" and "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::metadata::{Dependency, Node, Resolve};
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: Some("MIT".to_owned()),
            source: None,
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).to_owned(),
                    req: "^1".to_owned(),
                    kind: kind.map(str::to_owned),
                    path: None,
                })
                .collect(),
        }
    }

    #[test]
    fn a_layer_may_not_use_one_above_it() {
        let upward = package(GORUNTIME, &[(MEMORY, None), (GOMAP, None)]);
        assert_eq!(layer_faults(&upward), ["tophash-goruntime: may not depend on tophash-gomap"]);
    }

    #[test]
    fn only_tests_may_use_the_tasks() {
        assert!(layer_faults(&package(BINARY, &[(XTASK, Some("dev"))])).is_empty());
        assert_eq!(layer_faults(&package(BINARY, &[(XTASK, None)])).len(), 1);
    }

    #[test]
    fn the_graph_knows_nothing_of_go_nor_do_the_readers_of_it() {
        let downward = package(HEAPGRAPH, &[(MEMORY, None), (GOMAP, None)]);
        assert_eq!(layer_faults(&downward).len(), 2);
        assert_eq!(layer_faults(&package(GOMAP, &[(HEAPGRAPH, None)])).len(), 1);
        assert!(layer_faults(&package(BINARY, &[(HEAPGRAPH, None)])).is_empty());
    }

    #[test]
    fn a_library_of_one_layer_is_refused_to_the_others() {
        assert!(layer_faults(&package(MEMORY, &[("nix", None)])).is_empty());
        let faults = layer_faults(&package(GOMAP, &[("nix", None)]));
        assert_eq!(faults, ["tophash-gomap: nix is for tophash-memory alone"]);
    }

    #[test]
    fn a_new_package_must_be_given_a_layer() {
        assert_eq!(layer_faults(&package("tophash-new", &[])).len(), 1);
    }

    #[test]
    fn a_wildcard_is_refused() {
        let mut asking = package(MEMORY, &[("object", None)]);
        asking.dependencies[0].req = "*".to_owned();
        assert_eq!(layer_faults(&asking).len(), 1);
    }

    #[test]
    fn licence_and_source_are_checked() {
        let mut foreign = package("foreign", &[]);
        foreign.license = Some("GPL-3.0-only".to_owned());
        foreign.source = Some("git+https://example.org/foreign".to_owned());
        assert_eq!(origin_faults(&foreign).len(), 2);
    }

    #[test]
    fn two_versions_of_a_direct_dependency_are_refused() {
        let mut older = package("object", &[]);
        older.id = "object-older".to_owned();
        older.version = "0.9.0".to_owned();
        let node =
            |id: &str, on: &str| Node { id: id.to_owned(), dependencies: vec![on.to_owned()] };
        let metadata = Metadata {
            packages: vec![package("object", &[]), older],
            workspace_members: vec![MEMORY.to_owned(), GORUNTIME.to_owned()],
            resolve: Resolve {
                nodes: vec![node(MEMORY, "object"), node(GORUNTIME, "object-older")],
            },
        };
        let faults = version_faults(&metadata);
        assert_eq!(faults, ["object: the workspace uses several versions, 0.9.0 and 1.0.0"]);
    }
}
