//! Profiles: figures held against `go tool pprof` of Go 1.27 on profiles of every release, made up
//! ones and damaged ones; what is written, by us and for viewers; running programs; hostile input.

#![allow(clippy::unwrap_used, reason = "tests")]

mod damaged;
mod figures;
mod hostile;
mod oracle;
mod running;
mod viewers;
mod written;
