//! Placeholder of the layer; filled by the commits that follow.
