//! What sample types mean, in words, and which one answers what.

/// What is counted, and the question that it answers.
pub(super) fn meaning(sample_type: &str) -> Option<(&'static str, &'static str)> {
    Some(match sample_type {
        "inuse_space" => (
            "bytes that were live at the last collection, by where they were allocated",
            "what holds memory now, and after a comparison what grew",
        ),
        "inuse_objects" => (
            "objects that were live at the last collection, by where they were allocated",
            "what the collector has to mark, and leaks of small objects",
        ),
        "alloc_space" => (
            "all bytes allocated since the start, freed or not: it never falls",
            "what makes work for the collector; not what holds memory",
        ),
        "alloc_objects" => (
            "all objects allocated since the start, freed or not: it never falls",
            "where allocations could be saved; not what holds memory",
        ),
        "goroutine" => ("goroutines, by where they are", "what they wait for, and which pile up"),
        "goroutineleak" => (
            "goroutines that nothing can wake any more, by where they are",
            "which goroutines leak, with all that their stacks hold",
        ),
        "cpu" => ("time on processors", "where time goes"),
        "samples" => ("times that a sample was taken there", "how far cpu can be trusted"),
        "contentions" => ("times that something was waited for", "which locks are fought over"),
        "delay" => ("time spent waiting", "which locks cost time"),
        _ => return None,
    })
}
