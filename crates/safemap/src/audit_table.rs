//! Audit records as Parquet, for tools that read tables (`--features parquet`).
//!
//! A record is a row; its lists are lists of groups, so that a query can go through the patterns of
//! all records as through a table of its own. Columns are written and read by hand, each with the
//! levels by which Parquet tells where a list begins and what of it is missing, as in the paper on
//! Dremel (Melnik and others, 2010). Whoever reads a file may be handed anybody's: how many values
//! its pages claim is added up before one of them is decoded, text that is copied has a budget, the
//! encoding that builds each text upon the one before is refused, and a panic of the library is an
//! error. Nothing is compressed, beyond the dictionaries that repeat no text.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::column::page::Page;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::{ParquetError as Fault, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::audit::{AgedKey, AuditRecord, HotKey, Operations, PatternShape, RefusedKey};

/// Times are of milliseconds, as not every tool knows seconds.
const SCHEMA: &str = "message audits {
  required binary map (STRING);
  required int64 process;
  required int64 at (TIMESTAMP(MILLIS,true));
  required int64 entries;
  required int64 bytes;
  required int64 peak_bytes;
  optional int64 max_entries;
  optional int64 max_bytes;
  required group operations {
    required int64 hits;
    required int64 misses;
    required int64 writes;
    required int64 removals;
    required int64 expirations;
    required int64 evictions;
    required int64 refusals;
  }
  required group patterns (LIST) { repeated group list { required group element {
    required binary pattern (STRING);
    required int64 entries;
    required int64 bytes;
    optional int64 never_read;
  } } }
  required group refused (LIST) { repeated group list { required group element {
    required binary key (STRING);
    required int64 count;
    optional binary expected (STRING);
    required int64 written;
    required binary last (STRING);
    required group came (LIST) { repeated group list { required group element {
      required binary kind (STRING);
      required int64 count;
    } } }
  } } }
  required group oldest (LIST) { repeated group list { required group element {
    required binary key (STRING);
    required int64 seconds;
  } } }
  required group hottest (LIST) { repeated group list { required group element {
    required binary key (STRING);
    required int64 reads;
  } } }
}";

/// The most values that are read of a row group, of all columns together.
const MOST_VALUES: u64 = 4 << 20;
/// The most bytes of text that are copied out of a file.
const MOST_TEXT: usize = 256 << 20;
/// The longest file that is read.
const LONGEST_FILE: usize = 256 << 20;

/// Why a file of Parquet can't be read or written.
///
/// ```
/// use tophash_safemap::AuditRecord;
///
/// assert!(AuditRecord::from_parquet(b"PAR1 and no more".to_vec()).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParquetError {
    /// The library or the system said so.
    #[error("{reason}")]
    Library {
        /// What it said.
        reason: String,
    },
    /// The file would take more memory than a file of audits may.
    #[error("it holds more than a file of audits may")]
    TooLarge,
}

impl From<Fault> for ParquetError {
    fn from(fault: Fault) -> Self {
        Self::Library { reason: fault.to_string() }
    }
}

impl AuditRecord {
    /// Writes records as one file.
    ///
    /// ```
    /// use tophash_safemap::{AuditRecord, SafeMap, Schema};
    ///
    /// let map = SafeMap::new(Schema::open());
    /// let records = [map.audit(), map.audit()];
    /// let mut file = Vec::new();
    /// AuditRecord::write_parquet(&records, &mut file)?;
    /// assert_eq!(AuditRecord::from_parquet(file)?, records);
    /// # Ok::<(), tophash_safemap::ParquetError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails when what it writes to does.
    pub fn write_parquet(records: &[Self], to: impl Write + Send) -> Result<(), ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(to, schema, properties)?;
        let mut group = writer.next_row_group()?;
        write_columns(&mut group, records)?;
        group.close()?;
        writer.close()?;
        Ok(())
    }

    /// Reads the records of a file, in their order.
    ///
    /// # Errors
    ///
    /// Fails when it is no file of audits, and when it claims to hold more than one may.
    pub fn from_parquet(file: Vec<u8>) -> Result<Vec<Self>, ParquetError> {
        if file.len() > LONGEST_FILE {
            return Err(ParquetError::TooLarge);
        }
        let read = AssertUnwindSafe(move || {
            let file = SerializedFileReader::new(bytes_of(file))?;
            let mut text = Text { left: MOST_TEXT };
            let mut records = Vec::new();
            for group in 0..file.num_row_groups() {
                read_rows(&*file.get_row_group(group)?, &mut text, &mut records)?;
            }
            Ok(records)
        });
        // What a damaged file makes the library do ends here.
        catch_unwind(read).unwrap_or_else(|_| {
            Err(ParquetError::Library { reason: "the file is damaged".to_owned() })
        })
    }
}

