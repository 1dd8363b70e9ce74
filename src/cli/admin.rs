//! The admin API from a terminal: `stats`, `purge`, `explain`, `export`, `import`, `warm`.

use std::io::{Read, Write};
use std::path::Path;

use bytes::Bytes;
use clap::Args;
use comfy_table::{Table, presets};
use http::{Method, Response};
use http_body_util::BodyExt;
use serde_json::{Map, Value};

use super::Server;
use super::exit::{Exit, Failure};
use super::http::Client;
use super::serve::admin_of;

const DEFAULT_ADMIN: &str = "http://127.0.0.1:8687";

/// What to purge; several filters must all hold.
#[derive(Debug, Args)]
pub struct PurgeFilter {
    /// Everything.
    #[arg(long)]
    all: bool,
    /// Answers of this model.
    #[arg(long)]
    model: Option<String>,
    /// Answers of this upstream.
    #[arg(long)]
    upstream: Option<String>,
    /// Entries of this namespace.
    #[arg(long)]
    namespace: Option<String>,
    /// Entries with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Entries of this tenant (the hash that `entries` shows).
    #[arg(long)]
    tenant: Option<String>,
    /// Entries older than this, for instance `7d`.
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,
    /// Entries whose prompt is like this text.
    #[arg(long, value_name = "TEXT")]
    similar_to: Option<String>,
    /// With `--similar-to`: the least cosine similarity.
    #[arg(long, value_name = "COSINE", requires = "similar_to")]
    min_similarity: Option<f32>,
    /// Do it; without this, only show what would go.
    #[arg(long)]
    yes: bool,
}

/// Prints the statistics.
///
/// # Errors
/// A server that cannot be reached or refuses.
pub async fn stats(server: &Server) -> Result<(), Exit> {
    let stats = call(server, Method::GET, "stats", &[], Bytes::new()).await?;
    if server.json {
        return print_json(&stats);
    }
    let mut table = plain_table();
    flatten("", &stats, &mut |key, value| {
        table.add_row([key.to_owned(), value]);
    });
    println!("{table}");
    Ok(())
}

/// Purges, or shows what would go.
///
/// # Errors
/// No filter at all, or a server that cannot be reached or refuses.
pub async fn purge(server: &Server, filter: &PurgeFilter) -> Result<(), Exit> {
    let PurgeFilter { all, model, upstream, namespace, tag, tenant, older_than, similar_to, min_similarity, yes } =
        filter;
    let mut body = Map::new();
    if *all {
        body.insert("all".into(), true.into());
    }
    let filters = [
        ("model", model),
        ("upstream", upstream),
        ("namespace", namespace),
        ("tag", tag),
        ("tenant", tenant),
        ("older_than", older_than),
        ("similar_to", similar_to),
    ];
    body.extend(filters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into()))));
    if let Some(least) = min_similarity {
        body.insert("min_similarity".into(), (*least).into());
    }
    if body.is_empty() {
        return Err(Exit::say(Failure::Usage, "say what to purge, for instance --model NAME, or --all"));
    }
    body.insert("dry_run".into(), (!yes).into());
    let answer = call(server, Method::POST, "purge", &[], Value::Object(body).to_string()).await?;
    if server.json {
        return print_json(&answer);
    }
    flatten("", &answer, &mut |key, value| println!("{key}: {value}"));
    if !yes {
        println!("Nothing was dropped; add --yes to do it.");
    }
    Ok(())
}

/// Asks what the cache would do with the request in `file`.
///
/// # Errors
/// A file that is no JSON, or a server that cannot be reached or refuses.
pub async fn explain(server: &Server, file: &Path, path: &str, api_key: Option<&str>) -> Result<(), Exit> {
    let body = read(file)?;
    let authorization = api_key.map(|key| format!("Bearer {key}"));
    let mut headers = vec![("x-dejavu-path", path)];
    headers.extend(authorization.as_deref().map(|value| ("x-dejavu-authorization", value)));
    let answer = call(server, Method::POST, "explain", &headers, body).await?;
    print_json(&answer)
}

