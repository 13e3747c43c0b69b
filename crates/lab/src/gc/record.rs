//! What a cycle leaves behind, and the line that `GODEBUG=gctrace=1` prints of it
//! (`gcMarkTermination`, `runtime/mgc.go`; the same from Go 1.19 to 1.27).

use std::fmt;

/// A collection. Times are those of the simulated clock, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcRecord {
    /// Which collection, from 1.
    pub number: u32,
    /// When it started.
    pub started: u64,
    /// Percent of processor time that collecting took since the program started.
    pub percent: u32,
    /// Wall time: the world stopped, marking, the world stopped.
    pub wall: [u64; 3],
    /// Processor time of assists.
    pub assist: u64,
    /// Processor time of the background workers.
    pub background: u64,
    /// Processor time of marking while the program waited.
    pub idle: u64,
    /// Heap when it started, when marking ended, and what was marked.
    pub heap: [u64; 3],
    /// The size that it aimed at.
    pub goal: u64,
    /// Bytes of stacks that were scanned.
    pub stacks: u64,
    /// Bytes of globals that were scanned.
    pub globals: u64,
    /// Processors.
    pub processors: u32,
    /// The program asked for it.
    pub is_forced: bool,
}

/// Nanoseconds as the runtime prints them in milliseconds: two digits, at most three of them
/// decimals, and whole from ten on.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1000;
        if micros >= 10_000 {
            return write!(f, "{}", micros / 1000);
        }
        if micros == 0 {
            return write!(f, "0");
        }
        let (mut digits, mut decimals) = (micros, 3);
        while digits >= 100 {
            digits /= 10;
            decimals -= 1;
        }
        let unit = 10_u64.pow(decimals);
        match decimals {
            0 => write!(f, "{digits}"),
            _ => {
                write!(f, "{}.{:0width$}", digits / unit, digits % unit, width = decimals as usize)
            }
        }
    }
}

impl fmt::Display for GcRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.started / 1_000_000;
        let [first, marking, last] = self.wall;
        let procs = u64::from(self.processors);
        let [before, at_end, marked] = self.heap.map(|bytes| bytes >> 20);
        write!(
            f,
            "gc {} @{}.{:03}s {}%: {}+{}+{} ms clock, {}+{}/{}/{}+{} ms cpu, {before}->{at_end}->\
             {marked} MB, {} MB goal, {} MB stacks, {} MB globals, {} P",
            self.number,
            millis / 1000,
            millis % 1000,
            self.percent,
            Millis(first),
            Millis(marking),
            Millis(last),
            Millis(first * procs),
            Millis(self.assist),
            Millis(self.background),
            Millis(self.idle),
            Millis(last * procs),
            self.goal >> 20,
            self.stacks >> 20,
            self.globals >> 20,
            self.processors,
        )?;
        if self.is_forced {
            write!(f, " (forced)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_the_runtime_prints_it() {
        let record = GcRecord {
            number: 3,
            started: 1_045_600_000,
            percent: 2,
            wall: [31_000, 1_234_000, 800],
            assist: 0,
            background: 12_345_000,
            idle: 5_000,
            heap: [(4 << 20) + 5, 5 << 20, 2 << 20],
            goal: 6 << 20,
            stacks: 0,
            globals: 1 << 20,
            processors: 2,
            is_forced: true,
        };
        assert_eq!(
            record.to_string(),
            "gc 3 @1.045s 2%: 0.031+1.2+0 ms clock, 0.062+0/12/0.005+0.001 ms cpu, 4->5->2 MB, \
             6 MB goal, 0 MB stacks, 1 MB globals, 2 P (forced)"
        );
    }

    #[test]
    fn milliseconds_have_two_digits() {
        let text = [999, 1_000, 99_999, 100_000, 123_456, 9_999_000, 10_000_000, 1_234_000_000]
            .map(|nanos| Millis(nanos).to_string());
        assert_eq!(text, ["0", "0.001", "0.099", "0.10", "0.12", "9.9", "10", "1234"]);
    }
}
