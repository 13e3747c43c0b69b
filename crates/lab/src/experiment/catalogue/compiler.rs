//! What the compiler decides: where values lie, and what interfaces allocate.

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Quantity, Versions};
use crate::experiment::{Experiment, Model};

const NO_COMPILER: Model = Model::Without("the model does not cover the compiler");

const LOCAL: &str = "a local map[string]string goes to the heap";
const LOCAL_ANY: &str = "a local map[string]any goes to the heap";
const LOCAL_WIDE: &str = "a local map[int][200]byte goes to the heap";
const WRITTEN: &str = "a local map that is written to goes to the heap";
const RETURNED: &str = "a map that is returned goes to the heap";
const CLOSED: &str = "a map that a returned closure uses goes to the heap";
const STARTED: &str = "a map that a goroutine uses goes to the heap";
const COPIED: &str = "a map that is returned as a copy of the variable goes to the heap";
const BY_VALUE: &str = "a map passed by value goes to the heap";
const BY_POINTER: &str = "a map passed by pointer goes to the heap";
const GO_VALUE: &str = "a map passed by value to a goroutine goes to the heap";
const GO_POINTER: &str = "a map passed by pointer to a goroutine goes to the heap";
const PRINTED: &str = "a map that is printed goes to the heap";
const STORED_NEW: &str = "new(int) stored in a map goes to the heap";
const LOCAL_NEW: &str = "new(int) that is not stored goes to the heap";
const CAPTURED: &str = "a captured integer that nobody changes is moved to the heap";
const MOVED: &str = "the compiler says of a written map that it was moved to the heap";
const WRITTEN_OBJECTS: &str = "objects allocated by a local map that is written to";
const WIDE_OBJECTS: &str = "objects allocated by a local map with one elem of 200 bytes";

