//! The model against real Go: the same script of allocations, and what the runtime says of its heap
//! at the same points, by every release of the matrix.
//!
//! What the collector decides alone (bytes and counts of objects, by size class, and what is alive)
//! must be equal. Goals must agree within a percent. How spans lie in memory depends on what the
//! process did before, so that figures of spans and pages are held to a tolerance.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::collections::HashMap;
use std::process::Command;

use tophash_gomap::{GoType, StructField};
use tophash_goruntime::GoVersion;
use tophash_lab::{
    GoroutineId, MapId, MemStats, PointerMap, Runtime, RuntimeOptions, Slot, Surroundings,
};
use tophash_memory::Address;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::toolchain::Release;

const SLOTS: u64 = 4096;
const LIMIT: u64 = 512 << 20;

/// A line of the fixture: figures by column.
#[derive(Debug, Clone, Default)]
struct Point {
    name: String,
    figures: HashMap<String, u64>,
    mallocs: Vec<u64>,
    frees: Vec<u64>,
}

impl Point {
    fn get(&self, column: &str) -> u64 {
        self.figures[column]
    }
}

fn run_real(release: &Release) -> Vec<Point> {
    let program = fixture::build(release.version, Fixture::Heap, Symbols::Stripped).unwrap();
    let output = Command::new(program).env_remove("GOGC").env_remove("GODEBUG").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(|line| line.split('\t'));
    let columns: Vec<&str> = lines.next().unwrap().collect();
    let list = |text: &str| -> Vec<u64> {
        text.split_terminator(',').map(|number| number.parse().unwrap()).collect()
    };
    lines
        .map(|values| {
            let mut point = Point::default();
            for (&column, value) in columns.iter().zip(values) {
                match column {
                    "name" => point.name = value.to_owned(),
                    "bymallocs" => point.mallocs = list(value),
                    "byfrees" => point.frees = list(value),
                    _ => {
                        point.figures.insert(column.to_owned(), value.parse().unwrap());
                    }
                }
            }
            point
        })
        .collect()
}

/// The fixture's program, on the model.
struct Script<'a> {
    runtime: Runtime,
    main: GoroutineId,
    state: u64,
    pointer: MapId,
    node: GoType,
    real: std::slice::Iter<'a, Point>,
    told: Vec<(Point, Told)>,
}

struct Told {
    stats: MemStats,
    next_gc: u64,
    limited: u64,
}

fn surroundings(point: &Point) -> Surroundings {
    let start = |column| point.get(column);
    Surroundings {
        heap_live: start("live").max(start("alloc")),
        heap_scan: start("alloc") / 2,
        stack_scan: start("scanstack"),
        globals_scan: start("scanglobals").saturating_sub(SLOTS * 8),
        other_memory: start("allsys") - start("sys"),
    }
}

