//! The program as a process: what survives `kill -9`, what a damaged data folder does, how it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use dejavu::cli::http::Client;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// How long before a crash an answer must have been acknowledged to be owed.
const OWED_AFTER: Duration = Duration::from_secs(1);

/// A `dejavu serve` of its own, ended with the test.
struct Process {
    child: Child,
    app: String,
}

impl Process {
    fn start(folder: &Path, upstream: &str) -> Self {
        let config = folder.join("dejavu.toml");
        let text = format!(
            "server.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nstore.path = {:?}\ncache.mode = \"exact\"\n\
             log.format = \"json\"\n[[upstream]]\nname = \"fake\"\nkind = \"openai\"\nurl = \"{upstream}/v1\"\n",
            folder.join("data")
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_dejavu"))
            .args(["serve", "--config"])
            .arg(&config)
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let app = log
            .by_ref()
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line.unwrap()).ok()?;
                Some(line["fields"]["app"].as_str()?.to_owned())
            })
            .expect("it says where it listens");
        // Keep reading, so that the pipe never fills.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, app }
    }

    async fn ask(&self, client: &Client, text: &str) -> anyhow::Result<(String, String)> {
        ask(client, &self.app, text).await
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and tells how it did.
    fn terminate(mut self) -> Option<i32> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone in every test that passes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The cache's status for a question, and the answer's text.
async fn ask(client: &Client, app: &str, text: &str) -> anyhow::Result<(String, String)> {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string();
    let headers = [("content-type", "application/json")];
    let url = format!("http://{app}/v1/chat/completions");
    let answer: Response<Bytes> = client.fetch(Method::POST, &url, &headers, body).await?;
    anyhow::ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
    let status = answer.headers()["x-cache-status"].to_str()?.to_owned();
    let said: Value = serde_json::from_slice(answer.body())?;
    Ok((status, said["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()))
}

/// An upstream whose every answer is different, so that only a kept one can come twice.
async fn upstream() -> String {
    static ANSWERS: AtomicUsize = AtomicUsize::new(0);
    let answer = async |Json(asked): Json<Value>| {
        let number = ANSWERS.fetch_add(1, Ordering::Relaxed);
        let text = format!("{} Answer number {number}. {}", asked["messages"][0]["content"], "And more. ".repeat(700));
        Json(json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        }))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut background = JoinSet::new();
    background
        .spawn(async move { axum::serve(listener, Router::new().route("/v1/chat/completions", post(answer))).await });
    background.detach_all();
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_under_load_loses_no_answer_that_is_owed_and_alters_none() {
    let (folder, upstream) = (TempDir::new().unwrap(), upstream().await);
    for round in 0..3 {
        let process = Process::start(folder.path(), &upstream);
        let acknowledged: Arc<Mutex<Vec<(Instant, String, String)>>> = Arc::default();
        let mut clients = JoinSet::new();
        for client in 0..4 {
            let (acknowledged, app) = (acknowledged.clone(), process.app.clone());
            clients.spawn(async move {
                let http = Client::default();
                for number in 0.. {
                    let question = format!("Round {round}, client {client}, question {number}?");
                    // The first failure is the kill.
                    let Ok((_, answer)) = ask(&http, &app, &question).await else { return };
                    acknowledged.lock().unwrap().push((Instant::now(), question, answer));
                }
            });
        }
        // The load itself is the clock: it goes on until enough answers are owed.
        let owed_by = |now: Instant| {
            let acknowledged = acknowledged.lock().unwrap();
            acknowledged.iter().filter(|(at, ..)| now.duration_since(*at) > OWED_AFTER).count()
        };
        while owed_by(Instant::now()) < 100 {
            tokio::task::yield_now().await;
        }
        let killed = Instant::now();
        process.kill();
        clients.join_all().await;

        let process = Process::start(folder.path(), &upstream);
        let client = Client::default();
        let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
        for (at, question, answer) in acknowledged {
            let (status, now) = process.ask(&client, &question).await.unwrap();
            let owed = killed.duration_since(at) > OWED_AFTER;
            assert!(status == "HIT" || !owed, "lost: {question}");
            assert!(status != "HIT" || now == answer, "altered: {question}");
        }
        assert_eq!(process.terminate(), Some(0));
    }
}

#[tokio::test]
async fn a_damaged_data_folder_is_set_aside_and_the_server_starts() {
    let (folder, upstream, client) = (TempDir::new().unwrap(), upstream().await, Client::default());
    let process = Process::start(folder.path(), &upstream);
    process.ask(&client, "Is this kept?").await.unwrap();
    assert_eq!(process.terminate(), Some(0));

    overwrite_every_file(&folder.path().join("data"));
    let process = Process::start(folder.path(), &upstream);
    assert_eq!(process.ask(&client, "Is this kept?").await.unwrap().0, "MISS");
    assert_eq!(process.ask(&client, "Is this kept?").await.unwrap().0, "HIT");
    let set_aside = std::fs::read_dir(folder.path())
        .unwrap()
        .filter(|item| item.as_ref().unwrap().file_name().to_string_lossy().contains(".corrupt-"))
        .count();
    assert_eq!(set_aside, 1);
    assert_eq!(process.terminate(), Some(0));
}

fn overwrite_every_file(folder: &Path) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            overwrite_every_file(&path);
        } else {
            let length = std::fs::metadata(&path).unwrap().len().max(64);
            let garbage: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
            std::fs::write(&path, garbage).unwrap();
        }
    }
}

fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_dejavu")).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

#[test]
fn a_faulty_configuration_is_exit_64_with_one_line_per_fault() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("faulty.toml");
    std::fs::write(&file, "[server]\nlissten = \"x\"\n[cache]\nttl = \"soon\"\n").unwrap();
    for command in [&["check-config", file.to_str().unwrap()][..], &["serve", "--config", file.to_str().unwrap()]] {
        let output = run(command);
        assert_eq!(output.status.code(), Some(64));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("line 2: server.lissten") && said.contains("line 4: cache.ttl"), "{said}");
        assert_eq!(said.lines().count(), 2);
    }
}

