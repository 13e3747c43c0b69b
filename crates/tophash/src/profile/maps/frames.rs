//! What functions' names tell of an allocation.
//!
//! A heap profile leaves out the calls inside of the runtime, by the prefix `runtime.`, and from
//! Go 1.24 on also `internal/runtime/` (`runtime/pprof/protomem.go`). What stays are functions of the
//! runtime that other packages know under a name of their own (`maps.clone`, `reflect.makemap`), and
//! `sync.Map`, which is written in Go. CPU profiles, and profiles of other writers, leave out nothing.

/// What is allocated where a function stands innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameVerdict {
    /// Parts of a map.
    Map,
    /// Parts of a `sync.Map`.
    SyncMap,
    /// Something else.
    Other,
}

const MAPS: [&str; 12] = [
    "internal/runtime/maps.",
    "runtime.mapassign",
    "runtime.mapclone",
    "runtime.mapdelete",
    "runtime.mapclear",
    "runtime.makemap",
    "runtime.hashGrow",
    "runtime.growWork",
    "runtime.makeBucketArray",
    "runtime.(*hmap).",
    "maps.clone",
    "runtime.evacuate",
];
const BY_REFLECTION: [&str; 3] = ["reflect.makemap", "reflect.mapassign", "reflect.mapclear"];
const SYNC_MAPS: [&str; 4] =
    ["sync.(*Map).", "sync.newEntry", "internal/sync.(*HashTrieMap", "internal/sync.new"];
/// Libraries that allocate no maps in what they do much.
const WITHOUT_MAPS: [&str; 7] =
    ["strings.", "bytes.", "slices.", "strconv.", "bufio.", "math/big.", "unicode/utf8."];

/// Judges a function that a profile names innermost, or that code calls.
pub(super) fn verdict(function: &str) -> Option<FrameVerdict> {
    let starts = |list: &[&str]| list.iter().any(|start| function.starts_with(start));
    if starts(&MAPS) || starts(&BY_REFLECTION) {
        Some(FrameVerdict::Map)
    } else if starts(&SYNC_MAPS) {
        Some(FrameVerdict::SyncMap)
    } else if function.starts_with("runtime.") || starts(&WITHOUT_MAPS) {
        Some(FrameVerdict::Other)
    } else {
        None
    }
}

/// Tells whether a function only passes on what its caller wants of a map, so that the caller is the
/// place to name.
pub(super) fn is_pass_through(function: &str) -> bool {
    let passes = [
        "runtime.",
        "internal/runtime/",
        "maps.",
        "reflect.",
        "sync.(*Map).",
        "sync.newEntry",
        "internal/sync.",
    ];
    passes.iter().any(|start| function.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_maps_from_what_is_not() {
        assert_eq!(verdict("runtime.mapassign_faststr"), Some(FrameVerdict::Map));
        assert_eq!(verdict("internal/runtime/maps.(*table).grow"), Some(FrameVerdict::Map));
        assert_eq!(
            verdict("internal/sync.(*HashTrieMap[go.shape.interface {}]).expand"),
            Some(FrameVerdict::SyncMap)
        );
        assert_eq!(verdict("runtime.growslice"), Some(FrameVerdict::Other));
        assert_eq!(verdict("main.mapassign"), None);
    }
}