/// Writes every entry to `file`.
///
/// # Errors
/// A server that cannot be reached or refuses, or a file that cannot be written.
pub async fn export(server: &Server, file: &Path) -> Result<(), Exit> {
    let (url, token) = address(server)?;
    let url = format!("{url}/admin/v1/export");
    let headers = bearer(token.as_deref());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = Client::default().send(Method::GET, &url, &headers, Bytes::new()).await;
    let (head, mut body) = answer.map_err(unreachable)?.into_parts();
    if !head.status.is_success() {
        let said = body.collect().await.map_err(|error| Exit::new(Failure::Unavailable, error))?.to_bytes();
        return Err(refused(&Response::from_parts(head, said)));
    }
    let mut to: Box<dyn Write> = if file == Path::new("-") {
        Box::new(std::io::stdout().lock())
    } else {
        Box::new(std::fs::File::create(file).map_err(|error| failed_file(file, &error))?)
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Exit::new(Failure::Unavailable, error))?;
        if let Some(data) = frame.data_ref() {
            to.write_all(data).map_err(|error| failed_file(file, &error))?;
        }
    }
    to.flush().map_err(|error| failed_file(file, &error))
}

/// Sends `file` to the admin call `name` (`import`, `warm`).
///
/// # Errors
/// A file that cannot be read, or a server that cannot be reached or refuses.
pub async fn load(server: &Server, name: &str, file: &Path) -> Result<(), Exit> {
    let answer = call(server, Method::POST, name, &[("content-type", "application/x-ndjson")], read(file)?).await?;
    if server.json {
        return print_json(&answer);
    }
    flatten("", &answer, &mut |key, value| println!("{key}: {value}"));
    Ok(())
}

async fn call(
    server: &Server,
    method: Method,
    name: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Value, Exit> {
    let (url, token) = address(server)?;
    let mut all = bearer(token.as_deref());
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        all.push(("content-type", "application/json".to_owned()));
    }
    let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let url = format!("{url}/admin/v1/{name}");
    let answer = Client::default().fetch(method, &url, &all, body).await.map_err(unreachable)?;
    if !answer.status().is_success() {
        return Err(refused(&answer));
    }
    serde_json::from_slice(answer.body())
        .map_err(|error| Exit::say(Failure::Software, format!("the server's answer is no JSON: {error}")))
}

fn bearer(token: Option<&str>) -> Vec<(&'static str, String)> {
    token.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect()
}

fn address(server: &Server) -> Result<(String, Option<String>), Exit> {
    let (configured, token) = match &server.config {
        Some(file) => admin_of(file)?,
        None => (DEFAULT_ADMIN.to_owned(), None),
    };
    let url = server.admin.clone().unwrap_or(configured);
    Ok((url.trim_end_matches('/').to_owned(), server.token.clone().or(token)))
}

fn read(file: &Path) -> Result<Vec<u8>, Exit> {
    if file == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).map_err(|error| failed_file(file, &error))?;
        return Ok(text);
    }
    std::fs::read(file).map_err(|error| failed_file(file, &error))
}

fn failed_file(file: &Path, error: &std::io::Error) -> Exit {
    Exit::say(Failure::NoInput, format!("{}: {error}", file.display()))
}

fn unreachable(error: anyhow::Error) -> Exit {
    Exit { failure: Failure::Unavailable, error }
}

fn refused(answer: &Response<Bytes>) -> Exit {
    let said: Option<Value> = serde_json::from_slice(answer.body()).ok();
    let said = said.as_ref().and_then(|said| said.get("error")).map(|error| match error {
        Value::String(text) => text.clone(),
        other => other.get("message").and_then(Value::as_str).map_or_else(|| other.to_string(), str::to_owned),
    });
    let failure = if answer.status().is_client_error() { Failure::Usage } else { Failure::Unavailable };
    Exit::say(failure, format!("the server says {}: {}", answer.status(), said.unwrap_or_default()))
}

fn print_json(value: &Value) -> Result<(), Exit> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Exit::new(Failure::Software, error))?;
    println!("{text}");
    Ok(())
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Calls `each` with the dotted path and the text of every scalar inside `value`.
fn flatten(path: &str, value: &Value, each: &mut dyn FnMut(&str, String)) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&below(name), value, each)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| flatten(&below(&index.to_string()), value, each));
        }
        Value::String(text) => each(path, text.clone()),
        other => each(path, other.to_string()),
    }
}