#[test]
fn a_named_file_that_is_not_there_and_a_wrong_argument_are_exit_64() {
    assert_eq!(run(&["serve", "--config", "/no/such/file.toml"]).status.code(), Some(64));
    assert_eq!(run(&["serve", "--no-such-option"]).status.code(), Some(64));
    assert_eq!(run(&["no-such-command"]).status.code(), Some(64));
}

#[test]
fn an_unusable_data_folder_is_exit_73() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a-file"), "not a folder").unwrap();
    let file = folder.path().join("dejavu.toml");
    let path = folder.path().join("a-file/data");
    let text = format!(
        "server.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nstore.path = {path:?}\ncache.mode = \"exact\"\n"
    );
    std::fs::write(&file, text).unwrap();
    assert_eq!(run(&["serve", "--config", file.to_str().unwrap()]).status.code(), Some(73));
}

#[test]
fn the_default_configuration_prints_and_checks_itself() {
    let printed = run(&["serve", "--print-default-config"]);
    assert!(printed.status.success());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("printed.toml");
    std::fs::write(&file, printed.stdout).unwrap();
    assert!(run(&["check-config", file.to_str().unwrap()]).status.success());
}

#[cfg(unix)]
#[test]
fn a_command_ends_quietly_when_nobody_reads_on() {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGPIPE: i32 = 13;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_dejavu"));
    let ended = command.args(["serve", "--print-default-config"]).stdout(writer).stderr(Stdio::piped());
    let ended = ended.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((ended.status.signal(), ended.stderr), (Some(SIGPIPE), Vec::new()));
}

#[test]
fn an_admin_command_without_a_server_is_exit_69() {
    assert_eq!(run(&["stats", "--admin", "http://127.0.0.1:9"]).status.code(), Some(69));
}