pub(super) static ESCAPES: Experiment = Experiment {
    name: "escapes",
    question: "Which maps and values go to the heap?",
    method: "The compiler's own account (-gcflags='-m -l') of a function for each case.",
    claims: &[
        Claim {
            row: "pointers-escape",
            says: "A map whose keys or values hold pointers goes to the heap, one without stays on \
                   the stack.",
            figure: "",
            bounds: &[Bound::exactly(LOCAL, 1.0), Bound::exactly(LOCAL_ANY, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "what is in a map does not matter: where the map goes does.",
        },
        Claim {
            row: "large-elems-escape",
            says: "So does one with values of more than 128 bytes.",
            figure: "128 B",
            bounds: &[Bound::exactly(LOCAL_WIDE, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "the map stays on the stack; each such value has an object of its own.",
        },
        Claim {
            row: "first-write-escapes",
            says: "The first write moves a map to the heap.",
            figure: "",
            bounds: &[
                Bound::exactly(WRITTEN, 1.0),
                Bound::exactly(MOVED, 1.0),
                Bound::at_least(WRITTEN_OBJECTS, 1.0),
            ],
            verdict: Verdict::DoesNotHold,
            because: "a map that is only written to allocates nothing, up to eight entries.",
        },
        Claim {
            row: "leaving-escapes",
            says: "A map that is returned, or that a closure or a goroutine uses, goes to the heap.",
            figure: "",
            bounds: &[
                Bound::exactly(RETURNED, 1.0),
                Bound::exactly(CLOSED, 1.0),
                Bound::exactly(STARTED, 1.0),
            ],
            verdict: Verdict::Holds,
            because: "it outlives the function.",
        },
        Claim {
            row: "copy-helps",
            says: "Assigning it to another variable first avoids that.",
            figure: "",
            bounds: &[Bound::exactly(COPIED, 0.0)],
            verdict: Verdict::DoesNotHold,
            because: "both variables are the same map.",
        },
        Claim {
            row: "by-value-escapes",
            says: "A map passed by value goes to the heap, one passed by pointer does not.",
            figure: "",
            bounds: &[Bound::exactly(BY_VALUE, 1.0), Bound::exactly(BY_POINTER, 0.0)],
            verdict: Verdict::Partly,
            because: "neither does.",
        },
        Claim {
            row: "goroutine-forces",
            says: "Passed to a goroutine, either goes to the heap.",
            figure: "",
            bounds: &[Bound::exactly(GO_VALUE, 1.0), Bound::exactly(GO_POINTER, 1.0)],
            verdict: Verdict::Holds,
            because: "the goroutine may outlive the caller.",
        },
        Claim {
            row: "adder-moves-x",
            says: "The integer that a returned closure adds is moved to the heap.",
            figure: "",
            bounds: &[Bound::exactly(CAPTURED, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "the closure holds a copy; only the closure is on the heap.",
        },
        Claim {
            row: "stored-new-escapes",
            says: "&x or new(T) stored in a map goes to the heap, and new alone as well.",
            figure: "",
            bounds: &[Bound::exactly(STORED_NEW, 1.0), Bound::exactly(LOCAL_NEW, 1.0)],
            verdict: Verdict::Partly,
            because: "what is stored does; new(T) that stays local does not.",
        },
        Claim {
            row: "print-escapes",
            says: "A map that is printed goes to the heap.",
            figure: "",
            bounds: &[Bound::exactly(PRINTED, 1.0)],
            verdict: Verdict::Holds,
            because: "fmt takes interfaces, and may keep them for all that the compiler knows.",
        },
    ],
    quantities: &[
        Quantity::real(LOCAL, ""),
        Quantity::real(LOCAL_ANY, ""),
        Quantity::real(LOCAL_WIDE, ""),
        Quantity::real(WRITTEN, ""),
        Quantity::real(RETURNED, ""),
        Quantity::real(CLOSED, ""),
        Quantity::real(STARTED, ""),
        Quantity::real(COPIED, ""),
        Quantity::real(BY_VALUE, ""),
        Quantity::real(BY_POINTER, ""),
        Quantity::real(GO_VALUE, ""),
        Quantity::real(GO_POINTER, ""),
        Quantity::real(PRINTED, ""),
        Quantity::real(STORED_NEW, ""),
        Quantity::real(LOCAL_NEW, ""),
        Quantity::real(CAPTURED, ""),
        Quantity::real(MOVED, ""),
        Quantity::real(WRITTEN_OBJECTS, "objects"),
        Quantity::real(WIDE_OBJECTS, "objects").expected(&[(Versions::All, 1.0, 1.0)]),
    ],
    model: NO_COMPILER,
    program: include_str!("../../../experiments/escapes.go"),
};

const PRINT_OBJECTS: &str = "objects allocated by printing a map, by entries";
const BOX_MAP: &str = "objects allocated by putting a map in an interface";
const BOX_INT: &str = "objects allocated by putting an int in an interface";
const BOX_SMALL: &str = "objects allocated by putting a small int in an interface";
const BOX_ZERO: &str = "objects allocated by putting a zero [1024]byte in an interface";
const BOX_ARRAY: &str = "objects allocated by putting another [1024]byte in an interface";
const THROWN: &str = "objects allocated by a make that is thrown away";
const STORE_INT: &str = "objects allocated by storing an int in a map[int]any";

pub(super) static INTERFACES: Experiment = Experiment {
    name: "interfaces",
    question: "What do interfaces and %v allocate?",
    method: "Objects allocated by each operation (testing.AllocsPerRun).",
    claims: &[
        Claim {
            row: "print-copies",
            says: "Printing a map with %v copies it.",
            figure: "",
            bounds: &[
                Bound::at_least(PRINT_OBJECTS, 1000.0).point(1000),
                Bound::at_least(BOX_MAP, 1.0),
            ],
            verdict: Verdict::Partly,
            because: "putting it in an interface copies a pointer and allocates nothing; but fmt \
                      sorts the entries, at two objects each.",
        },
        Claim {
            row: "box-array",
            says: "An array of 1,024 bytes in an interface is allocated.",
            figure: "1 object",
            bounds: &[Bound::exactly(BOX_ZERO, 1.0)],
            verdict: Verdict::On(Versions::Until(24)),
            because: "from Go 1.25 on a constant one, such as the zero value, is not; any other is.",
        },
        Claim {
            row: "thrown-make",
            says: "_ = make([]byte, 16) in a loop fills spans.",
            figure: "",
            bounds: &[Bound::at_least(THROWN, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "it stays on the stack, and so allocates nothing.",
        },
    ],
    quantities: &[
        Quantity::real(PRINT_OBJECTS, "objects"),
        Quantity::real(BOX_MAP, "objects"),
        Quantity::real(BOX_INT, "objects").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(BOX_SMALL, "objects").expected(&[(Versions::All, 0.0, 0.0)]),
        Quantity::real(BOX_ZERO, "objects"),
        Quantity::real(BOX_ARRAY, "objects").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(THROWN, "objects"),
        Quantity::real(STORE_INT, "objects").expected(&[(Versions::All, 1.0, 1.0)]),
    ],
    model: NO_COMPILER,
    program: include_str!("../../../experiments/interfaces.go"),
};
