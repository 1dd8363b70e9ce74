//! The rules of the house, run as tests: which room may know which, what each room must not know, which file alone
//! names an engine. ARCHITECTURE.md tells why.

#![expect(clippy::unwrap_used, reason = "a tree that cannot be read should fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by rank; a room imports only rooms of strictly lower rank.
const RANKS: &[(u8, &[&str])] = &[
    (0, &["domain"]),
    (1, &["policy", "wire", "telemetry"]),
    (2, &["embed", "index", "store", "upstream", "access"]),
    (3, &["cache"]),
    (4, &["serve"]),
    (5, &["config"]),
    (6, &["app"]),
    (7, &["cli"]),
    (8, &["main"]),
];

/// The one file that may name each outside engine.
const ENGINES: &[(&str, &str)] = &[
    ("fastembed", "src/embed/onnx.rs"),
    ("ort", "src/embed/onnx.rs"),
    ("hnsw_rs", "src/index/graph.rs"),
    ("sled", "src/store/disk/sled.rs"),
    ("moka", "src/cache/lately.rs"),
    ("reqwest", "src/upstream/transport.rs"),
];

/// Rooms that decide or translate and touch nothing outside.
const PURE: &[&str] = &["domain", "policy", "wire"];
const IMPURE_WORDS: &[&str] = &["async fn", "tokio::", "std::fs", "std::net", "std::env", "SystemTime", "Instant::now"];

const LONGEST_FILE: usize = 450;

struct Source {
    path: String,
    room: String,
    /// The text without comments and without its `#[cfg(test)]` module.
    code: String,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    let tests = test_modules(&files);
    files
        .into_iter()
        .filter(|file| !tests.iter().any(|test| file.starts_with(test) || *file == test.with_extension("rs")))
        .map(|file| {
            let path = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            let text = fs::read_to_string(&file).unwrap();
            let room = path["src/".len()..].split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            let shipped = without_inline_tests(&text);
            let code: Vec<&str> = shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            Source { path, room, lines: shipped.lines().count(), code: code.join("\n") }
        })
        .collect()
}

/// The text up to its `#[cfg(test)] mod name {`, which stands last in a file.
fn without_inline_tests(text: &str) -> &str {
    const MARK: &str = "#[cfg(test)]\nmod ";
    let inline = |at: usize| {
        let rest = &text[at + MARK.len()..];
        rest[identifier(rest).len()..].starts_with(" {")
    };
    text.match_indices(MARK).find(|(at, _)| inline(*at)).map_or(text, |(at, _)| &text[..at])
}

/// The modules in files of their own that are compiled for tests only, each as its folder's path.
fn test_modules(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut modules = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let folder = match file.file_stem().unwrap().to_str().unwrap() {
            "mod" | "lib" | "main" => file.parent().unwrap().to_path_buf(),
            _ => file.with_extension(""),
        };
        for rest in text.split("#[cfg(test)]\nmod ").skip(1) {
            let name = identifier(rest);
            if rest[name.len()..].starts_with(';') {
                modules.push(folder.join(name));
            }
        }
    }
    modules
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn rank(room: &str) -> Option<u8> {
    RANKS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(rank, _)| *rank)
}

/// The rooms that `code` names, as `crate::room`, `dejavu::room` or in a braced list after either.
fn rooms_named(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for prefix in ["crate::", "dejavu::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(list) => named.extend(top_level_items(list)),
                None => named.push(identifier(rest)),
            }
        }
    }
    named
}

/// The first identifiers of a braced import list, nested braces skipped.
fn top_level_items(list: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut items = vec![String::new()];
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            c if depth == 0 => items.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    items.iter().map(|item| identifier(item.trim_start())).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether `word` stands in `code` as the first segment of a path that leads outside.
fn names_crate(code: &str, word: &str) -> bool {
    code.match_indices(&format!("{word}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn a_room_knows_only_rooms_of_lower_rank() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.room != "lib") {
        let own = rank(&source.room).unwrap_or_else(|| panic!("{} stands in no ranked room", source.path));
        for other in rooms_named(&source.code).into_iter().filter(|other| *other != source.room) {
            match rank(&other) {
                Some(theirs) if theirs >= own => {
                    faults.push(format!("{} (rank {own}) imports {other} (rank {theirs})", source.path));
                }
                _ => {}
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_import_reader_sees_every_form() {
    let code =
        "use crate::domain::Key;\nuse crate::{wire, policy::{judge, admit}, store};\nlet x = crate::cache::Engine;";
    let mut named = rooms_named(code);
    named.sort();
    assert_eq!(named, ["cache", "domain", "policy", "store", "wire"]);
}

#[test]
fn one_file_names_each_engine() {
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in sources() {
        for (engine, _) in ENGINES {
            if names_crate(&source.code, engine) {
                named.entry(engine).or_default().push(source.path.clone());
            }
        }
    }
    for (engine, file) in ENGINES {
        assert_eq!(named.get(engine).map(Vec::as_slice), Some(&[(*file).to_owned()][..]), "who names {engine}");
    }
}

#[test]
fn pure_rooms_touch_nothing_outside() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.room.as_str())) {
        for word in IMPURE_WORDS.iter().filter(|word| source.code.contains(**word)) {
            if !(source.path == "src/domain/time.rs" && *word == "SystemTime") {
                faults.push(format!("{} contains {word:?}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn only_the_clock_reads_the_wall_clock() {
    for source in sources() {
        assert!(
            source.path == "src/domain/time.rs" || !source.code.contains("SystemTime::now"),
            "{} reads the wall clock",
            source.path
        );
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in sources() {
        let text = fs::read_to_string(root.join(&source.path)).unwrap();
        assert!(text.starts_with("//!"), "{} has no header", source.path);
        assert!(source.lines <= LONGEST_FILE, "{} has {} lines: one idea a file", source.path, source.lines);
    }
}

/// Every test that a table of docs/freshness.md names exists, and every row of its tables names one.
#[test]
fn every_promise_of_freshness_names_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/freshness.md")).unwrap();
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    collect(&root.join("tests"), &mut files);
    let code: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let is_test = |name: &str| code.contains(&format!("fn {name}("));
    let mut in_table = false;
    let mut rows = 0;
    for line in page.lines() {
        if line.ends_with("| test |") {
            in_table = true;
        } else if !line.starts_with('|') {
            in_table = false;
        } else if in_table && !line.starts_with("|---") {
            let cell = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            let named: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
            assert!(!named.is_empty(), "no test is named in {line}");
            rows += 1;
            for name in named {
                assert!(is_test(name), "there is no test {name}, which docs/freshness.md names");
            }
        }
    }
    assert!(rows > 30, "{rows} rows");
}
