//! The hub client and the shared folder, against a small hub of our own on a port of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::embed::recipe::Pooling;

/// A hub that serves files from memory, honours ranges and counts what it is asked.
struct FakeHub {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    path: String,
    range: Option<String>,
}

/// What the fake does with one path.
#[derive(Debug, Clone)]
enum Answer {
    /// The file, with the sum that the hub tells for it.
    File { content: Vec<u8>, told: Option<String> },
    /// The same, but the connection ends after so many bytes, the first time.
    CutOnce { content: Vec<u8>, after: usize },
    /// Somewhere else on the same hub.
    Redirect(&'static str),
}

impl FakeHub {
    fn start(files: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let files: HashMap<&str, Answer> = files.into_iter().collect();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                serve(connection.unwrap(), &files, &log);
            }
        });
        Self { url, asked }
    }

    fn hub(&self) -> Hub {
        Hub::at(&self.url, None)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, files: &HashMap<&str, Answer>, log: &Mutex<Vec<Asked>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let range = headers.iter().find_map(|line| line.strip_prefix("range: bytes=").map(str::to_owned));
    let before = log.lock().unwrap().iter().filter(|asked| asked.path == path).count();
    log.lock().unwrap().push(Asked { path: path.clone(), range: range.clone() });

    let from: usize = range.as_ref().and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let (head, body) = match files.get(path.as_str()) {
        Some(Answer::File { content, told }) => {
            let told = told.as_ref().map_or_else(String::new, |sum| format!("x-linked-etag: \"{sum}\"\r\n"));
            (format!("{status}\r\n{told}content-length: {}", content.len() - from), content[from..].to_vec())
        }
        Some(Answer::CutOnce { content, after }) => {
            let end = if before == 0 { *after } else { content.len() };
            (format!("{status}\r\ncontent-length: {}", content.len() - from), content[from..end].to_vec())
        }
        Some(Answer::Redirect(to)) => (format!("307 Elsewhere\r\nlocation: {to}\r\ncontent-length: 0"), vec![]),
        None => ("404 Not Found\r\ncontent-length: 0".to_owned(), vec![]),
    };
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes());
    let _ = stream.write_all(&body);
}

fn sum(content: &[u8]) -> String {
    crate::embed::exported::sha256_of(&[content])
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn fetch(&self, hub: &Hub, expected: Option<&str>) -> Result<Vec<u8>, HubError> {
        let place = self.folder.path().join("models/file.bin");
        hub.fetch("some/model", "file.bin", expected, &self.partial(), &place, Progress::Logged)?;
        Ok(fs::read(place).unwrap())
    }

    fn partial(&self) -> PathBuf {
        self.folder.path().join("partial")
    }

    fn left_behind(&self) -> usize {
        fs::read_dir(self.partial()).map_or(0, Iterator::count)
    }
}

const PATH: &str = "/some/model/resolve/main/file.bin";

#[test]
fn a_download_that_broke_off_goes_on_where_it_was() {
    let whole = content(200_000);
    let fake = FakeHub::start([(PATH, Answer::CutOnce { content: whole.clone(), after: 70_000 })]);
    let place = Place::new();
    assert_eq!(place.fetch(&fake.hub(), Some(&sum(&whole))).unwrap(), whole);
    let ranges: Vec<_> = fake.asked().into_iter().map(|asked| asked.range).collect();
    assert_eq!(ranges, [None, Some("70000-".to_owned())]);
    assert_eq!(place.left_behind(), 0);
}

#[test]
fn a_damaged_download_is_refused_and_not_left_behind() {
    let fake = FakeHub::start([(PATH, Answer::File { content: content(1000), told: None })]);
    let place = Place::new();
    let refused = place.fetch(&fake.hub(), Some(&sum(b"what it should be")));
    assert!(matches!(refused, Err(HubError::Mismatch { .. })), "{refused:?}");
    assert_eq!(place.left_behind(), 0);
    assert!(!place.folder.path().join("models").exists());
}

#[test]
fn where_no_sum_is_known_the_hubs_own_counts() {
    let told = Some(sum(b"what it should be"));
    let fake = FakeHub::start([(PATH, Answer::File { content: content(1000), told })]);
    assert!(matches!(Place::new().fetch(&fake.hub(), None), Err(HubError::Mismatch { .. })));
}

#[test]
fn redirects_are_followed_to_their_end_and_no_further() {
    let fake = FakeHub::start([
        (PATH, Answer::Redirect("/elsewhere")),
        ("/elsewhere", Answer::File { content: content(10), told: None }),
    ]);
    assert_eq!(Place::new().fetch(&fake.hub(), None).unwrap(), content(10));
    let endless = FakeHub::start([(PATH, Answer::Redirect(PATH))]);
    assert!(matches!(Place::new().fetch(&endless.hub(), None), Err(HubError::Refused(_))));
}

#[test]
fn what_is_not_there_and_who_does_not_answer_are_said() {
    let fake = FakeHub::start([]);
    let refused = Place::new().fetch(&fake.hub(), None).unwrap_err().to_string();
    assert!(refused.contains("404"), "{refused}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = Hub::at(&format!("http://{nobody}"), None);
    assert!(matches!(Place::new().fetch(&hub, None), Err(HubError::Unreachable(_))));
}

fn listed() -> Listed {
    Listed {
        repository: "some/model".to_owned(),
        file: "onnx/model.onnx".to_owned(),
        additional: vec![],
        pooling: Pooling::Mean,
        output: None,
        batches: true,
    }
}

#[test]
fn many_at_once_fetch_each_file_once() {
    let file = || Answer::File { content: content(50_000), told: None };
    let fake = FakeHub::start([
        ("/some/model/resolve/main/onnx/model.onnx", file()),
        ("/some/model/resolve/main/config.json", file()),
        ("/some/model/resolve/main/tokenizer.json", file()),
        ("/some/model/resolve/main/tokenizer_config.json", file()),
        ("/some/model/resolve/main/special_tokens_map.json", file()),
    ]);
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let root = folder.path().to_path_buf();
                let home = Home { root, offline: false, progress: Progress::Logged, hub: fake.hub() };
                let model = home.listed_model(&listed()).unwrap();
                assert_eq!(fs::read(model.join("onnx/model.onnx")).unwrap(), content(50_000));
            });
        }
    });
    assert_eq!(fake.asked().len(), 5);
}

#[test]
fn what_cannot_be_had_is_one_message_that_names_every_attempt() {
    let fake = FakeHub::start([]);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_path_buf();
    let home = Home { root, offline: false, progress: Progress::Logged, hub: fake.hub() };
    let said = home.listed_model(&listed()).unwrap_err().to_string();
    assert!(said.starts_with("the embedding model some/model is not to be had:"), "{said}");
    assert!(said.contains("not, or not whole, in ") && said.contains("model hub: onnx/model.onnx"), "{said}");
}
