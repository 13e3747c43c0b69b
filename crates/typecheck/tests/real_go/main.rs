//! Types, against those of go/types, over source that people wrote.

mod goroot;
mod nodes;
mod oracle;
