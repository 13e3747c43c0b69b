#![allow(missing_docs, clippy::unwrap_used)]
use std::time::Instant;
use tophash_gomap::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t0 = Instant::now();
    let target = tophash_memory::Target::open_core(a[1].as_ref(), Some(a[2].as_ref())).unwrap();
    let p = tophash_goruntime::Program::open(&target, |s| eprintln!("{:?} {:?}", t0.elapsed(), s)).unwrap();
    eprintln!("{:?} opened {} types {} fns {} spans {} slots {} gs {} roots {} dwarf {:?} diag {:?}", t0.elapsed(), p.build().version, p.types().len(), p.functions().len(), p.heap().spans().len(), p.heap().slot_count(), p.goroutines().len(), p.roots().roots.len(), p.dwarf().map(|d| d.globals().len()), p.diagnostics());
    let h = HeaderLayout::new(p.layout(), p.heap()).unwrap();
    let mut w = Walk::new(&p, &h);
    w.run();
    eprintln!("{:?} walked {:?}", t0.elapsed(), w.attribution());
    let mut n = std::collections::HashMap::<String, (u64, u64)>::new();
    for (i, s) in p.heap().spans().iter().enumerate() { for k in 0..s.count() { let id = p.heap().id(p.heap().slot_at(i, k)); if w.is_reachable(id) { let nm = match w.object_type(id) { None => format!("? {} noscan={}", s.elem_size(), s.is_noscan()), Some(ObjectType::Whole(t)) => p.types().get(t).name.to_string(), Some(ObjectType::Part(t)) => format!("part {}", p.types().get(t).name), Some(ObjectType::MapHeader(t)) => format!("HDR {}", p.types().get(t).name), Some(x) => format!("{x:?}") }; let e = n.entry(nm).or_default(); e.0 += 1; e.1 += s.elem_size(); } } }
    let mut v: Vec<_> = n.into_iter().collect(); v.sort_by_key(|x| std::cmp::Reverse(x.1.1));
    for (n, (c, b)) in v.iter().take(40) { println!("{b:>10} {c:>7} {n}"); }
}
