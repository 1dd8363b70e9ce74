//! The wire goldens: data files that say what each surface's bytes mean. A new case is a new folder.
//!
//! `tests/golden/<surface>/<case>/` holds what is given:
//!
//! | file | what it is |
//! |---|---|
//! | `request.json` | a request's body, as a client sends it |
//! | `upstream.json`, `.sse` or `.ndjson` | the upstream's answer to it, whole or streamed |
//! | `keys.json` | `same`: merge patches (RFC 7396) of the request that must not change its identity; `different`: ones that must |
//!
//! | `known.json` | for embeddings: which of the request's distinct items are known already |
//! | `upstream.reduced.json` | for embeddings: the upstream's answer to the request for the others |
//!
//! and what is expected, written by `BLESS=1 cargo test --test it golden` and then read by a person:
//!
//! | file | what it is |
//! |---|---|
//! | `asked.json` | the request as understood; `null` when it is forwarded untouched |
//! | `record.json` | the recording, or why there is none |
//! | `reduced.json`, `merged.json` | for embeddings: the request for the unknown items, and the answer from all |
//! | `replay.json`, `replay.sse` or `.ndjson`, `replay.usage.sse` | the recording's bytes in each shape |
//!
//! Besides, the laws of the room are held against every case: any chunking records identically, no cut records
//! anything, and recording a replay gives the recording again.

use std::fs;
use std::path::{Path, PathBuf};

use dejavu::domain::{Asked, Cause, Protocol, Recording, Secret, Shape, Surface, Timestamp, Traits};
use dejavu::wire::embeddings::Batch;
use dejavu::wire::{self, Fresh, Recorder};
use serde_json::{Value, json};

const FRESH: Fresh = Fresh { now: Timestamp(1_700_000_000_000), nonce: 42 };

/// One folder.
struct Case {
    surface: Surface,
    folder: PathBuf,
}

/// An upstream's answer.
struct Upstream {
    bytes: Vec<u8>,
    streamed: bool,
}