fn bytes_of(file: Vec<u8>) -> bytes::Bytes {
    bytes::Bytes::from(file)
}

/// A column's values, with the levels at which each is defined and repeats.
struct Column<V> {
    values: Vec<V>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl<V> Column<V> {
    fn new() -> Self {
        Self { values: Vec::new(), defined: Vec::new(), repeated: Vec::new() }
    }

    fn push(&mut self, value: Option<V>, defined: i16, repeated: i16) {
        self.defined.push(defined);
        self.repeated.push(repeated);
        self.values.extend(value);
    }

    /// A value of each record, some of which may be missing.
    fn flat<'r>(records: &'r [AuditRecord], value: impl Fn(&'r AuditRecord) -> Option<V>) -> Self {
        let mut column = Self::new();
        for record in records {
            let value = value(record);
            let defined = i16::from(value.is_some());
            column.push(value, defined, 0);
        }
        column
    }

    /// A value of each item of a list of each record.
    fn listed<'r, I: 'r>(
        records: &'r [AuditRecord],
        items: impl Fn(&'r AuditRecord) -> &'r [I],
        value: impl Fn(&'r I) -> Option<V>,
    ) -> Self {
        let mut column = Self::new();
        for record in records {
            let items = items(record);
            if items.is_empty() {
                column.push(None, 0, 0);
            }
            for (place, item) in items.iter().enumerate() {
                let value = value(item);
                let defined = 1 + i16::from(value.is_some());
                column.push(value, defined, i16::from(place > 0));
            }
        }
        column
    }

    /// A value of each item of a list of each refused key of each record.
    fn nested<'r>(records: &'r [AuditRecord], value: impl Fn(&'r (String, u64)) -> V) -> Self {
        let mut column = Self::new();
        for record in records {
            if record.refused.is_empty() {
                column.push(None, 0, 0);
            }
            for (place, refused) in record.refused.iter().enumerate() {
                let outer = i16::from(place > 0);
                if refused.came.is_empty() {
                    column.push(None, 1, outer);
                }
                for (place, came) in refused.came.iter().enumerate() {
                    column.push(Some(value(came)), 2, if place > 0 { 2 } else { outer });
                }
            }
        }
        column
    }
}

/// Columns in the order of the schema.
struct Columns<'w, 'g, W: Write> {
    group: &'g mut SerializedRowGroupWriter<'w, W>,
}

impl<W: Write + Send> Columns<'_, '_, W> {
    fn write<T: DataType>(&mut self, column: &Column<T::T>) -> ParquetResult<()> {
        let missing = || Fault::General("there are more columns than the schema has".to_owned());
        let mut writer = self.group.next_column()?.ok_or_else(missing)?;
        let typed = writer.typed::<T>();
        let descriptor = typed.get_descriptor();
        let (most_defined, most_repeated) =
            (descriptor.max_def_level(), descriptor.max_rep_level());
        // A level that can't be missing has no number of its own.
        let defined: Vec<i16> =
            column.defined.iter().map(|level| (*level).min(most_defined)).collect();
        typed.write_batch(
            &column.values,
            (most_defined > 0).then_some(&defined[..]),
            (most_repeated > 0).then_some(&column.repeated[..]),
        )?;
        writer.close()
    }

    fn text(&mut self, column: Column<ByteArray>) -> ParquetResult<()> {
        self.write::<ByteArrayType>(&column)
    }

    fn number(&mut self, column: Column<i64>) -> ParquetResult<()> {
        self.write::<Int64Type>(&column)
    }
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text)
}

/// As a signed number, which is all that every tool knows.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn write_columns<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    records: &[AuditRecord],
) -> ParquetResult<()> {
    let mut columns = Columns { group };
    columns.text(Column::flat(records, |record| Some(text(&record.map))))?;
    columns.number(Column::flat(records, |record| Some(record.process.into())))?;
    columns.number(Column::flat(records, |record| Some(number(record.at).saturating_mul(1000))))?;
    columns.number(Column::flat(records, |record| Some(number(record.entries))))?;
    columns.number(Column::flat(records, |record| Some(number(record.bytes))))?;
    columns.number(Column::flat(records, |record| Some(number(record.peak_bytes))))?;
    columns.number(Column::flat(records, |record| record.max_entries.map(number)))?;
    columns.number(Column::flat(records, |record| record.max_bytes.map(number)))?;
    for operation in OPERATIONS {
        let value = |record: &AuditRecord| {
            let mut operations = record.operations;
            Some(number(*operation(&mut operations)))
        };
        columns.number(Column::flat(records, value))?;
    }
    columns.text(Column::listed(records, patterns, |shape| Some(text(&shape.pattern))))?;
    columns.number(Column::listed(records, patterns, |shape| Some(number(shape.entries))))?;
    columns.number(Column::listed(records, patterns, |shape| Some(number(shape.bytes))))?;
    columns.number(Column::listed(records, patterns, |shape| shape.never_read.map(number)))?;
    columns.text(Column::listed(records, refused, |refused| Some(text(&refused.key))))?;
    columns.number(Column::listed(records, refused, |refused| Some(number(refused.count))))?;
    columns
        .text(Column::listed(records, refused, |refused| refused.expected.as_deref().map(text)))?;
    columns.number(Column::listed(records, refused, |refused| Some(number(refused.written))))?;
    columns.text(Column::listed(records, refused, |refused| Some(text(&refused.last))))?;
    columns.text(Column::nested(records, |(kind, _)| text(kind)))?;
    columns.number(Column::nested(records, |(_, count)| number(*count)))?;
    columns.text(Column::listed(records, oldest, |aged| Some(text(&aged.key))))?;
    columns.number(Column::listed(records, oldest, |aged| Some(number(aged.seconds))))?;
    columns.text(Column::listed(records, hottest, |hot| Some(text(&hot.key))))?;
    columns.number(Column::listed(records, hottest, |hot| Some(number(hot.reads))))
}

fn patterns(record: &AuditRecord) -> &[PatternShape] {
    &record.patterns
}

fn refused(record: &AuditRecord) -> &[RefusedKey] {
    &record.refused
}

fn oldest(record: &AuditRecord) -> &[AgedKey] {
    &record.oldest
}

fn hottest(record: &AuditRecord) -> &[HotKey] {
    &record.hottest
}

type Operation = fn(&mut Operations) -> &mut u64;

/// The counts of operations, in the order of the schema.
const OPERATIONS: [Operation; 7] = [
    |operations| &mut operations.hits,
    |operations| &mut operations.misses,
    |operations| &mut operations.writes,
    |operations| &mut operations.removals,
    |operations| &mut operations.expirations,
    |operations| &mut operations.evictions,
    |operations| &mut operations.refusals,
];

/// Text that may still be copied.
struct Text {
    left: usize,
}

impl Text {
    fn of(&mut self, bytes: &ByteArray) -> Result<String, ParquetError> {
        let text = std::str::from_utf8(bytes.data())
            .map_err(|_| Fault::General("a text is none".to_owned()))?;
        self.left = self.left.checked_sub(text.len()).ok_or(ParquetError::TooLarge)?;
        Ok(text.to_owned())
    }
}

/// A group of rows that is being read.
struct Rows<'f> {
    group: &'f dyn RowGroupReader,
    rows: usize,
    /// Values that may still be decoded.
    left: u64,
}