impl<'a> Script<'a> {
    fn new(release: &Release, real: &'a [Point]) -> Self {
        let version = GoVersion::parse(&format!("go{}", release.version)).unwrap();
        let options = RuntimeOptions {
            gc_percent: None,
            surroundings: surroundings(&real[0]),
            profile_rate: 0,
            ..RuntimeOptions::new(version)
        };
        let mut runtime = Runtime::new(options).unwrap();
        let main = runtime.go(0, &[]).unwrap();
        runtime.add_globals(SLOTS as usize);
        let pointer = runtime.pointer_map(PointerMap::of(&GoType::Pointer));
        let field = |name: &str, ty| StructField { name: name.into(), ty };
        let node = GoType::Struct(
            [
                field("next", GoType::Pointer),
                field("a", GoType::Integer(8)),
                field("b", GoType::Integer(8)),
            ]
            .into(),
        );
        Self { runtime, main, state: 0, pointer, node, real: real.iter(), told: Vec::new() }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn bytes(&mut self, count: u64) -> Address {
        self.runtime.allocate(self.main, count, MapId::NONE).unwrap()
    }

    fn pointers(&mut self, count: u64) -> Address {
        self.runtime.allocate(self.main, 8 * count, self.pointer).unwrap()
    }

    fn operation(&mut self) {
        let word = self.random();
        let (slot, more) = ((word >> 40) % SLOTS, (word >> 8) & 0xffff_ffff);
        let at = match word % 100 {
            0..40 => self.bytes(1 + more % 120),
            40..60 => self.pointers(1 + more % 80),
            60..75 => self.runtime.new_value(self.main, &self.node).unwrap(),
            75..90 => self.bytes(1 + more % 4000),
            90..97 => self.pointers(1 + more % 4000),
            97..99 => self.bytes(1 + more % 40_000),
            _ => self.bytes(1 + more % 300_000),
        };
        self.runtime.store(Slot::Global(slot as usize), at);
    }

    fn tell(&mut self, name: &str) {
        let point = self.real.next().unwrap();
        assert_eq!(point.name, name);
        let stats = self.runtime.mem_stats();
        let mut around = surroundings(point);
        let start = self.told.first().map_or(point, |(start, _)| start).get("alloc");
        (around.heap_live, around.heap_scan) = (start, start / 2);
        self.runtime.set_surroundings(around);
        self.runtime.set_gc_percent(Some(100));
        let next_gc = self.runtime.mem_stats().next_gc;
        self.runtime.set_gc_percent(None);
        self.runtime.set_memory_limit(Some(LIMIT));
        let limited = self.runtime.mem_stats().next_gc;
        self.runtime.set_memory_limit(None);
        self.told.push((point.clone(), Told { stats, next_gc, limited }));
    }

    fn run(&mut self) {
        self.runtime.free_os_memory();
        self.tell("start");
        for _ in 0..5 {
            (0..20_000).for_each(|_| self.operation());
            self.tell("garbage");
            self.runtime.gc();
            self.tell("clean");
        }
        self.runtime.set_gc_percent(Some(100));
        (0..100_000).for_each(|_| self.operation());
        self.runtime.set_gc_percent(None);
        self.runtime.gc();
        self.tell("churned");
        for slot in 0..SLOTS as usize {
            self.runtime.store(Slot::Global(slot), Address::NULL);
        }
        self.runtime.gc();
        self.runtime.free_os_memory();
        self.tell("dropped");
        self.fragment();
    }

    fn fill(&mut self, table: Address, count: u64, step: usize, size: Option<u64>) {
        for index in (0..count).step_by(step) {
            let at = size.map_or(Address::NULL, |size| self.bytes(size));
            let slot = Address::new(table.get() + 8 * index);
            self.runtime.store(Slot::Heap(slot), at);
        }
    }

    fn fragment(&mut self) {
        const COUNT: u64 = 1 << 21;
        let first = self.runtime.add_globals(2);
        let table = self.pointers(COUNT);
        self.runtime.store(Slot::Global(first), table);
        let other = self.pointers(COUNT / 4);
        self.runtime.store(Slot::Global(first + 1), other);
        self.fill(table, COUNT, 1, Some(16));
        self.runtime.gc();
        self.tell("filled");
        self.fill(table, COUNT, 2, None);
        self.runtime.gc();
        self.tell("half");
        self.fill(other, COUNT / 4, 1, Some(32));
        self.runtime.gc();
        self.tell("others");
        self.runtime.free_os_memory();
        self.tell("others-released");
        self.fill(table, COUNT, 1, None);
        self.runtime.free_os_memory();
        self.tell("empty-released");
        self.fill(other, COUNT / 4, 1, Some(32));
        self.runtime.gc();
        self.tell("again");
    }
}

/// How far two figures are apart, as a share of the larger one.
fn deviation(model: u64, real: u64) -> f64 {
    model.abs_diff(real) as f64 / model.max(real).max(1) as f64
}

/// Holds one point against the model. `is_churned` says that cycles started by themselves before.
fn compare(context: &str, start: &Point, point: &Point, told: &Told, is_churned: bool) {
    let stats = &told.stats;
    let grown = |column: &str| point.get(column) - start.get(column);
    let exact = [
        ("alloc", stats.heap_alloc),
        ("total", stats.total_alloc),
        ("mallocs", stats.mallocs),
        ("frees", stats.frees),
        ("objects", stats.heap_objects),
    ];
    for (column, model) in exact {
        let real = grown(column);
        // When a cycle ends, the current tiny block is given up: where cycles end at different
        // places, a few blocks of 16 bytes hold other objects together.
        let most = match (is_churned, column) {
            (true, "alloc" | "total") => 1024,
            (true, "frees" | "objects") => 64,
            _ => 0,
        };
        assert!(model.abs_diff(real) <= most, "{context}: {column}: {model}, in Go {real}");
    }
    for (class, counts) in stats.by_size.iter().enumerate().take(start.mallocs.len()) {
        let real = [&point.mallocs, &point.frees].map(|list| list[class]);
        let before = [&start.mallocs, &start.frees].map(|list| list[class]);
        let real = [real[0] - before[0], real[1] - before[1]];
        let is_near = is_churned && counts.size == 16;
        if !is_near {
            assert_eq!([counts.mallocs, counts.frees], real, "{context}: {} bytes", counts.size);
        }
    }
    let goals = [("next", told.next_gc), ("limited", told.limited)];
    for (column, model) in goals {
        let real = point.get(column);
        assert!(deviation(model, real) < 0.01, "{context}: {column}: {model}, in Go {real}");
    }
    // Spans that the process had before have room for a few objects of each class; and where
    // cycles ended at other places, other spans are the ones that are partly full.
    let tolerance = if point.name == "churned" { 0.15 } else { 0.015 };
    let (model, real) = (stats.heap_inuse, grown("inuse"));
    assert!(deviation(model, real) < tolerance, "{context}: in use: {model}, in Go {real}");
    // The heap grows by 4 MiB, and from Go 1.26 on it starts at a random page, which decides on
    // the last growth. Buffers of the collector have some of it besides, and what the process had
    // before, or a page cache holds, is not given back.
    let (model, real) = (stats.heap_sys + stats.stack_inuse, point.get("sys") + point.get("stack"));
    let most = (4 << 20) + (512 << 10);
    assert!(model.abs_diff(real) <= most, "{context}: of the system: {model}, in Go {real}");
    if point.name.ends_with("released") || point.name == "dropped" {
        let (model, real) = (stats.heap_released, point.get("released"));
        let most = most + (1 << 20) + (512 << 10);
        assert!(model.abs_diff(real) <= most, "{context}: released: {model}, in Go {real}");
    }
}

#[test]
fn the_same_script_has_the_same_heap_as_in_go() {
    for release in Release::tested() {
        let real = run_real(&release);
        let mut script = Script::new(&release, &real);
        script.run();
        assert!(script.real.next().is_none());
        let start = &script.told[0].0;
        let mut is_churned = false;
        let mut cycles = [0, 0];
        for (point, told) in &script.told[1..] {
            let context = format!("Go {}, {}", release.version, point.name);
            if point.name == "churned" {
                is_churned = true;
                let ended = [told.stats.num_gc.into(), point.get("numgc")];
                cycles = [ended[0] - cycles[0], ended[1] - cycles[1]];
            }
            compare(&context, start, point, told, is_churned);
            if !is_churned {
                cycles = [told.stats.num_gc.into(), point.get("numgc")];
            }
        }
        // How early a cycle starts depends on how long others took, which on a busy machine is long.
        let [model, real] = cycles;
        assert!(deviation(model, real) < 0.5, "Go {}: {model} cycles, {real}", release.version);
    }
}

/// A line with its numbers replaced.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            // Decimals depend on the figure.
            '.' => {}
            c => shape.push(c),
        }
    }
    shape
}

#[test]
fn traces_read_as_go_s_do() {
    for release in Release::tested() {
        let program = fixture::build(release.version, Fixture::Heap, Symbols::Stripped).unwrap();
        let output = Command::new(program).env("GODEBUG", "gctrace=1").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let real: Vec<String> =
            text.lines().filter(|line| line.starts_with("gc ")).map(shape).collect();
        let version = GoVersion::parse(&format!("go{}", release.version)).unwrap();
        let mut runtime = Runtime::new(RuntimeOptions::new(version)).unwrap();
        let main = runtime.go(0, &[]).unwrap();
        (0..20_000).for_each(|_| {
            runtime.allocate(main, 1000, MapId::NONE).unwrap();
        });
        runtime.gc();
        for record in runtime.gc_records() {
            let line = record.to_string();
            assert!(real.contains(&shape(&line)), "Go {}: {line}", release.version);
        }
    }
}
