//! Go's allocator and collector, executable; predictions and experiments.
