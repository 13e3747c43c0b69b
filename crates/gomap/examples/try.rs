#![allow(missing_docs, clippy::unwrap_used)]
use std::time::Instant;
use tophash_gomap::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t0 = Instant::now();
    let target = match a[1].parse::<u32>() {
        Ok(p) => tophash_memory::Target::open_process(p, &Default::default()).unwrap(),
        _ => tophash_memory::Target::open_core(a[1].as_ref(), Some(a[2].as_ref())).unwrap(),
    };
    let p = tophash_goruntime::Program::open(&target, |s| eprintln!("{:?} {:?}", t0.elapsed(), s))
        .unwrap();
    eprintln!(
        "{:?} opened {} types {} fns {} spans {} slots {} gs {} roots {} dwarf {:?} diag {:?}",
        t0.elapsed(),
        p.build().version,
        p.types().len(),
        p.functions().len(),
        p.heap().spans().len(),
        p.heap().slot_count(),
        p.goroutines().len(),
        p.roots().roots.len(),
        p.dwarf().map(|d| d.globals().len()),
        p.diagnostics()
    );
    for (g, st) in p.goroutines().iter().zip(&p.roots().stacks) {
        if st.is_incomplete {
            println!(
                "incomplete g{} {:?} {:?} pc {} sp {} stack {} frames {:?}",
                g.id,
                g.status,
                g.wait_reason,
                g.pc,
                g.sp,
                g.stack,
                st.frames
                    .iter()
                    .map(|f| p.functions().get(f.function).unwrap().name().into_owned())
                    .collect::<Vec<_>>()
            );
            if let Some(f) = st.frames.last() {
                use tophash_memory::MemoryExt;
                let pc = tophash_memory::Address::new(
                    p.memory().read_u64(f.base - tophash_memory::ByteSize::new(8)).unwrap(),
                );
                println!(
                    "  next pc {pc} text {} fn {:?} delta {:?} {:?}",
                    p.module().text,
                    p.functions().find(pc).map(|f| f.name().into_owned()),
                    p.functions().find(pc).map(|f| f.stack_delta(pc)),
                    p.module().pctab
                );
            }
        }
    }
    let h = HeaderLayout::new(p.layout(), p.heap()).unwrap();
    let l = MapLayout::new(p.layout(), &p.build().version).unwrap();
    let mut w = Walk::new(&p, &h);
    w.run();
    eprintln!("{:?} walked {:?}", t0.elapsed(), w.attribution());
    let s = Surveyor::new(&p, &l, &h).run(&mut w);
    eprintln!(
        "{:?} surveyed {} maps {} sync {:?}",
        t0.elapsed(),
        s.maps.len(),
        s.sync_maps.len(),
        s.diagnostics
    );
    eprintln!("{:?} walked {:?}", t0.elapsed(), w.attribution());
    let mut ev = std::collections::HashMap::<_, u64>::new();
    for m in &s.maps {
        *ev.entry(m.evidence).or_default() += 1;
    }
    eprintln!("{ev:?}");
    if let Some(f) = a.get(3) {
        let by: std::collections::HashMap<u64, &FoundMap> =
            s.maps.iter().map(|m| (m.address.get(), m)).collect();
        let bys: std::collections::HashMap<u64, &FoundSyncMap> =
            s.sync_maps.iter().map(|m| (m.address.get(), m)).collect();
        let (mut ok, mut seen) = (0, std::collections::HashSet::new());
        for line in std::fs::read_to_string(f).unwrap().lines() {
            let c: Vec<&str> = line.split('\t').collect();
            if c[0] == "SYNCMAP" {
                let at = u64::from_str_radix(&c[2][2..], 16).unwrap();
                match bys.get(&at) {
                    Some(m) if m.entries.to_string() == c[3] => ok += 1,
                    Some(m) => println!("SYNC {} got {:?}", line, m),
                    None => println!("SYNC MISSING {line}"),
                }
            }
            if c[0] == "GARBAGE" {
                println!(
                    "{line} found {:?}",
                    c.iter()
                        .find_map(|x| x.strip_prefix("0x"))
                        .and_then(|x| by.get(&u64::from_str_radix(x, 16).unwrap()))
                        .map(|m| m.address)
                );
            }
            if c[0] != "MAP" {
                continue;
            }
            let at = u64::from_str_radix(&c[2][2..], 16).unwrap();
            if at == 0 {
                continue;
            }
            seen.insert(at);
            let Some(m) = by.get(&at) else {
                println!("MISSING {line}");
                continue;
            };
            let names: Vec<_> = m.types.iter().map(|t| &*p.types().get(*t).name).collect();
            let mut bad = String::new();
            if names != [c[3]] {
                bad += &format!(" type {names:?}");
            }
            if m.reading.entries.to_string() != c[4] {
                bad += &format!(" entries {}", m.reading.entries);
            }
            if c[5] != "-" && m.reading.slots.to_string() != c[5] {
                bad += &format!(" slots {}", m.reading.slots);
            }
            if c[6] != "-" && m.reading.tombstones.to_string() != c[6] {
                bad += &format!(" tomb {}", m.reading.tombstones);
            }
            if bad.is_empty() {
                ok += 1;
            } else {
                println!("WRONG {line} => {bad} {:?}", m.evidence);
            }
        }
        println!("ok {ok} extra {}", s.maps.len() - seen.len().min(s.maps.len()));
    }
    let n = PathNamer::new(&p, &w);
    let mut v: Vec<_> = s.maps.iter().collect();
    v.sort_by_key(|m| std::cmp::Reverse(m.reading.own));
    if a.len() > 4 {
        for m in v.iter().take(60) {
            let path = match m.place {
                MapPlace::Heap(id) => n.path_to(id),
                _ => None,
            };
            println!(
                "{} {:?} {} e {} s {} t {} own {} {:?}",
                m.address,
                m.types.iter().map(|t| &*p.types().get(*t).name).take(3).collect::<Vec<_>>(),
                m.types.len(),
                m.reading.entries,
                m.reading.slots,
                m.reading.tombstones,
                m.reading.own,
                path.map(|p| p.steps.join(" "))
            );
        }
    }
}
