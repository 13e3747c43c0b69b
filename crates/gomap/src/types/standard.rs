//! Types of the standard library that values are often made of, as each release declares them.
//!
//! A type that is missing here can be given from its source, or from a program that uses it. The
//! layouts were compared with what `reflect` says under every release (`fixtures/stdtypes`).

use std::sync::Arc;

use super::error::SourceText;
use super::names::{Definition, TypeNames, last_part};

/// The standard library's types under a release.
#[derive(Debug, Clone, Copy)]
pub struct StandardTypes {
    minor: u32,
}

impl StandardTypes {
    /// Takes the types of Go 1.`minor`.
    pub fn of(minor: u32) -> Self {
        Self { minor }
    }

    /// Yields the names that are known under some release.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TYPES.iter().map(|(name, ..)| *name)
    }
}

impl TypeNames for StandardTypes {
    fn find(&self, package: Option<&str>, name: &str) -> Option<Definition> {
        let package = last_part(package?);
        // Parts of a type name others of their package: those are unexported, or pointed to.
        let wanted = format!("{package}.{name}");
        let (_, _, parameters, text) = TYPES
            .iter()
            .find(|(known, since, ..)| *known == wanted && since.contains(&self.minor))?;
        let parameters: Vec<String> = parameters.iter().map(|name| (*name).to_owned()).collect();
        Some(Definition::Source {
            text: Arc::new(SourceText { file: None, text: (*text).to_owned() }),
            at: 0,
            parameters: parameters.into(),
            spelling: Some(wanted),
            package: package.to_owned(),
        })
    }
}

