//! How long does it take to read what the compiler prints of a large module?
//!
//! ```text
//! go list -export -gcflags=-m=2 ./... 2>text
//! cargo run --release -p tophash-escape --example read text
//! ```

use std::time::Instant;

use tophash_escape::{NoContext, read};

fn main() {
    for file in std::env::args().skip(1) {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(fault) => {
                eprintln!("{file}: {fault}");
                continue;
            }
        };
        let mut best = f64::INFINITY;
        let mut sites = 0;
        for _ in 0..5 {
            let start = Instant::now();
            sites = read(&text, &NoContext).escaping().count();
            best = best.min(start.elapsed().as_secs_f64());
        }
        let megabytes = text.len() as f64 / 1e6;
        println!(
            "{file}: {megabytes:.1} MB, {sites} places that escape, {:.0} ms, {:.0} MB/s",
            best * 1e3,
            megabytes / best
        );
    }
}
