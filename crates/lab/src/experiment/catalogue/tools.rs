//! What Go's tools and its runtime's accounts show, and what is not in its source.

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Quantity, Versions};
use crate::experiment::{Experiment, Model};

const NO_TOOLS: Model = Model::Without("the model does not cover Go's tools");

const RATE: &str = "bytes between samples unless set";
const BLOCK_RATE: &str = "switching on the blocking profile switches on the heap profile";
const DROPPED_ALLOC: &str = "a dropped map is in alloc_space";
const DROPPED_INUSE: &str = "share of a dropped map that is in inuse_space";
const NAMES_USER: &str = "a heap profile names the function that filled a map";
const NAMES_ASSIGN: &str = "a heap profile names runtime.mapassign";
const NAMES_MAKEMAP: &str = "a heap profile names runtime.makemap";

pub(super) static PROFILES: Experiment = Experiment {
    name: "profiles",
    question: "What is in a heap profile?",
    method: "A function fills a map and drops it under a sampling rate of one byte; the profile's \
             records, and the names in what it writes.",
    claims: &[
        Claim {
            row: "profile-rate",
            says: "The heap profile samples once every 512 KB, as set by SetBlockProfileRate.",
            figure: "512 KB",
            bounds: &[Bound::exactly(RATE, 524_288.0), Bound::exactly(BLOCK_RATE, 1.0)],
            verdict: Verdict::Partly,
            because: "the default is 512 KiB allocated between samples; the other function is that of \
                      another profile.",
        },
        Claim {
            row: "alloc-space-live",
            says: "alloc_space is what was allocated and not yet freed.",
            figure: "",
            bounds: &[Bound::exactly(DROPPED_ALLOC, 0.0)],
            verdict: Verdict::DoesNotHold,
            because: "it counts everything since the start; inuse_space is what the last collection \
                      left.",
        },
        Claim {
            row: "profile-makemap",
            says: "makemap and mapassign show in a heap profile, so that one can focus on them.",
            figure: "",
            bounds: &[Bound::exactly(NAMES_ASSIGN, 1.0), Bound::exactly(NAMES_MAKEMAP, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "the runtime's own frames at the end of a stack are left out; the caller is \
                      charged.",
        },
    ],
    quantities: &[
        Quantity::real(RATE, "bytes"),
        Quantity::real(BLOCK_RATE, ""),
        Quantity::real(DROPPED_ALLOC, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(DROPPED_INUSE, "").expected(&[(Versions::All, 0.0, 0.01)]),
        Quantity::real(NAMES_USER, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(NAMES_ASSIGN, ""),
        Quantity::real(NAMES_MAKEMAP, ""),
    ],
    model: NO_TOOLS,
    program: include_str!("../../../experiments/profiles.go"),
};

const SHOWS_BEFORE: &str = "heap?seconds=2 shows a map from before the window";
const SHOWS_WITHIN: &str = "heap?seconds=2 shows a map from within the window";
const WHOLE: &str = "heap shows the map from before";
const GC_RUNS: &str = "heap?gc=1 runs a collection";

pub(super) static PROFILE_WINDOW: Experiment = Experiment {
    name: "profile-window",
    question: "What does /debug/pprof/heap show with its parameters?",
    method: "A server that holds a map from before the request, and makes another while it runs.",
    claims: &[
        Claim {
            row: "window-is-snapshot",
            says: "heap?seconds=30 is a snapshot of the heap.",
            figure: "",
            bounds: &[Bound::exactly(SHOWS_BEFORE, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "it is the difference: only what came within the window.",
        },
        Claim {
            row: "gc-1",
            says: "heap?gc=1 runs a collection first.",
            figure: "",
            bounds: &[Bound::exactly(GC_RUNS, 1.0)],
            verdict: Verdict::Holds,
            because: "inuse_space is then that of now.",
        },
    ],
    quantities: &[
        Quantity::real(SHOWS_BEFORE, ""),
        Quantity::real(SHOWS_WITHIN, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(WHOLE, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(GC_RUNS, ""),
    ],
    model: NO_TOOLS,
    program: include_str!("../../../experiments/profile-window.go"),
};

const TRACE_LINES: &str = "lines of gctrace=1";
const SCVG: &str = "lines of gctrace=1 with scvg";
const HEAP_ALLOC: &str = "lines of gctrace=1 with heap_alloc";
const ROOT: &str = "lines of gctrace=1 with root";
const SCAVTRACE: &str = "scavtrace=1 prints lines of the scavenger";
const TRACE_EVENTS: &str = "an execution trace has an event for each allocation";

pub(super) static GC_TRACE: Experiment = Experiment {
    name: "gc-trace",
    question: "What do gctrace and the execution tracer print?",
    method: "A program of 20 collections under GODEBUG=gctrace=1 and scavtrace=1, and a trace of \
             300,000 allocations.",
    claims: &[
        Claim {
            row: "gctrace-scvg",
            says: "gctrace=1 prints scvg and heap_alloc.",
            figure: "",
            bounds: &[Bound::at_least(SCVG, 1.0), Bound::at_least(HEAP_ALLOC, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "the scavenger has scavtrace=1; sizes are printed as before->after->live.",
        },
        Claim {
            row: "gctrace-roots",
            says: "gctrace=1 lists roots.",
            figure: "",
            bounds: &[Bound::at_least(ROOT, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "nothing in Go does; a core has them (tophash inspect).",
        },
        Claim {
            row: "trace-allocations",
            says: "An execution trace shows each call of newobject.",
            figure: "",
            bounds: &[Bound::exactly(TRACE_EVENTS, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "it shows collections and the size of the heap, not single allocations.",
        },
    ],
    quantities: &[
        Quantity::real(TRACE_LINES, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(SCVG, "lines"),
        Quantity::real(HEAP_ALLOC, "lines"),
        Quantity::real(ROOT, "lines"),
        Quantity::real(SCAVTRACE, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(TRACE_EVENTS, ""),
    ],
    model: NO_TOOLS,
    program: include_str!("../../../experiments/gc-trace.go"),
};

const RSS_FIELDS: &str = "fields of MemStats with the resident set";
const SYS_SUM: &str = "Sys less the sum of its parts";
const HEAP_SUM: &str = "HeapSys less HeapInuse and HeapIdle";
const HOLDS_IDLE: &str = "HeapSys holds idle memory when a large map has gone";
const SYS_IS_RSS: &str = "Sys is the resident set";

pub(super) static MEM_STATS: Experiment = Experiment {
    name: "mem-stats",
    question: "What do Sys and HeapSys count?",
    method: "runtime.MemStats of a program that has dropped a large map, beside the kernel's count.",
    claims: &[
        Claim {
            row: "memstats-rss",
            says: "ReadMemStats gives the resident set.",
            figure: "",
            bounds: &[Bound::at_least(RSS_FIELDS, 1.0), Bound::exactly(SYS_IS_RSS, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "Sys is address space that the runtime asked for; what is resident, the kernel \
                      says.",
        },
        Claim {
            row: "heapsys-demand",
            says: "HeapSys is what the program's objects need.",
            figure: "",
            bounds: &[Bound::exactly(HOLDS_IDLE, 0.0)],
            verdict: Verdict::DoesNotHold,
            because: "it is spans in use and idle ones, and never falls.",
        },
    ],
    quantities: &[
        Quantity::real(RSS_FIELDS, "fields"),
        Quantity::real(SYS_SUM, "bytes").expected(&[(Versions::All, 0.0, 0.0)]),
        Quantity::real(HEAP_SUM, "bytes").expected(&[(Versions::All, 0.0, 0.0)]),
        Quantity::real(HOLDS_IDLE, ""),
        Quantity::real(SYS_IS_RSS, ""),
    ],
    model: Model::Without("the model has no kernel beside it"),
    program: include_str!("../../../experiments/mem-stats.go"),
};

const ENDS: &str = "four writers end the program";
const SAYS: &str = "it says that a map was written concurrently";

pub(super) static CONCURRENT_WRITES: Experiment = Experiment {
    name: "concurrent-writes",
    question: "Is a map safe for concurrent use?",
    method: "Four goroutines write to one map.",
    claims: &[Claim {
        row: "count-is-atomic",
        says: "The header is so laid out that maps can be used concurrently.",
        figure: "",
        bounds: &[Bound::exactly(ENDS, 0.0)],
        verdict: Verdict::DoesNotHold,
        because: "the runtime notices, most of the time, and ends the program; it can't be recovered.",
    }],
    quantities: &[
        Quantity::real(ENDS, ""),
        Quantity::real(SAYS, "").expected(&[(Versions::All, 1.0, 1.0)]),
    ],
    model: Model::Without("the model's maps are used by one thread"),
    program: include_str!("../../../experiments/concurrent-writes.go"),
};

const HAS_MARKED: &str = "the runtime's source has markedBuckets";
const HAS_SCANMAP: &str = "the runtime's source has scanmap";
const HAS_MARK_ROOT: &str = "the runtime's source has markRootMapBuckets";
const HAS_FREE_LIST: &str = "the runtime's source has mheap.freeList";
const HAS_LOCKED: &str = "the runtime's source has allocSpanLocked";
const HAS_DUMP: &str = "the runtime's source has gcDumpRoots";
const HAS_FREE_BUCKET: &str = "the runtime's source has freeBucket";
const HAS_ALGHASH: &str = "the runtime's source has alghash";
const HAS_ASSIGN: &str = "the runtime's source has mapassign";
const HAS_EVACUATE: &str = "the runtime's source has evacuate";
const HAS_SCAN_OBJECT: &str = "the runtime's source has scanobject";
const HAS_ASSEMBLY: &str = "the runtime's source has map_fast*.s";

pub(super) static NAMES: Experiment = Experiment {
    name: "names",
    question: "Are the functions that the folklore names in Go's source?",
    method: "Whole words in the files of GOROOT/src/runtime and internal/runtime/maps, tests aside.",
    claims: &[
        Claim {
            row: "map-aware-marking",
            says: "The collector knows maps: scanmap, markRootMapBuckets, a bitmap markedBuckets.",
            figure: "",
            bounds: &[
                Bound::exactly(HAS_MARKED, 1.0),
                Bound::exactly(HAS_SCANMAP, 1.0),
                Bound::exactly(HAS_MARK_ROOT, 1.0),
            ],
            verdict: Verdict::DoesNotHold,
            because: "it follows pointer words of objects, whatever they are part of.",
        },
        Claim {
            row: "free-lists",
            says: "mheap.freeList and allocSpanLocked keep free slots apart by class.",
            figure: "",
            bounds: &[Bound::exactly(HAS_FREE_LIST, 1.0), Bound::exactly(HAS_LOCKED, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "spans of a class hang on central lists, and pages on an allocator of their own.",
        },
        Claim {
            row: "root-dump",
            says: "gcDumpRoots prints roots.",
            figure: "",
            bounds: &[Bound::exactly(HAS_DUMP, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "there is no such function.",
        },
        Claim {
            row: "free-bucket",
            says: "freeBucket reclaims overflow buckets.",
            figure: "",
            bounds: &[Bound::exactly(HAS_FREE_BUCKET, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "only the collector reclaims anything.",
        },
        Claim {
            row: "alghash",
            says: "Deleting looks the key up with mapaccess, which hashes it with alghash.",
            figure: "",
            bounds: &[Bound::exactly(HAS_ALGHASH, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "the hash function is the map type's own; each operation searches by itself.",
        },
        Claim {
            row: "fast-assembly",
            says: "Fast paths for integer keys are assembly, without a hash.",
            figure: "map_fast64.s",
            bounds: &[Bound::exactly(HAS_ASSEMBLY, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "they are Go code, and hash.",
        },
    ],
    quantities: &[
        Quantity::real(HAS_MARKED, ""),
        Quantity::real(HAS_SCANMAP, ""),
        Quantity::real(HAS_MARK_ROOT, ""),
        Quantity::real(HAS_FREE_LIST, ""),
        Quantity::real(HAS_LOCKED, ""),
        Quantity::real(HAS_DUMP, ""),
        Quantity::real(HAS_FREE_BUCKET, ""),
        Quantity::real(HAS_ALGHASH, ""),
        // That the search finds what is there.
        Quantity::real(HAS_ASSIGN, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(HAS_EVACUATE, "").expected(&[(Versions::Classic, 1.0, 1.0)]),
        Quantity::real(HAS_SCAN_OBJECT, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(HAS_ASSEMBLY, ""),
    ],
    model: Model::Without("the model has no source"),
    program: include_str!("../../../experiments/names.go"),
};

const VET_TYPES: &str = "go vet sees the type of an argument of Printf";
const RUN_FLAG: &str = "go run takes -cpuprofile";
const RANGE_METHOD: &str = "m.Range compiles for a map";
const HITER: &str = "&hiter{} compiles";
const RANGE_DELETE: &str = "delete in a range over the map compiles";
const RANGE_WRONG: &str = "entries seen twice or missed by ranges that delete";

pub(super) static TOOLS: Experiment = Experiment {
    name: "tools",
    question: "What do go vet, go run and the compiler accept?",
    method: "Small programs, given to each; then 200 ranges over maps from which entries are deleted \
             meanwhile.",
    claims: &[
        Claim {
            row: "vet-syntax",
            says: "go vet looks at syntax alone.",
            figure: "",
            bounds: &[Bound::exactly(VET_TYPES, 0.0)],
            verdict: Verdict::DoesNotHold,
            because: "it type-checks: Printf(\"%d\", \"x\") is caught.",
        },
        Claim {
            row: "run-cpuprofile",
            says: "go run takes -cpuprofile and -trace.",
            figure: "",
            bounds: &[Bound::exactly(RUN_FLAG, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "go test does.",
        },
        Claim {
            row: "map-range-method",
            says: "A map has a method Range, and &hiter{} makes an iterator.",
            figure: "",
            bounds: &[Bound::exactly(RANGE_METHOD, 1.0), Bound::exactly(HITER, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "sync.Map has such a method; hiter is the runtime's own.",
        },
        Claim {
            row: "delete-in-range",
            says: "Deleting while ranging over a map is an error.",
            figure: "",
            bounds: &[Bound::exactly(RANGE_DELETE, 0.0), Bound::at_least(RANGE_WRONG, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "the language allows it, and says that an entry that is deleted before it is \
                      reached does not come.",
        },
    ],
    quantities: &[
        Quantity::real(VET_TYPES, ""),
        Quantity::real(RUN_FLAG, ""),
        Quantity::real(RANGE_METHOD, ""),
        Quantity::real(HITER, ""),
        Quantity::real(RANGE_DELETE, ""),
        Quantity::real(RANGE_WRONG, "entries"),
    ],
    model: NO_TOOLS,
    program: include_str!("../../../experiments/tools.go"),
};
