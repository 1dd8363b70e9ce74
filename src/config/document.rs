//! A TOML document with environment overrides laid over it, every value knowing where it was written.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::fault::{Fault, Faults, Origin};

/// Prefix of the variables that override keys: `DEJAVU_SECTION__KEY`.
const PREFIX: &str = "DEJAVU_";
/// More faults than this in one file help nobody.
const MOST_FAULTS: usize = 50;

/// A parsed configuration file and the variables laid over it.
pub(super) struct Document<'a> {
    text: &'a str,
    variables: Vec<String>,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// Parses a file's text and lays `environment` over it.
    ///
    /// # Errors
    /// Every syntax error in the text, and every variable that cannot be laid over it.
    pub(super) fn parse(text: &'a str, environment: &'a [(String, String)]) -> Result<Self, Faults> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut document = Self { text, variables: Vec::new(), root };
        let mut faults: Vec<Fault> = errors.iter().map(|error| document.fault(error)).collect();
        let mut overrides: Vec<_> =
            environment.iter().filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__")).collect();
        overrides.sort();
        for (name, value) in overrides {
            if let Err(message) = document.overlay(name, value) {
                let origin = Origin::Variable(name.clone());
                faults.push(Fault { key: String::new(), origin, message: message.into() });
            }
        }
        if faults.is_empty() { Ok(document) } else { Err(Faults(faults)) }
    }

    /// Reads the document as a `T`.
    ///
    /// # Errors
    /// Every key that does not fit: after each fault the key is taken out and the rest is read on.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Faults> {
        let mut root = self.root.clone();
        let mut faults = Vec::new();
        let mut taken: Vec<Vec<Step>> = Vec::new();
        loop {
            let error = match T::deserialize(Deserializer::from(root.clone())) {
                Ok(value) if faults.is_empty() => return Ok(value),
                Ok(_) => return Err(Faults(faults)),
                Err(error) => error,
            };
            let path = error.span().and_then(|span| locate(root.get_ref(), &span)).unwrap_or_default();
            // A required key that was faulty, and so was taken out, is missing now: no fault of its own.
            let follows = taken.iter().any(|gone| match gone.split_last() {
                Some((Step::Key(name), table)) => {
                    table == path && error.message().starts_with(&format!("missing field `{name}`"))
                }
                _ => false,
            });
            if !follows {
                faults.push(self.fault(&error));
            }
            if !take_out(root.get_mut(), &path) || faults.len() >= MOST_FAULTS {
                return Err(Faults(faults));
            }
            taken.push(path);
        }
    }

    /// Replaces `env:NAME` and `file:PATH` by what they name, in every key called `api_key` or `token`. A variable
    /// that is not set takes the key out, as if it had not been written; the keys so dropped are returned.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn resolve_secrets(&mut self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>, Faults> {
        let mut resolution = Resolution { variable, dropped: Vec::new(), failed: Vec::new() };
        resolution.table(self.root.get_mut(), "");
        let Resolution { dropped, failed, .. } = resolution;
        if failed.is_empty() {
            return Ok(dropped);
        }
        let fault =
            |(key, span, message): (String, Range<usize>, String)| Fault { key, origin: self.origin(&span), message };
        Err(Faults(failed.into_iter().map(fault).collect()))
    }

    /// A fault of a later check, placed where its key (for instance `upstream[1].url`) was written.
    pub(super) fn place(&self, key: &str, message: String) -> Fault {
        let mut at: Option<Range<usize>> = None;
        let mut table = Some(self.root.get_ref());
        for name in key.split('.') {
            let (name, index) = match name.split_once('[') {
                Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
                None => (name, None),
            };
            let Some((written, value)) = table.and_then(|table| table.get_key_value(name)) else { break };
            at = Some(written.span());
            let value = match index {
                Some(index) => value.get_ref().as_array().and_then(|list| list.get(index)),
                None => Some(value),
            };
            if let (Some(_), Some(value)) = (index, value) {
                at = Some(value.span());
            }
            table = value.and_then(|value| value.get_ref().as_table());
        }
        Fault { key: key.to_owned(), origin: at.map_or(Origin::Absent, |span| self.origin(&span)), message }
    }

    fn fault(&self, error: &toml::de::Error) -> Fault {
        let span = error.span();
        let path = span.as_ref().and_then(|span| locate(self.root.get_ref(), span)).unwrap_or_default();
        let key = path.iter().fold(String::new(), |path, step| match step {
            Step::Key(name) if path.is_empty() => name.clone(),
            Step::Key(name) => format!("{path}.{name}"),
            Step::Index(index) => format!("{path}[{index}]"),
        });
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        Fault { key, origin: span.map_or(Origin::Absent, |span| self.origin(&span)), message }
    }

    /// Spans beyond the text stand for variables: the first past the end for the first variable, and so on.
    fn origin(&self, span: &Range<usize>) -> Origin {
        match span.start.checked_sub(self.text.len() + 1) {
            Some(variable) => Origin::Variable(self.variables.get(variable).cloned().unwrap_or_default()),
            None => Origin::Line(self.text.as_bytes()[..span.start].iter().filter(|byte| **byte == b'\n').count() + 1),
        }
    }

    fn overlay(&mut self, name: &str, value: &'a str) -> Result<(), &'static str> {
        let place = self.text.len() + 1 + self.variables.len();
        let span = place..place;
        let path = name[PREFIX.len()..].to_ascii_lowercase();
        let steps: Vec<&str> = path.split("__").collect();
        // What is no TOML value is a plain string, so that nobody needs quotes inside quotes.
        let value = match DeValue::parse(value) {
            Ok(parsed) => {
                let mut parsed = parsed.into_inner();
                respan(&mut parsed, &span);
                parsed
            }
            Err(_) => DeValue::String(Cow::Borrowed(value)),
        };
        lay(self.root.get_mut(), &steps, value, &span)?;
        self.variables.push(name.to_owned());
        Ok(())
    }
}

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The way to the innermost key whose own text or value covers `span`.
fn locate(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<Step>> {
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (key, value) in table {
        let step = Step::Key(key.get_ref().to_string());
        if let Some(rest) = locate_in(value, span) {
            return Some([vec![step], rest].concat());
        }
        if covers(key.span()) || covers(value.span()) {
            return Some(vec![step]);
        }
    }
    None
}

fn locate_in(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Vec<Step>> {
    match value.get_ref() {
        DeValue::Table(table) => locate(table, span),
        DeValue::Array(list) => list.iter().enumerate().find_map(|(index, item)| {
            let inside = item.span().start <= span.start && span.end <= item.span().end;
            let rest = locate_in(item, span).or_else(|| inside.then(Vec::new))?;
            Some([vec![Step::Index(index)], rest].concat())
        }),
        _ => None,
    }
}

fn take_out(table: &mut DeTable<'_>, path: &[Step]) -> bool {
    let [Step::Key(name), rest @ ..] = path else { return false };
    if rest.is_empty() {
        return table.remove(name.as_str()).is_some();
    }
    let Some(value) = table.get_mut(name.as_str()) else { return false };
    match (value.get_mut(), rest) {
        (DeValue::Table(inner), rest) => take_out(inner, rest),
        (DeValue::Array(list), [Step::Index(index), rest @ ..]) => match list.get_mut(*index).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) if !rest.is_empty() => take_out(inner, rest),
            // A list cannot lose one item without moving the others' numbers: the whole list goes.
            _ => table.remove(name.as_str()).is_some(),
        },
        _ => false,
    }
}