type Releases = std::ops::RangeInclusive<u32>;
/// Name, releases, type parameters, what it is.
type Row = (&'static str, Releases, &'static [&'static str], &'static str);

const ALL: Releases = 0..=u32::MAX;
const NONE: &[&str] = &[];

const MUTEX: &str = "struct { state int32; sema uint32 }";
const FIELDS_MAP: &str = "map[string][]string";
const METHODS: &str = "interface { m() }";

const TYPES: &[Row] = &[
    ("time.Time", ALL, NONE, "struct { wall uint64; ext int64; loc *Location }"),
    ("time.Duration", ALL, NONE, "int64"),
    ("time.Month", ALL, NONE, "int"),
    ("time.Weekday", ALL, NONE, "int"),
    ("netip.Addr", ALL, NONE, "struct { hi, lo uint64; z *int }"),
    ("netip.AddrPort", ALL, NONE, "struct { ip Addr; port uint16 }"),
    ("netip.Prefix", 0..=20, NONE, "struct { ip Addr; bits int16 }"),
    ("netip.Prefix", 21..=u32::MAX, NONE, "struct { ip Addr; bits uint8 }"),
    ("net.IP", ALL, NONE, "[]byte"),
    ("net.IPMask", ALL, NONE, "[]byte"),
    ("net.HardwareAddr", ALL, NONE, "[]byte"),
    ("net.IPNet", ALL, NONE, "struct { IP IP; Mask IPMask }"),
    ("net.TCPAddr", ALL, NONE, "struct { IP IP; Port int; Zone string }"),
    ("net.UDPAddr", ALL, NONE, "struct { IP IP; Port int; Zone string }"),
    ("net.Conn", ALL, NONE, METHODS),
    ("net.Addr", ALL, NONE, METHODS),
    ("net.Listener", ALL, NONE, METHODS),
    ("sync.Mutex", ALL, NONE, MUTEX),
    (
        "sync.RWMutex",
        ALL,
        NONE,
        "struct { w Mutex; writerSem, readerSem uint32; readerCount, readerWait int32 }",
    ),
    ("sync.Once", ALL, NONE, "struct { done uint32; m Mutex }"),
    ("sync.WaitGroup", ALL, NONE, "struct { state uint64; sema uint32 }"),
    (
        "sync.Cond",
        ALL,
        NONE,
        "struct { L Locker; wait, notify uint32; lock uintptr; head, tail *int; checker uintptr }",
    ),
    ("sync.Locker", ALL, NONE, METHODS),
    (
        "sync.Pool",
        ALL,
        NONE,
        "struct { local *int; localSize uintptr; victim *int; victimSize uintptr; New func() any }",
    ),
    ("sync.Map", 0..=19, NONE, "struct { mu Mutex; read any; dirty map[any]*int; misses int }"),
    ("sync.Map", 20..=23, NONE, "struct { mu Mutex; read *int; dirty map[any]*int; misses int }"),
    (
        "sync.Map",
        24..=u32::MAX,
        NONE,
        "struct { inited uint32; initMu Mutex; root *int; keyHash, valEqual func(); seed uintptr }",
    ),
    ("atomic.Bool", ALL, NONE, "struct { v uint32 }"),
    ("atomic.Int32", ALL, NONE, "struct { v int32 }"),
    ("atomic.Int64", ALL, NONE, "struct { v int64 }"),
    ("atomic.Uint32", ALL, NONE, "struct { v uint32 }"),
    ("atomic.Uint64", ALL, NONE, "struct { v uint64 }"),
    ("atomic.Uintptr", ALL, NONE, "struct { v uintptr }"),
    ("atomic.Value", ALL, NONE, "struct { v any }"),
    ("atomic.Pointer", ALL, &["T"], "struct { v *T }"),
    ("unique.Handle", 23..=u32::MAX, &["T"], "struct { value *T }"),
    ("weak.Pointer", 24..=u32::MAX, &["T"], "struct { u *T }"),
    ("context.Context", ALL, NONE, METHODS),
    ("context.CancelFunc", ALL, NONE, "func()"),
    ("io.Reader", ALL, NONE, METHODS),
    ("io.Writer", ALL, NONE, METHODS),
    ("io.Closer", ALL, NONE, METHODS),
    ("io.ReadCloser", ALL, NONE, METHODS),
    ("io.ReadWriteCloser", ALL, NONE, METHODS),
    ("fmt.Stringer", ALL, NONE, METHODS),
    ("sort.Interface", ALL, NONE, METHODS),
    ("hash.Hash", ALL, NONE, METHODS),
    ("http.Handler", ALL, NONE, METHODS),
    ("http.ResponseWriter", ALL, NONE, METHODS),
    ("http.HandlerFunc", ALL, NONE, "func()"),
    ("http.Header", ALL, NONE, FIELDS_MAP),
    ("url.Values", ALL, NONE, FIELDS_MAP),
    ("textproto.MIMEHeader", ALL, NONE, FIELDS_MAP),
    (
        "url.URL",
        0..=25,
        NONE,
        "struct { Scheme, Opaque string; User *Userinfo; Host, Path, RawPath string; \
         OmitHost, ForceQuery bool; RawQuery, Fragment, RawFragment string }",
    ),
    (
        "url.URL",
        26..=u32::MAX,
        NONE,
        "struct { Scheme, Opaque string; User *Userinfo; Host, Path, Fragment, RawQuery, RawPath, \
         RawFragment string; ForceQuery, OmitHost bool }",
    ),
    ("jsontext.Value", 25..=u32::MAX, NONE, "[]byte"),
    ("json.RawMessage", ALL, NONE, "[]byte"),
    ("json.Number", ALL, NONE, "string"),
    ("bytes.Buffer", ALL, NONE, "struct { buf []byte; off int; lastRead int8 }"),
    ("strings.Builder", ALL, NONE, "struct { addr *Builder; buf []byte }"),
    ("big.Int", ALL, NONE, "struct { neg bool; abs []uint }"),
    ("big.Rat", ALL, NONE, "struct { a, b Int }"),
    ("fs.FileMode", ALL, NONE, "uint32"),
    ("os.FileMode", ALL, NONE, "uint32"),
    ("fs.FileInfo", ALL, NONE, METHODS),
    ("os.FileInfo", ALL, NONE, METHODS),
    ("reflect.Type", ALL, NONE, METHODS),
    ("reflect.Kind", ALL, NONE, "uint"),
    ("reflect.Value", ALL, NONE, "struct { typ, ptr *int; flag uintptr }"),
    ("sql.NullString", ALL, NONE, "struct { String string; Valid bool }"),
    ("sql.NullInt64", ALL, NONE, "struct { Int64 int64; Valid bool }"),
    ("sql.NullBool", ALL, NONE, "struct { Bool, Valid bool }"),
    ("sql.NullFloat64", ALL, NONE, "struct { Float64 float64; Valid bool }"),
    ("sql.NullTime", ALL, NONE, "struct { Time time.Time; Valid bool }"),
    ("list.Element", ALL, NONE, "struct { next, prev *Element; list *List; Value any }"),
    ("list.List", ALL, NONE, "struct { root Element; len int }"),
    ("maphash.Seed", ALL, NONE, "struct { s uint64 }"),
    ("token.Pos", ALL, NONE, "int"),
    ("token.Position", ALL, NONE, "struct { Filename string; Offset, Line, Column int }"),
    ("uuid.UUID", ALL, NONE, "[16]byte"),
];
