//! Which of the runtime's structs and constants a layout table holds.
//!
//! A name that a release does not have is simply absent from its table: names
//! moved between packages over the years, and each reader asks for the one
//! that its release uses.

/// Structs by package, without type arguments.
const STRUCTS: &[(&str, &[&str])] = &[
    (
        "runtime",
        &[
            // Module data, functions and their tables.
            "moduledata",
            "pcHeader",
            "textsect",
            "functab",
            "findfuncbucket",
            "_func",
            "funcInlTree",
            "inlinedCall",
            "funcval",
            "stackmap",
            "stackObjectRecord",
            "bitvector",
            "pTraceState",
            "modulehash",
            "ptabEntry",
            "initTask",
            // The heap.
            "mheap",
            "mspan",
            "heapArena",
            "heapArenaPtrScalar",
            "mSpanStateBox",
            "mSpanList",
            "mcentral",
            "mcache",
            "gcBits",
            "gcBitsArena",
            "spanInlineMarkBits",
            "pageAlloc",
            "arenaHint",
            "linearAlloc",
            "fixalloc",
            "mlink",
            "liveUserArenaChunk",
            "stackpoolItem",
            "gcWork",
            "workbuf",
            "workbufhdr",
            // Specials and finalizers.
            "special",
            "specialfinalizer",
            "specialCleanup",
            "specialprofile",
            "specialReachable",
            "specialWeakHandle",
            "specialPinCounter",
            "specialsIter",
            "specialTinyBlock",
            "specialBubble",
            "specialCheckFinalizer",
            "specialSecret",
            "finblock",
            "finBlock",
            "finalizer",
            "cleanupFn",
            "cleanupBlock",
            "cleanupBlockHeader",
            "cleanupQueue",
            "immortalWeakHandleMap",
            // Profiles.
            "bucket",
            "memRecord",
            "memRecordCycle",
            "blockRecord",
            // Goroutines.
            "g",
            "m",
            "mOS",
            "p",
            "stack",
            "gobuf",
            "_defer",
            "_panic",
            "sudog",
            "waitq",
            "hchan",
            "sysmontick",
            "timer",
            "timers",
            "timerWhen",
            "scase",
            "mutex",
            "note",
            "gList",
            "gQueue",
            "libcall",
            "coro",
            "synctestGroup",
            "synctestBubble",
            "schedt",
            "ancestorInfo",
            "lockRankStruct",
            // Maps.
            "hmap",
            "mapextra",
            "bmap",
            "hiter",
            "maptype",
            // Values and types.
            "eface",
            "iface",
            "slice",
            "stringStruct",
            "notInHeapSlice",
            "itab",
            "_type",
            "interfacetype",
            "ptrtype",
            "slicetype",
            "arraytype",
            "chantype",
            "structtype",
            "functype",
            "imethod",
            "method",
            "structfield",
            "uncommontype",
            "itabTableType",
            "name",
        ],
    ),
    (
        "internal/abi",
        &[
            "Type",
            "MapType",
            "OldMapType",
            "SwissMapType",
            "FuncType",
            "InterfaceType",
            "PtrType",
            "SliceType",
            "ArrayType",
            "ChanType",
            "StructType",
            "StructField",
            "Imethod",
            "Method",
            "UncommonType",
            "ITab",
            "Name",
            "EmptyInterface",
            "NonEmptyInterface",
        ],
    ),
    ("internal/runtime/maps", &["Map", "table", "groupsReference", "groupReference", "Iter"]),
    ("internal/sync", &["HashTrieMap", "node", "indirect", "entry", "Mutex"]),
    (
        "sync",
        &[
            "Map",
            "readOnly",
            "entry",
            "Pool",
            "poolLocal",
            "poolLocalInternal",
            "poolChain",
            "poolChainElt",
            "poolDequeue",
            "eface",
            "Mutex",
            "RWMutex",
            "Once",
        ],
    ),
    ("sync/atomic", &["Value", "efaceWords"]),
    ("time", &["Timer", "Ticker", "runtimeTimer"]),
    ("reflect", &["rtype", "interfaceType", "mapType", "funcType", "structType", "Value"]),
];

