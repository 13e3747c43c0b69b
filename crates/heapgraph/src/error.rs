//! Why a graph could not be built, and the allocation of its arrays.

/// Why a graph could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nodes have 32-bit numbers, of which some are set aside.
    #[error("the graph has {nodes} nodes; at most {limit} can be analysed")]
    TooManyNodes {
        /// How many there are.
        nodes: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Edges to 64 neighbouring nodes are counted in 32 bits.
    #[error("more than {limit} edges lead to the same few nodes; the heap is most likely damaged")]
    TooManyEdges {
        /// How many there may be.
        limit: u64,
    },
    /// An array could not be allocated.
    #[error("the graph needs {bytes} more bytes of memory than there are")]
    OutOfMemory {
        /// Bytes of the array.
        bytes: u64,
    },
    /// The second pass over the source saw other nodes or edges than the first.
    #[error(
        "the heap changed while it was analysed: {first} edges at first, {second} later; analyse \
         a copy of it"
    )]
    SourceChanged {
        /// Edges in the first pass.
        first: u64,
        /// Edges in the second pass that fit the first.
        second: u64,
    },
}

/// An empty array with room for `len` elements.
pub(crate) fn with_room<T>(len: usize) -> Result<Vec<T>, BuildError> {
    let mut array = Vec::new();
    array.try_reserve_exact(len).map_err(|_| BuildError::OutOfMemory {
        bytes: (len as u64).saturating_mul(size_of::<T>() as u64),
    })?;
    Ok(array)
}

/// An array of `len` elements that are all `value`.
pub(crate) fn filled<T: Clone>(len: usize, value: T) -> Result<Vec<T>, BuildError> {
    let mut array = with_room(len)?;
    array.resize(len, value);
    Ok(array)
}