fn respan(value: &mut DeValue<'_>, span: &Range<usize>) {
    match value {
        DeValue::Array(list) => {
            for item in list.iter_mut() {
                respan(item.get_mut(), span);
                *item = Spanned::new(span.clone(), item.get_ref().clone());
            }
        }
        DeValue::Table(table) => {
            let mut fresh = DeTable::new();
            for (key, item) in table.iter() {
                let mut item = item.get_ref().clone();
                respan(&mut item, span);
                fresh.insert(Spanned::new(span.clone(), key.get_ref().clone()), Spanned::new(span.clone(), item));
            }
            *table = fresh;
        }
        _ => {}
    }
}

fn lay<'a>(
    table: &mut DeTable<'a>,
    steps: &[&str],
    value: DeValue<'a>,
    span: &Range<usize>,
) -> Result<(), &'static str> {
    let [name, rest @ ..] = steps else { return Err("names no key") };
    let key = || Spanned::new(span.clone(), Cow::Owned((*name).to_owned()));
    if rest.is_empty() {
        table.remove(*name);
        table.insert(key(), Spanned::new(span.clone(), value));
        return Ok(());
    }
    if table.get(*name).is_none() {
        let empty = if rest[0].parse::<usize>().is_ok() {
            DeValue::Array(Default::default())
        } else {
            DeValue::Table(DeTable::new())
        };
        table.insert(key(), Spanned::new(span.clone(), empty));
    }
    match table.get_mut(*name).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => lay(inner, rest, value, span),
        Some(DeValue::Array(list)) => {
            let index: usize =
                rest[0].parse().map_err(|_| "a list is overridden by number, for instance UPSTREAM__0")?;
            if index == list.len() {
                list.push(Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
            }
            match (list.get_mut(index), rest.len()) {
                (None, _) => Err("the list is shorter than that number"),
                (Some(item), 1) => {
                    *item = Spanned::new(span.clone(), value);
                    Ok(())
                }
                (Some(item), _) => match item.get_mut() {
                    DeValue::Table(inner) => lay(inner, &rest[1..], value, span),
                    _ => Err("leads into a value that is no table"),
                },
            }
        }
        _ => Err("leads into a value that is no table"),
    }
}

/// The walk that puts secrets in place of their sources.
struct Resolution<'v> {
    variable: &'v dyn Fn(&str) -> Option<String>,
    dropped: Vec<String>,
    failed: Vec<(String, Range<usize>, String)>,
}

impl Resolution<'_> {
    fn table(&mut self, table: &mut DeTable<'_>, path: &str) {
        let names: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
        for name in names {
            let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let secret = matches!(name.as_str(), "api_key" | "token");
            let Some(value) = table.get_mut(name.as_str()) else { continue };
            let span = value.span();
            match value.get_mut() {
                DeValue::String(source) if secret => match self.secret(source) {
                    Ok(Some(resolved)) => *source = Cow::Owned(resolved),
                    Ok(None) => {
                        table.remove(name.as_str());
                        self.dropped.push(here);
                    }
                    Err(message) => self.failed.push((here, span, message)),
                },
                DeValue::Table(inner) => self.table(inner, &here),
                DeValue::Array(list) => {
                    for (index, item) in list.iter_mut().enumerate() {
                        if let DeValue::Table(inner) = item.get_mut() {
                            self.table(inner, &format!("{here}[{index}]"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn secret(&self, source: &str) -> Result<Option<String>, String> {
        if let Some(name) = source.strip_prefix("env:") {
            return Ok((self.variable)(name).filter(|value| !value.is_empty()));
        }
        let Some(path) = source.strip_prefix("file:") else { return Ok(Some(source.to_owned())) };
        match std::fs::read_to_string(Path::new(path)) {
            Ok(text) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Ok(_) => Err(format!("the file {path} is empty")),
            Err(error) => Err(format!("cannot read {path}: {error}")),
        }
    }
}