fn foreign() -> ParquetError {
    Fault::General("its columns are not those of audits".to_owned()).into()
}

impl Rows<'_> {
    /// A column, by its path, with the levels that ours has.
    fn column<T: DataType>(
        &mut self,
        path: &str,
        most_defined: i16,
        most_repeated: i16,
    ) -> Result<Column<T::T>, ParquetError> {
        let about = self.group.metadata().columns();
        let at = about.iter().position(|column| column.column_path().string() == path);
        let (at, descriptor) =
            at.and_then(|at| Some((at, about.get(at)?.column_descr()))).ok_or_else(foreign)?;
        let is_ours = descriptor.physical_type() == T::get_physical_type()
            && descriptor.max_def_level() == most_defined
            && descriptor.max_rep_level() == most_repeated;
        if !is_ours {
            return Err(foreign());
        }
        self.weigh(at)?;
        let mut column = Column::new();
        let mut reader = get_typed_column_reader::<T>(self.group.get_column_reader(at)?);
        loop {
            let (records, ..) = reader.read_records(
                self.rows,
                (most_defined > 0).then_some(&mut column.defined),
                (most_repeated > 0).then_some(&mut column.repeated),
                &mut column.values,
            )?;
            if records == 0 {
                break;
            }
        }
        let levels = if most_defined > 0 { column.defined.len() } else { column.values.len() };
        column.defined.resize(levels, 0);
        column.repeated.resize(levels, 0);
        Ok(column)
    }

    /// Takes what a column's pages claim to hold from what may be read.
    fn weigh(&mut self, at: usize) -> Result<(), ParquetError> {
        for page in &mut self.group.get_column_page_reader(at)? {
            let page = page?;
            if page.encoding() == Encoding::DELTA_BYTE_ARRAY {
                return Err(ParquetError::TooLarge);
            }
            if !matches!(page, Page::DictionaryPage { .. }) {
                let values = u64::from(page.num_values());
                self.left = self.left.checked_sub(values).ok_or(ParquetError::TooLarge)?;
            }
        }
        Ok(())
    }

    fn numbers(&mut self, path: &str) -> Result<Vec<u64>, ParquetError> {
        let column = self.column::<Int64Type>(path, 0, 0)?;
        let numbers: Vec<u64> = column.values.into_iter().map(unsigned).collect();
        if numbers.len() == self.rows { Ok(numbers) } else { Err(foreign()) }
    }

    fn optional_numbers(&mut self, path: &str) -> Result<Vec<Option<u64>>, ParquetError> {
        let column = self.column::<Int64Type>(path, 1, 0)?;
        let mut values = column.values.into_iter().map(unsigned);
        let numbers: Vec<_> = column
            .defined
            .iter()
            .map(|level| if *level == 1 { values.next() } else { None })
            .collect();
        if numbers.len() == self.rows { Ok(numbers) } else { Err(foreign()) }
    }

    fn listed<T: DataType>(
        &mut self,
        path: &str,
        most_defined: i16,
    ) -> Result<Vec<Vec<Option<T::T>>>, ParquetError> {
        let column = self.column::<T>(path, most_defined, 1)?;
        let mut values = column.values.into_iter();
        let mut rows: Vec<Vec<Option<T::T>>> = Vec::with_capacity(self.rows);
        for (defined, repeated) in column.defined.iter().zip(&column.repeated) {
            if *repeated == 0 {
                rows.push(Vec::new());
            }
            let row = rows.last_mut().ok_or_else(foreign)?;
            if *defined > 0 {
                row.push(if *defined == most_defined { values.next() } else { None });
            }
        }
        if rows.len() == self.rows { Ok(rows) } else { Err(foreign()) }
    }

    fn nested<T: DataType>(&mut self, path: &str) -> Result<Vec<Vec<Vec<T::T>>>, ParquetError> {
        let column = self.column::<T>(path, 2, 2)?;
        let mut values = column.values.into_iter();
        let mut rows: Vec<Vec<Vec<T::T>>> = Vec::with_capacity(self.rows);
        for (defined, repeated) in column.defined.iter().zip(&column.repeated) {
            if *repeated == 0 {
                rows.push(Vec::new());
            }
            let row = rows.last_mut().ok_or_else(foreign)?;
            if *defined > 0 && *repeated < 2 {
                row.push(Vec::new());
            }
            if *defined == 2 {
                row.last_mut().ok_or_else(foreign)?.extend(values.next());
            }
        }
        if rows.len() == self.rows { Ok(rows) } else { Err(foreign()) }
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Lists of a column, of which each row's is taken in turn.
struct Lists<V>(std::vec::IntoIter<Vec<Option<V>>>);

impl<V> Lists<V> {
    fn next(&mut self) -> Vec<Option<V>> {
        self.0.next().unwrap_or_default()
    }
}

fn read_rows(
    group: &dyn RowGroupReader,
    text: &mut Text,
    records: &mut Vec<AuditRecord>,
) -> Result<(), ParquetError> {
    let rows = usize::try_from(group.metadata().num_rows()).map_err(|_| foreign())?;
    if rows as u64 > MOST_VALUES {
        return Err(ParquetError::TooLarge);
    }
    let mut group = Rows { group, rows, left: MOST_VALUES };
    let maps = group.column::<ByteArrayType>("map", 0, 0)?.values;
    if maps.len() != rows {
        return Err(foreign());
    }
    let process = group.numbers("process")?;
    let at = group.numbers("at")?;
    let entries = group.numbers("entries")?;
    let bytes = group.numbers("bytes")?;
    let peak_bytes = group.numbers("peak_bytes")?;
    let max_entries = group.optional_numbers("max_entries")?;
    let max_bytes = group.optional_numbers("max_bytes")?;
    let mut operations = vec![Operations::default(); rows];
    for (operation, name) in OPERATIONS.iter().zip([
        "hits",
        "misses",
        "writes",
        "removals",
        "expirations",
        "evictions",
        "refusals",
    ]) {
        let counts = group.numbers(&format!("operations.{name}"))?;
        for (operations, count) in operations.iter_mut().zip(counts) {
            *operation(operations) = count;
        }
    }
    let mut texts = |path: &str, most_defined| {
        let lists = group.listed::<ByteArrayType>(path, most_defined)?;
        Ok::<_, ParquetError>(Lists(lists.into_iter()))
    };
    let mut patterns = texts("patterns.list.element.pattern", 1)?;
    let mut refused = texts("refused.list.element.key", 1)?;
    let mut expected = texts("refused.list.element.expected", 2)?;
    let mut last = texts("refused.list.element.last", 1)?;
    let mut oldest = texts("oldest.list.element.key", 1)?;
    let mut hottest = texts("hottest.list.element.key", 1)?;
    let mut numbers = |path: &str, most_defined| {
        let lists = group.listed::<Int64Type>(path, most_defined)?;
        Ok::<_, ParquetError>(Lists(lists.into_iter()))
    };
    let mut pattern_entries = numbers("patterns.list.element.entries", 1)?;
    let mut pattern_bytes = numbers("patterns.list.element.bytes", 1)?;
    let mut never_read = numbers("patterns.list.element.never_read", 2)?;
    let mut counts = numbers("refused.list.element.count", 1)?;
    let mut written = numbers("refused.list.element.written", 1)?;
    let mut seconds = numbers("oldest.list.element.seconds", 1)?;
    let mut reads = numbers("hottest.list.element.reads", 1)?;
    let kinds = group.nested::<ByteArrayType>("refused.list.element.came.list.element.kind")?;
    let times = group.nested::<Int64Type>("refused.list.element.came.list.element.count")?;
    let mut came = kinds.into_iter().zip(times);

    for row in 0..rows {
        // Lists of one row are as long as one another in a file of ours; in others the rest is left.
        let patterns = patterns.next().into_iter().flatten().zip(pattern_entries.next());
        let patterns = patterns.zip(pattern_bytes.next()).zip(never_read.next());
        let patterns = patterns.map(|(((pattern, entries), bytes), never_read)| {
            Ok(PatternShape {
                pattern: text.of(&pattern)?,
                entries: unsigned(entries.unwrap_or(0)),
                bytes: unsigned(bytes.unwrap_or(0)),
                never_read: never_read.map(unsigned),
            })
        });
        let patterns = patterns.collect::<Result<Vec<_>, ParquetError>>()?;
        let (kinds, times) = came.next().unwrap_or_default();
        let mut refusals = Vec::new();
        let keys = refused.next().into_iter().flatten().zip(counts.next()).zip(expected.next());
        let keys = keys.zip(written.next()).zip(last.next()).zip(kinds.into_iter().zip(times));
        for (((((key, count), expected), written), last), (kinds, times)) in keys {
            let came = kinds.iter().zip(times);
            let came = came.map(|(kind, count)| Ok((text.of(kind)?, unsigned(count))));
            let came = came.collect::<Result<Vec<_>, ParquetError>>()?;
            refusals.push(RefusedKey {
                key: text.of(&key)?,
                count: unsigned(count.unwrap_or(0)),
                expected: expected.map(|expected| text.of(&expected)).transpose()?,
                written: unsigned(written.unwrap_or(0)),
                came,
                last: last.map(|last| text.of(&last)).transpose()?.unwrap_or_default(),
            });
        }
        let mut named = |keys: Vec<Option<ByteArray>>, numbers: Vec<Option<i64>>| {
            let pairs = keys.into_iter().flatten().zip(numbers);
            let pairs =
                pairs.map(|(key, number)| Ok((text.of(&key)?, unsigned(number.unwrap_or(0)))));
            pairs.collect::<Result<Vec<(String, u64)>, ParquetError>>()
        };
        let oldest = named(oldest.next(), seconds.next())?;
        let hottest = named(hottest.next(), reads.next())?;
        let of = |numbers: &[u64]| numbers.get(row).copied().unwrap_or(0);
        let map = maps.get(row).ok_or_else(foreign)?;
        records.push(AuditRecord {
            map: text.of(map)?,
            process: u32::try_from(of(&process)).unwrap_or(0),
            at: of(&at) / 1000,
            entries: of(&entries),
            bytes: of(&bytes),
            peak_bytes: of(&peak_bytes),
            max_entries: max_entries.get(row).copied().flatten(),
            max_bytes: max_bytes.get(row).copied().flatten(),
            operations: operations.get(row).copied().unwrap_or_default(),
            patterns,
            refused: refusals,
            oldest: oldest.into_iter().map(|(key, seconds)| AgedKey { key, seconds }).collect(),
            hottest: hottest.into_iter().map(|(key, reads)| HotKey { key, reads }).collect(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::SafeMap;
    use crate::schema::Schema;

    /// Records with every sort of list: empty ones, long ones, lists in lists, and what is missing.
    fn records() -> Vec<AuditRecord> {
        let plain = SafeMap::new(Schema::open()).audit();
        let shape = |number: u64| PatternShape {
            pattern: format!("pattern.{number}"),
            entries: number,
            bytes: number * 10,
            never_read: number.is_multiple_of(2).then_some(number),
        };
        let refusal = |number: usize| RefusedKey {
            key: format!("key.{number}"),
            count: 7,
            expected: number.is_multiple_of(2).then(|| "integer".to_owned()),
            written: 3,
            came: (0..number).map(|kind| (format!("kind{kind}"), kind as u64)).collect(),
            last: "\"key\": expected integer, came string é".to_owned(),
        };
        let full = AuditRecord {
            map: "risk-policy".to_owned(),
            at: 1_781_481_601,
            entries: 501,
            max_entries: Some(1000),
            operations: Operations { hits: 1, misses: 2, writes: 3, ..Operations::default() },
            patterns: (0..5).map(shape).collect(),
            refused: (0..4).map(refusal).collect(),
            oldest: vec![AgedKey { key: "old".to_owned(), seconds: 9 }],
            hottest: (0..3).map(|reads| HotKey { key: "hot".to_owned(), reads }).collect(),
            ..plain.clone()
        };
        let one = AuditRecord {
            refused: vec![refusal(0)],
            patterns: vec![shape(1)],
            max_bytes: Some(1 << 40),
            ..plain.clone()
        };
        vec![plain.clone(), full.clone(), one, plain, full]
    }

    fn file(records: &[AuditRecord]) -> Vec<u8> {
        let mut file = Vec::new();
        AuditRecord::write_parquet(records, &mut file).unwrap();
        file
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        for count in 0..=5 {
            let records = &records()[..count];
            assert_eq!(AuditRecord::from_parquet(file(records)).unwrap(), records);
        }
        let many: Vec<_> = records().into_iter().cycle().take(2_000).collect();
        let file = file(&many);
        assert_eq!(AuditRecord::from_parquet(file.clone()).unwrap(), many);
        // Names that come again and again take no room of their own.
        let lines: usize = many.iter().map(|record| format!("{record:?}").len()).sum();
        assert!(file.len() * 5 < lines, "{} of {lines}", file.len());
    }

    #[test]
    fn cut_and_changed_files_are_errors_or_other_records_and_no_more() {
        let whole = file(&records());
        for end in 0..whole.len() {
            assert!(AuditRecord::from_parquet(whole[..end].to_vec()).is_err());
        }
        // Panics of the library are caught, and would only fill the screen here.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff, whole[at] ^ 0x10] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _ = AuditRecord::from_parquet(changed);
            }
        }
        std::panic::set_hook(hook);
    }

    #[test]
    fn a_table_of_something_else_is_refused() {
        let schema = Arc::new(parse_message_type("message m { required int64 map; }").unwrap());
        let mut file = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[1, 2], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let refused = AuditRecord::from_parquet(file).unwrap_err();
        assert!(refused.to_string().contains("not those of audits"), "{refused}");
    }
}
