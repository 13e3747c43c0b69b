//! What is found out of packages: small ones written for it, and those of Go's own source, by the word of
//! go/types.

mod facts;
mod goroot;
mod nodes;
mod oracle;
