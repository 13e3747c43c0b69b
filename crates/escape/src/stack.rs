//! Stacks of allocations: whose they are, what the runtime did, and how symbols spell packages.
//!
//! The innermost calls are the runtime's, which allocates on behalf of others. The samples that a process
//! keeps of itself have them. Heap profiles leave them out, in all releases up to 1.27
//! (`runtime/pprof/protomem.go`), so that stacks can't tell there a map that grows from what else its
//! line allocates.

/// A call of an allocation's stack.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The function's full name: `example.com/app.(*T).Run`.
    pub function: &'a str,
    /// The file, wherever the program was built.
    pub file: &'a str,
    /// The line.
    pub line: u32,
    /// Frames next to each other with the same number, other than 0, are one function's code with
    /// what was inlined into it.
    pub location: u64,
}

/// Bytes and objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Bytes.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

impl Sum {
    /// Adds another sum to this one.
    pub fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.objects = self.objects.saturating_add(other.objects);
    }
}

/// What the runtime did for a map as it allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapWork {
    /// Nothing, or it can't be told.
    None,
    /// A map was made, by `make` or as a literal.
    Makes,
    /// A map got an entry, and room for it.
    Grows,
}

/// Leaves out the runtime's own calls, the innermost, and says what they did for a map.
pub fn outside_of_runtime<'s, 'f>(frames: &'s [Frame<'f>]) -> (&'s [Frame<'f>], MapWork) {
    let inner = frames.iter().take_while(|frame| is_runtime(frame.function)).count();
    let inside = || frames.iter().take(inner).map(|frame| frame.function);
    // `make` and literals end in the runtime, too.
    let makes = inside().any(|name| {
        name.starts_with("runtime.makemap") || name.starts_with("internal/runtime/maps.New")
    });
    let grows = inside().any(|name| {
        name.starts_with("runtime.mapassign") || name.starts_with("internal/runtime/maps.")
    });
    let work = match (makes, grows) {
        (true, _) => MapWork::Makes,
        (false, true) => MapWork::Grows,
        (false, false) => MapWork::None,
    };
    (frames.get(inner..).unwrap_or_default(), work)
}

/// Whether a function allocates on behalf of others.
fn is_runtime(function: &str) -> bool {
    ["runtime.", "internal/runtime/"].iter().any(|package| function.starts_with(package))
}

/// The last part of a file's path.
pub fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// How many folders two paths have in common, counted from the last: 2 for `/src/cmd/a` and
/// `example.com/app/cmd/a`.
pub(crate) fn folders_in_common(one: &str, other: &str) -> usize {
    fn folders(path: &str) -> impl Iterator<Item = &str> {
        path.rsplit('/').filter(|part| !part.is_empty())
    }
    folders(one).zip(folders(other)).take_while(|(one, other)| one == other).count()
}

/// A package's import path, without what it was compiled for: `a/b [a/b.test]` is of `a/b`.
pub fn import_path(package: &str) -> &str {
    package.split(" [").next().unwrap_or(package)
}

/// Splits a symbol's name into the package's path and the rest, undoing the linker's escapes.
pub fn split_symbol(symbol: &str) -> (String, &str) {
    // Type arguments hold paths of their own.
    let plain = symbol.split('[').next().unwrap_or(symbol);
    let path_end = plain.rfind('/').map_or(0, |slash| slash + 1);
    let dot = plain.get(path_end..).and_then(|rest| rest.find('.'));
    let Some(dot) = dot.map(|dot| path_end + dot) else { return (symbol.to_owned(), "") };
    let path = symbol.get(..dot).unwrap_or(symbol).replace("%2e", ".").replace("%22", "\"");
    (path, symbol.get(dot + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_split_after_the_path() {
        assert_eq!(split_symbol("main.main.func1").0, "main");
        assert_eq!(split_symbol("a.b/c.(*T).M"), ("a.b/c".to_owned(), "(*T).M"));
        assert_eq!(split_symbol("slices.Sort[go.shape.[]a/b.T]").0, "slices");
        assert_eq!(split_symbol("odd"), ("odd".to_owned(), ""));
    }

    #[test]
    fn folders_are_compared_from_the_last() {
        assert_eq!(folders_in_common("/src/cmd/a/", "example.com/app/cmd/a"), 2);
        assert_eq!(folders_in_common("/src/cmd/a", "/src/cmd/b"), 0);
        assert_eq!(folders_in_common("", "a"), 0);
    }

    #[test]
    fn what_the_runtime_does_for_maps_is_told_by_its_calls() {
        let frame = |function| Frame { function, file: "", line: 1, location: 0 };
        let work = |names: &[&'static str]| {
            let frames: Vec<_> = names.iter().map(|name| frame(name)).collect();
            let (outside, work) = outside_of_runtime(&frames);
            (outside.len(), work)
        };
        assert_eq!(
            work(&["runtime.mapassign_faststr", "main.f", "main.main"]),
            (2, MapWork::Grows)
        );
        assert_eq!(
            work(&["internal/runtime/maps.newarray", "internal/runtime/maps.NewMap", "main.f"]),
            (1, MapWork::Makes)
        );
        assert_eq!(work(&["runtime.newobject", "main.f"]), (1, MapWork::None));
        assert_eq!(work(&[]), (0, MapWork::None));
    }
}