/// Constants by package; a trailing `*` stands for any ending.
const CONSTANTS: &[(&str, &[&str])] = &[
    (
        "runtime",
        &[
            "funcID_*",
            "funcID*",
            "_FUNCDATA_*",
            "_PCDATA_*",
            "_G*",
            "waitReason*",
            "_KindSpecial*",
            "mSpan*",
            "arena*",
            "heapArena*",
            "logHeapArenaBytes",
            "pagesPer*",
            "_Page*",
            "page*",
            "physPageAlignedStacks",
            "minSizeForMallocHeader",
            "mallocHeaderSize",
            "maxObjsPerSpan",
            "_NumSizeClasses",
            "numSpanClasses",
            "_MaxSmallSize",
            "maxSmallSize",
            "_Tiny*",
            "tiny*",
            "smallSize*",
            "minLegalPointer",
            "heapAddrBits",
            "maxAlloc",
            "_FinBlockSize",
            "cleanupBlockSize",
            "gcBitsChunkBytes",
            "_WorkbufSize",
            "wordsPerBitmapByte",
            "heapBits*",
            "bit*",
            "maxPtrmaskBytes",
            "minPhysPageSize",
            "_StackMin",
            "_Fixed*",
            "_Stack*",
            "stackMin",
            "stackSystem",
            "fixedStack*",
            "bucketCnt*",
            "bucketCntBits",
            "loadFactor*",
            "dataOffset",
            "emptyRest",
            "emptyOne",
            "evacuated*",
            "minTopHash",
            "iterator",
            "oldIterator",
            "hashWriting",
            "sameSizeGrow",
            "noCheck",
            "max*ElemSize",
            "max*KeySize",
            "kind*",
            "tflag*",
            "memProfile",
            "blockProfile",
            "mutexProfile",
            "buckHashSize",
            "maxStack",
            "maxProfStackDepth",
            "timer*",
            "_GC*",
            "minfunc",
            "pcbucketsize",
            "findfuncbucketsize",
            "subbuckets",
            "userArena*",
            "itabInitSize",
            "spanInlineMarkBits*",
            "goarch_*",
            "_PtrSize",
            "stackTraceDebug",
            "abiRegArgs*",
        ],
    ),
    (
        "internal/abi",
        &[
            "FuncID*",
            "FUNCDATA_*",
            "PCDATA_*",
            "FuncFlag_*",
            "Kind*",
            "TFlag*",
            "MapBucket*",
            "MapNeed*",
            "MapHash*",
            "MapIndirect*",
            "MapMax*",
            "MapGroup*",
            "MapCtrl*",
            "OldMap*",
            "SwissMap*",
            "Bool",
            "Int",
            "Int8",
            "Int16",
            "Int32",
            "Int64",
            "Uint",
            "Uint8",
            "Uint16",
            "Uint32",
            "Uint64",
            "Uintptr",
            "Float32",
            "Float64",
            "Complex64",
            "Complex128",
            "Array",
            "Chan",
            "Func",
            "Interface",
            "Map",
            "Pointer",
            "Slice",
            "String",
            "Struct",
            "UnsafePointer",
            "MINFUNC",
            "FuncTabBucketSize",
            "StackSmall",
            "StackBig",
            "UnsafePoint*",
            "ZeroValSize",
            "Go1*PCLnTabMagic",
            "CurrentPCLnTabMagic",
            "MaxPtrmaskBytes",
            "MinFrameSize",
            "FuncPC*",
        ],
    ),
    (
        "internal/runtime/maps",
        &["max*", "ctrl*", "bitset*", "signBit", "writing", "loadFactor*", "smallMap*", "*Size"],
    ),
    (
        "internal/runtime/gc",
        &[
            "MinSizeForMallocHeader",
            "MallocHeaderSize",
            "NumSizeClasses",
            "MaxSmallSize",
            "PageShift",
            "PageSize",
            "SmallSize*",
            "LargeSizeDiv",
            "MinHeapAlign",
            "TinySize*",
            "MaxObjsPerSpan",
            "MaxSizeClassNPages",
            "PtrMask*",
        ],
    ),
    ("internal/runtime/sys", &["StackGuard*"]),
    ("internal/sync", &["nChildren*", "hashTrie*"]),
    ("sync", &["dequeueBits", "dequeueLimit"]),
];

/// The arguments of the instances that stand for a generic struct: every one
/// that a program uses through `sync.Map` has them. Code shared by instances of
/// one shape is described with the shape, and where only that refers to a
/// struct, its shape is all that is described; both have the same layout.
const INSTANCES: [&str; 2] =
    ["[interface {},interface {}]", "[go.shape.interface {},go.shape.interface {}]"];

/// The name that a struct is filed under, or `None` when it is not wanted.
pub(crate) fn struct_name(name: &str) -> Option<&str> {
    let bare = match name.find('[') {
        Some(at) => {
            let (bare, arguments) = name.split_at_checked(at)?;
            INSTANCES.contains(&arguments).then_some(bare)?
        }
        None => name,
    };
    let (package, local) = split(bare)?;
    let (_, wanted) = STRUCTS.iter().find(|(listed, _)| *listed == package)?;
    wanted.contains(&local).then_some(bare)
}

/// Whether a constant belongs into a table.
pub(crate) fn wants_constant(name: &str) -> bool {
    let Some((package, local)) = split(name) else { return false };
    let Some((_, wanted)) = CONSTANTS.iter().find(|(listed, _)| *listed == package) else {
        return false;
    };
    wanted.iter().any(|pattern| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => local.starts_with(start),
        (None, Some(end)) => local.ends_with(end),
        (None, None) => *pattern == local,
    })
}

/// Splits `internal/abi.Type` into package path and name.
fn split(name: &str) -> Option<(&str, &str)> {
    let after_path = name.rfind('/').map_or(0, |at| at + 1);
    let dot = name.get(after_path..)?.find('.')? + after_path;
    Some((name.get(..dot)?, name.get(dot + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generic_instance_is_filed_under_its_bare_name() {
        let name = "internal/sync.HashTrieMap[interface {},interface {}]";
        assert_eq!(struct_name(name), Some("internal/sync.HashTrieMap"));
        assert_eq!(struct_name("internal/sync.HashTrieMap[int,int]"), None);
        let shape = "internal/sync.entry[go.shape.interface {},go.shape.interface {}]";
        assert_eq!(struct_name(shape), Some("internal/sync.entry"));
    }

    #[test]
    fn a_struct_of_the_same_name_in_another_package_is_left_out() {
        assert_eq!(struct_name("runtime.mspan"), Some("runtime.mspan"));
        assert_eq!(struct_name("main.mspan"), None);
    }

    #[test]
    fn a_star_stands_for_any_ending() {
        assert!(wants_constant("internal/abi.FuncID_goexit"));
        assert!(wants_constant("runtime._Grunning"));
        assert!(!wants_constant("runtime.forcePreemptNS"));
    }
}
