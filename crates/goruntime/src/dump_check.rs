//! Whether a heap dump and an executable belong together, and what no dump tells.
//!
//! A dump has no build ID. What it does have is as good: the release, where the two data sections
//! start and end, and where functions that were on stacks start and what they are called. Another
//! build of the same program agrees in all of them only if no function before those has changed its
//! size.

use tophash_memory::{AddressRange, DumpedSection, HeapDump};

use crate::build_info::BuildInfo;
use crate::error::Error;
use crate::functions::FunctionTable;
use crate::module_data::ModuleData;
use crate::version::GoVersion;

/// What a program that sets cleanups calls; the linker drops it from others.
pub(crate) const CLEANUPS: &str = "runtime.addCleanup";
/// What is said of such a program's dump.
pub(crate) const NO_CLEANUPS: &str = "Go does not write cleanups (runtime.AddCleanup) into heap \
     dumps: maps that nothing but a cleanup holds are missing";

/// Compares what both tell.
///
/// # Errors
///
/// [`Error::OtherHeapDump`] where they differ.
pub(crate) fn check(
    dump: &HeapDump,
    executable: &str,
    build: &BuildInfo,
    module: &ModuleData,
    functions: &FunctionTable<'_>,
) -> Result<(), Error> {
    let differ =
        |what: String| Err(Error::OtherHeapDump { executable: executable.to_owned(), what });
    if GoVersion::parse(dump.go_version()).is_some_and(|version| version != build.version) {
        return differ(format!(
            "the dump is of {:?}, the executable of {}",
            dump.go_version(),
            build.version
        ));
    }
    let differs = |dumped: Option<DumpedSection<'_>>, linked: AddressRange| {
        dumped.is_some_and(|section| section.range() != linked)
    };
    if differs(dump.data(), module.data) || differs(dump.bss(), module.bss) {
        return differ("their globals lie at other addresses".to_owned());
    }
    for (entry, name) in dump.functions() {
        let known = functions.find(*entry).filter(|function| function.entry() == *entry);
        if known.is_none_or(|function| function.name() != name.as_str()) {
            return differ(format!("{name} is not at {entry} in the executable"));
        }
    }
    Ok(())
}
