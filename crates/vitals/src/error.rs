//! Why a text is not what it was taken for.

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not JSON, or fields of another form than Go writes.
    #[error("not the JSON that Go's expvar serves")]
    Json(#[from] serde_json::Error),
    /// JSON without the runtime's figures.
    #[error("the JSON has no `memstats`: is it of /debug/vars of a Go program?")]
    NoMemStats,
    /// A heap profile without the runtime's figures.
    #[error("the heap profile has no figures of the runtime: ask for /debug/pprof/heap?debug=1")]
    NoHeapFigures,
    /// A line with one of the Go runtime's metrics that is none.
    #[error(transparent)]
    Exposition(#[from] crate::ExpositionError),
    /// Text without any of the metrics that Go programs export.
    #[error("the text has no metric of a Go program, such as go_memstats_heap_alloc_bytes")]
    NoGoMetrics,
    /// More than any program says of itself.
    #[error("{len} bytes are more than a program says of its memory; {limit} are read")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
}