impl Case {
    fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let mut cases = Vec::new();
        for surface in Surface::ALL {
            let Ok(folders) = fs::read_dir(root.join(surface.as_str())) else { continue };
            cases.extend(folders.map(|folder| Self { surface, folder: folder.unwrap().path() }));
        }
        cases.sort_by(|a, b| a.folder.cmp(&b.folder));
        cases
    }

    fn name(&self) -> String {
        format!("{}/{}", self.surface.as_str(), self.folder.file_name().unwrap().to_string_lossy())
    }

    fn given(&self, file: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join(file)).ok()
    }

    fn asked(&self) -> Option<Option<Asked>> {
        Some(wire::read(self.surface, &self.given("request.json")?))
    }

    fn stream_file(&self, stem: &str) -> String {
        let extension = if self.surface.protocol() == Protocol::Ollama { "ndjson" } else { "sse" };
        format!("{stem}.{extension}")
    }

    fn upstream(&self) -> Option<Upstream> {
        let whole = self.given("upstream.json").map(|bytes| Upstream { bytes, streamed: false });
        whole.or_else(|| Some(Upstream { bytes: self.given(&self.stream_file("upstream"))?, streamed: true }))
    }

    fn record<'a>(&self, streamed: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Recording, Cause> {
        let asked = self.asked().flatten().map_or(0, |asked| asked.traits.characters);
        let mut recorder = Recorder::new(self.surface, streamed).asked(asked);
        chunks.into_iter().for_each(|chunk| recorder.push(chunk));
        recorder.finish()
    }

    fn recorded(&self) -> Option<Recording> {
        let upstream = self.upstream()?;
        self.record(upstream.streamed, [&upstream.bytes[..]]).ok()
    }

    fn is_of_embeddings(&self) -> bool {
        matches!(self.surface, Surface::OpenaiEmbeddings | Surface::OllamaEmbed | Surface::OllamaEmbeddings)
    }

    /// Compares a file with what is the case now, or writes it when blessing.
    fn expect(&self, file: &str, now: Option<&str>, faults: &mut Vec<String>) {
        let path = self.folder.join(file);
        let expected = fs::read_to_string(&path).ok();
        if expected.as_deref() == now {
            return;
        }
        if std::env::var_os("BLESS").is_some() {
            match now {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            return;
        }
        faults.push(format!(
            "{}/{file}\n--- expected\n{}\n--- now\n{}",
            self.name(),
            expected.as_deref().unwrap_or("(no file)"),
            now.unwrap_or("(nothing)")
        ));
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

fn asked_json(asked: Option<&Asked>) -> Value {
    let Some(asked) = asked else { return Value::Null };
    let Traits { temperature, tools, several_choices, attachments, stateful, load_only, characters } = &asked.traits;
    let mut traits = json!({"characters": characters});
    if let Some(temperature) = temperature {
        traits["temperature"] = json!(temperature);
    }
    let flags = [
        ("tools", tools),
        ("several_choices", several_choices),
        ("attachments", attachments),
        ("stateful", stateful),
        ("load_only", load_only),
    ];
    for (name, _) in flags.into_iter().filter(|(_, set)| **set) {
        traits[name] = json!(true);
    }
    json!({
        "model": asked.model,
        "stream": asked.shape.stream,
        "usage_chunk": asked.shape.usage_chunk,
        "history": asked.history.iter().map(|turn| turn.user_text().cloned()).collect::<Vec<_>>(),
        "prompt": asked.prompt.as_ref().map(|prompt| prompt.0.clone()),
        "traits": traits,
    })
}

fn record_json(recorded: &Result<Recording, Cause>) -> Value {
    match recorded {
        Err(cause) => json!({"nothing": cause.as_str()}),
        Ok(Recording { surface: _, answer, finish, reported_model, usage }) => json!({
            "finish": finish,
            "reported_model": reported_model,
            "usage": usage,
            "answer": serde_json::from_slice::<Value>(answer).unwrap(),
        }),
    }
}

fn replayed(recording: &Recording, stream: bool, usage_chunk: bool) -> String {
    let pieces = wire::replay(recording, Shape { stream, usage_chunk }, FRESH);
    pieces.iter().map(|piece| std::str::from_utf8(&piece.bytes).unwrap()).collect()
}

#[test]
fn every_case_reads_records_and_replays_as_written() {
    let mut faults = Vec::new();
    let cases = Case::all();
    for case in &cases {
        if let Some(asked) = case.asked() {
            case.expect("asked.json", Some(&pretty(&asked_json(asked.as_ref()))), &mut faults);
        }
        let Some(upstream) = case.upstream() else { continue };
        let recorded = case.record(upstream.streamed, [&upstream.bytes[..]]);
        case.expect("record.json", Some(&pretty(&record_json(&recorded))), &mut faults);
        let recording = recorded.as_ref().ok();
        let replay = |stream, usage| recording.map(|recording| replayed(recording, stream, usage));
        case.expect("replay.json", replay(false, false).as_deref(), &mut faults);
        if case.is_of_embeddings() {
            continue;
        }
        case.expect(&case.stream_file("replay"), replay(true, false).as_deref(), &mut faults);
        if matches!(case.surface, Surface::OpenaiChat | Surface::OpenaiCompletions) {
            case.expect("replay.usage.sse", replay(true, true).as_deref(), &mut faults);
        }
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n\n"));
}

#[test]
fn any_chunking_records_identically() {
    for case in Case::all() {
        let Some(Upstream { bytes, streamed }) = case.upstream() else { continue };
        let whole = case.record(streamed, [&bytes[..]]);
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(case.record(streamed, bytes.chunks(size)), whole, "{} in chunks of {size}", case.name());
        }
    }
}

#[test]
fn an_answer_cut_anywhere_records_nothing() {
    for case in Case::all() {
        let Some(Upstream { bytes, streamed }) = case.upstream() else { continue };
        if case.record(streamed, [&bytes[..]]).is_err() {
            continue;
        }
        // What follows the terminal marker, and white space after a whole body, is no part of the answer.
        let lengths: Vec<usize> = (0..=bytes.len()).collect();
        let end = lengths.partition_point(|length| case.record(streamed, [&bytes[..*length]]).is_err());
        let rest = String::from_utf8_lossy(&bytes[end..]);
        assert!(rest.trim().is_empty() || streamed && rest.starts_with("data:"), "{}: {rest:?}", case.name());
        // Every place near the end, and some sixty others.
        let near_end = end.saturating_sub(40);
        let far = (0..near_end).step_by(end / 60 + 1);
        for cut in far.chain(near_end..end) {
            assert_eq!(case.record(streamed, [&bytes[..cut]]), Err(Cause::Cut), "{} cut at {cut}", case.name());
        }
    }
}

#[test]
fn embeddings_are_known_item_by_item() {
    let mut faults = Vec::new();
    for case in Case::all() {
        let Some(known) = case.given("known.json") else { continue };
        let known: Vec<usize> = serde_json::from_slice(&known).unwrap();
        let batch = Batch::read(case.surface, &case.given("request.json").unwrap().into()).unwrap();
        let all: Vec<usize> = (0..batch.items().len()).collect();
        let whole = case.given("upstream.json").unwrap();
        let mut recordings = batch.split(&all, &whole).unwrap();
        for (item, recording) in batch.items().zip(&recordings) {
            // Asked alone, the item is the same request, and its recording is an answer.
            assert_eq!(item.surface, case.surface);
            assert_eq!(case.record(false, [&recording.answer[..]]).unwrap().usage, recording.usage, "{}", case.name());
        }
        let merged: Value = serde_json::from_slice(&batch.merge(&recordings).unwrap()).unwrap();
        let mut then: Value = serde_json::from_slice(&whole).unwrap();
        if let Some(data) = then.get_mut("data").and_then(Value::as_array_mut) {
            data.sort_by_key(|element| element["index"].as_u64());
        }
        assert_eq!(merged.to_string(), then.to_string(), "{}", case.name());

        let unknown: Vec<usize> = all.iter().copied().filter(|at| !known.contains(at)).collect();
        if let Some(answer) = case.given("upstream.reduced.json") {
            let reduced = batch.request_for(&unknown);
            case.expect("reduced.json", Some(std::str::from_utf8(&reduced).unwrap()), &mut faults);
            match batch.split(&unknown, &answer) {
                Ok(new) => {
                    for (at, recording) in unknown.iter().zip(new) {
                        recordings[*at] = recording;
                    }
                    let merged = batch.merge(&recordings).unwrap();
                    case.expect("merged.json", Some(std::str::from_utf8(&merged).unwrap()), &mut faults);
                }
                Err(cause) => case.expect("merged.json", Some(cause.as_str()), &mut faults),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// What each replay renews, or leaves out because it was another caller's.
const RENEWED: [&str; 7] =
    ["id", "created", "created_at", "completed_at", "user", "safety_identifier", "prompt_cache_key"];

/// The recording with what each replay renews made equal.
fn settled(recording: &Recording) -> (Value, Value) {
    let mut answer: Value = serde_json::from_slice(&recording.answer).unwrap();
    for key in RENEWED {
        if let Some(renewed) = answer.get_mut(key) {
            *renewed = Value::Null;
        }
    }
    let Recording { surface, answer: _, finish, reported_model, usage } = recording;
    (answer, json!([surface, finish, reported_model, usage]))
}

#[test]
fn recording_a_replay_gives_the_recording_again() {
    for case in Case::all() {
        let Some(recording) = case.recorded() else { continue };
        for (streamed, usage_chunk) in [(false, false), (true, true)] {
            if streamed && case.is_of_embeddings() {
                continue;
            }
            let replay = replayed(&recording, streamed, usage_chunk);
            let again =
                case.record(streamed, [replay.as_bytes()]).unwrap_or_else(|cause| panic!("{}: {cause:?}", case.name()));
            let (mut now, said) = settled(&again);
            let (then, _) = settled(&recording);
            if then.get("usage").is_none() {
                // A whole answer that counted nothing: the usage chunk that was asked for held an estimate.
                now.as_object_mut().unwrap().shift_remove("usage");
            }
            assert_eq!((now, said), (then, settled(&recording).1), "{} streamed: {streamed}", case.name());
        }
    }
}

#[test]
fn a_replay_changes_nothing_else_in_a_whole_answer() {
    for case in Case::all() {
        let (Some(recording), Some(Upstream { bytes, streamed: false })) = (case.recorded(), case.upstream()) else {
            continue;
        };
        let mut then: Value = serde_json::from_slice(&bytes).unwrap();
        let mut now: Value = serde_json::from_str(&replayed(&recording, false, false)).unwrap();
        for key in RENEWED {
            if let (Some(then), Some(now)) = (then.get_mut(key), now.get_mut(key)) {
                assert!(now.is_null() || then.is_number() == now.is_number() && then.is_string() == now.is_string());
                *then = now.take();
                *now = then.clone();
            }
        }
        assert_eq!(now.to_string(), then.to_string(), "{}", case.name());
    }
}

#[test]
fn every_wire_fact_is_held_by_cases_and_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let facts = fs::read_to_string(root.join("golden/wire-facts.md")).unwrap();
    let tests: String = fs::read_dir(root.join("it"))
        .unwrap()
        .filter_map(|file| fs::read_to_string(file.unwrap().path()).ok())
        .collect();
    let mut count = 0;
    for row in facts.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")).skip(1) {
        let (fact, held_by) = row.rsplit_once(" | ").unwrap();
        let holders: Vec<&str> = held_by.split(", ").map(|name| name.trim_matches('`')).collect();
        for holder in holders {
            let there = if holder.contains('/') {
                root.join("golden").join(holder).is_dir()
            } else {
                tests.contains(&format!("fn {holder}()"))
            };
            assert!(there, "{holder}, which is said to hold: {fact}");
        }
        count += 1;
    }
    assert_eq!(count, 23, "a fact that is known is not forgotten");
    assert!(Case::all().len() >= 120);
}

#[test]
fn identity_is_what_the_keys_say() {
    for case in Case::all() {
        let (Some(keys), Some(request)) = (case.given("keys.json"), case.given("request.json")) else { continue };
        let keys: Value = serde_json::from_slice(&keys).unwrap();
        let request: Value = serde_json::from_slice(&request).unwrap();
        let own = identity(case.surface, &request);
        for patch in keys["same"].as_array().into_iter().flatten() {
            assert_eq!(identity(case.surface, &patched(&request, patch)), own, "{}: {patch}", case.name());
        }
        let mut seen = vec![(own, Value::Null)];
        for patch in keys["different"].as_array().into_iter().flatten() {
            let other = identity(case.surface, &patched(&request, patch));
            for (identity, by) in &seen {
                assert_ne!(identity, &other, "{}: {by} and {patch}", case.name());
            }
            seen.push((other, patch.clone()));
        }
    }
}

/// Everything of a request that its key is made of.
fn identity(surface: Surface, request: &Value) -> String {
    let asked = wire::read(surface, request.to_string().as_bytes()).unwrap_or_else(|| panic!("unread: {request}"));
    let mut hasher = Secret::new([7; 32]).hasher("golden").field(asked.model.as_bytes()).field(&asked.frame.0);
    for turn in &asked.history {
        hasher = hasher.field(&turn.digest.0);
    }
    hasher.field(&asked.last.0).digest().to_hex()
}

/// JSON merge patch (RFC 7396).
fn patched(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut object = target.as_object().cloned().unwrap_or_default();
    for (key, change) in changes {
        if change.is_null() {
            object.shift_remove(key);
        } else {
            let old = object.get(key).cloned().unwrap_or_default();
            object.insert(key.clone(), patched(&old, change));
        }
    }
    object.into()
}
