//! A database written as text, for fixtures: one line a record, `table key value`, both in hex.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use crate::{Database, Fault, Record};

/// A database in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables(BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>);

/// A line that is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDump {
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for InvalidDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is no record: write table, key and value, the last two in hex", self.line)
    }
}

impl std::error::Error for InvalidDump {}

impl Tables {
    /// Reads a dump. Empty lines and lines that start with `#` are comments.
    ///
    /// # Errors
    /// Names the first line that is no record.
    pub fn parse(text: &str) -> Result<Self, InvalidDump> {
        let mut tables = Self::default();
        for (line, number) in text.lines().zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.splitn(3, ' ');
            let record = (words.next(), words.next().and_then(from_hex), words.next().and_then(from_hex));
            let (Some(table), Some(key), Some(value)) = record else { return Err(InvalidDump { line: number }) };
            tables.0.entry(table.to_owned()).or_default().insert(key, value);
        }
        Ok(tables)
    }

    /// Every record: table, key, value.
    pub fn records(&self) -> impl Iterator<Item = (&str, &[u8], &[u8])> {
        self.0.iter().flat_map(|(table, records)| {
            records.iter().map(|(key, value)| (table.as_str(), key.as_slice(), value.as_slice()))
        })
    }
}

/// The dump's text.
impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.records().try_for_each(|(table, key, value)| writeln!(f, "{table} {} {}", hex(key), hex(value)))
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

impl Database for Tables {
    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.0.get(table).and_then(|records| records.get(key)).cloned())
    }

    fn put(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.0.entry(table.to_owned()).or_default().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, table: &str, key: &[u8]) -> Result<(), Fault> {
        if let Some(records) = self.0.get_mut(table) {
            records.remove(key);
        }
        Ok(())
    }

    fn next(&self, table: &str, after: Option<&[u8]>) -> Result<Option<Record>, Fault> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let Some(records) = self.0.get(table) else { return Ok(None) };
        let next = records.range::<[u8], _>((from, Bound::Unbounded)).next();
        Ok(next.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_reads_back() {
        let mut tables = Tables::default();
        tables.put("a", b"k", b"").unwrap();
        tables.put("a", b"l", &[0, 255]).unwrap();
        tables.put("b", b"k", b"v").unwrap();
        assert_eq!(Tables::parse(&tables.to_string()), Ok(tables));
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(Tables::parse("# a comment\n\nt 00 zz"), Err(InvalidDump { line: 3 }));
        assert_eq!(Tables::parse("t 00"), Err(InvalidDump { line: 1 }));
        assert_eq!(Tables::parse("t 0 00"), Err(InvalidDump { line: 1 }));
    }
}
