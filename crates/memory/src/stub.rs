#![allow(missing_docs, unused, unsafe_code, clippy::all)]
use crate::*;
use std::path::*;
#[derive(Clone,Copy)]
pub struct Permissions { pub read: bool, pub write: bool, pub execute: bool }
pub struct Mapping { pub range: AddressRange, pub permissions: Permissions }
pub struct Registers { pub tid: u32, pub pc: Address, pub sp: Address, pub general: Vec<u64> }
pub struct Segment { pub virtual_range: AddressRange, r: std::ops::Range<usize> }
impl Segment { pub fn file_range(&self) -> std::ops::Range<usize> { self.r.clone() } }
pub struct Executable { p: PathBuf, d: memmap2::Mmap, s: Vec<Segment> }
impl Executable { pub fn path(&self) -> &Path { &self.p } pub fn data(&self) -> &[u8] { &self.d } pub fn segments(&self) -> &[Segment] { &self.s } }
pub struct M { segs: Vec<(u64,u64,usize,usize,bool)>, core: memmap2::Mmap, exe: *const u8, exelen: usize }
unsafe impl Send for M {} unsafe impl Sync for M {}
impl Memory for M {
    fn read(&self, at: Address, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut a = at.get(); let mut o = 0;
        while o < buf.len() {
            let i = self.segs.partition_point(|s| s.0 <= a);
            let e = ReadError::Unmapped { at, len: ByteSize::new(buf.len() as u64) };
            if i == 0 { return Err(e); }
            let s = &self.segs[i-1];
            if a >= s.1 { return Err(e); }
            let into = (a - s.0) as usize; let n = ((s.1 - a) as usize).min(buf.len() - o);
            let src: &[u8] = if s.4 { unsafe { std::slice::from_raw_parts(self.exe, self.exelen) } } else { &self.core };
            for k in 0..n { buf[o+k] = if into + k < s.3 { *src.get(s.2 + into + k).unwrap_or(&0) } else { 0 }; }
            o += n; a += n as u64;
        }
        Ok(())
    }
    fn bytes(&self, at: Address, len: ByteSize) -> Option<&[u8]> {
        let i = self.segs.partition_point(|s| s.0 <= at.get()); if i == 0 { return None; }
        let s = &self.segs[i-1]; if s.4 { return None; }
        let into = (at.get() - s.0) as usize;
        if into + len.get() as usize > s.3 { return None; }
        self.core.get(s.2 + into..s.2 + into + len.get() as usize)
    }
}
pub struct Target { m: M, e: Executable, maps: Vec<Mapping>, t: Vec<Registers>, bias: u64 }
fn u(d: &[u8], o: usize) -> u64 { u64::from_le_bytes(d[o..o+8].try_into().unwrap()) }
fn ph(d: &[u8]) -> Vec<(u32,u32,u64,u64,u64,u64)> {
    let po = u(d, 32) as usize; let n = u16::from_le_bytes([d[56], d[57]]) as usize;
    (0..n).map(|i| { let o = po + 56*i; (u32::from_le_bytes(d[o..o+4].try_into().unwrap()), u32::from_le_bytes(d[o+4..o+8].try_into().unwrap()), u(d,o+8), u(d,o+16), u(d,o+32), u(d,o+40)) }).collect()
}
impl Target {
 pub fn open_core(core: &Path, exe: Option<&Path>) -> Result<Target, std::io::Error> {
    let d = unsafe { memmap2::Mmap::map(&std::fs::File::open(core)?)? };
    let x = unsafe { memmap2::Mmap::map(&std::fs::File::open(exe.unwrap())?)? };
    let s: Vec<Segment> = ph(&x).iter().filter(|p| p.0 == 1).map(|p| Segment { virtual_range: AddressRange::from_size(Address::new(p.3), ByteSize::new(p.5)), r: p.2 as usize..(p.2+p.4) as usize }).collect();
    let mut segs = vec![]; let mut maps = vec![]; let mut t = vec![];
    for p in ph(&d) { if p.0 == 1 { segs.push((p.3, p.3+p.5, p.2 as usize, p.4 as usize, false)); maps.push(Mapping { range: AddressRange::from_size(Address::new(p.3), ByteSize::new(p.5)), permissions: Permissions { read: p.1&4!=0, write: p.1&2!=0, execute: p.1&1!=0 } }); }
      if p.0 == 4 { let b = &d[p.2 as usize..(p.2+p.4) as usize]; let mut o = 0; while o + 12 <= b.len() { let w = |o: usize| u32::from_le_bytes(b[o..o+4].try_into().unwrap()) as usize; let (ns, ds, ty) = (w(o), w(o+4), w(o+8)); o += 12 + ((ns+3)&!3); if ty == 1 { let q = &b[o..o+ds]; let g: Vec<u64> = (0..27).map(|i| u(q, 112+8*i)).collect(); t.push(Registers { tid: u32::from_le_bytes(q[32..36].try_into().unwrap()), pc: Address::new(g[16]), sp: Address::new(g[19]), general: g }); } o += (ds+3)&!3; } } }
    segs.retain(|s| s.3 > 0 || !ph(&x).iter().any(|p| p.0==1 && p.3 <= s.0 && s.0 < p.3+p.5 && p.1 & 2 == 0));
    for p in ph(&x) { if p.0 == 1 && !segs.iter().any(|s| s.0 <= p.3 && p.3 < s.1) { segs.push((p.3 & !4095, p.3 + p.5, (p.2 & !4095) as usize, (p.4 + (p.3&4095)) as usize, true)); } }
    segs.sort();
    Ok(Target { m: M { segs, core: d, exe: x.as_ptr(), exelen: x.len() }, e: Executable { p: exe.unwrap().into(), d: x, s }, maps, t, bias: 0 })
 }
 pub fn memory(&self) -> &dyn Memory { &self.m } pub fn executable(&self) -> &Executable { &self.e } pub fn mappings(&self) -> &[Mapping] {&self.maps} pub fn threads(&self) -> &[Registers] {&self.t}
 pub fn load_bias(&self) -> u64 {self.bias} pub fn image_ranges(&self) -> Vec<AddressRange> { self.e.s.iter().map(|s| s.virtual_range).collect() } }
