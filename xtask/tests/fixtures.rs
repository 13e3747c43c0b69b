//! The fixture programs tell the truth about their memory, and the cores that
//! we write hold it.

use std::collections::BTreeSet;

use object::Endianness;
use object::elf::PT_LOAD;
use object::read::elf::{ElfFile64, ProgramHeader as _};
use xtask::core::write_core;
use xtask::facts;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;
use xtask::toolchain::Release;

/// The word at `address` in a core; zero where the core stores nothing.
fn word(core: &[u8], address: u64) -> Option<u64> {
    let file = ElfFile64::<Endianness>::parse(core).ok()?;
    let endian = Endianness::Little;
    let header = file.elf_program_headers().iter().find(|header| {
        let start = header.p_vaddr(endian);
        header.p_type(endian) == PT_LOAD
            && (start..start + header.p_memsz(endian)).contains(&address)
    })?;
    let within = usize::try_from(address - header.p_vaddr(endian)).ok()?;
    let rest = header.data(endian, core).ok()?.get(within..).unwrap_or_default();
    Some(rest.first_chunk().copied().map_or(0, u64::from_le_bytes))
}

#[test]
fn the_core_of_every_release_holds_the_length_of_every_map() {
    for release in Release::tested() {
        for experiment in std::iter::once(&"").chain(release.tested_experiments()) {
            let name = format!("Go {} {experiment}", release.version);
            check_lengths(&name, release.version, experiment).unwrap();
        }
    }
}

fn check_lengths(name: &str, version: &str, experiment: &str) -> anyhow::Result<()> {
    let program = fixture::build_experiment(version, experiment, Fixture::Maps, Symbols::Stripped)?;
    let running = Running::start(&program)?;
    let maps = facts::maps(running.lines())?;
    assert!(maps.len() >= 140, "{name} tells of {} maps", maps.len());
    let cases: BTreeSet<_> = maps.iter().map(|map| &map.name).collect();
    assert_eq!(cases.len(), maps.len(), "every case has a name of its own");
    assert_eq!(facts::sync_maps(running.lines())?.len(), 9);
    assert_eq!(facts::garbage(running.lines())?.len(), 2);

    let file = tempfile::NamedTempFile::new()?;
    write_core(running.pid(), file.path())?;
    let core = std::fs::read(file.path())?;
    assert!(core.len() < 32 << 20, "the core has {} bytes", core.len());
    for map in maps.iter().filter(|map| map.address != 0) {
        // Both designs keep the number of entries in the header's first word.
        assert_eq!(word(&core, map.address), Some(map.entries), "{name}: {}", map.name);
    }
    Ok(())
}

#[test]
fn measured_small_swiss_maps_cost_what_their_layout_says() {
    let program = fixture::build("1.27", Fixture::MapCost, Symbols::Kept).unwrap();
    let running = Running::start(&program).unwrap();
    let costs = facts::costs(running.lines()).unwrap();
    let bytes_of = |entries| {
        let fact = costs.iter().find(|fact| {
            fact.type_name == "map[int64]int64" && fact.entries == entries && fact.mode == "grow"
        });
        let fact = fact.unwrap();
        assert_eq!(fact.bytes % fact.addresses.len() as u64, 0, "each map costs the same");
        fact.bytes / fact.addresses.len() as u64
    };
    assert_eq!(bytes_of(0), 48, "the header alone");
    assert_eq!(bytes_of(8), 48 + 144, "and one group of 136 bytes in its size class");
    assert_eq!(bytes_of(9), 48 + 8 + 32 + 288, "a directory, a table and two groups");
}

#[test]
fn builds_at_the_same_time_give_the_same_program() {
    let build = || fixture::build("1.27", Fixture::Leaky, Symbols::Kept).unwrap();
    let others: Vec<_> = (0..3).map(|_| std::thread::spawn(build)).collect();
    let program = build();
    for other in others {
        assert_eq!(other.join().unwrap(), program);
    }
    assert!(program.is_file());
}
