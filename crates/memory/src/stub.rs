#![allow(missing_docs, unused)]
use crate::*;
use std::path::*;
pub struct Permissions { pub read: bool, pub write: bool, pub execute: bool }
pub struct Mapping { pub range: AddressRange, pub permissions: Permissions }
pub struct Registers { pub tid: u32, pub pc: Address, pub sp: Address, pub general: Vec<u64> }
pub struct Segment { pub virtual_range: AddressRange }
impl Segment { pub fn file_range(&self) -> std::ops::Range<usize> { todo!() } }
pub struct Executable {}
impl Executable { pub fn path(&self) -> &Path { todo!() } pub fn data(&self) -> &[u8] { todo!() } pub fn segments(&self) -> &[Segment] { todo!() } }
pub struct Target {}
impl Target { pub fn memory(&self) -> &dyn Memory { todo!() } pub fn executable(&self) -> &Executable { todo!() } pub fn mappings(&self) -> &[Mapping] {todo!()} pub fn threads(&self) -> &[Registers] {todo!()}
 pub fn load_bias(&self) -> u64 {todo!()} pub fn image_ranges(&self) -> Vec<AddressRange> {todo!()} }
