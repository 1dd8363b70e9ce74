//! What can be wrong with the configuration of upstreams and routes. Pure.

use std::collections::HashSet;
use std::fmt;

use http::Uri;

use super::settings::{RouteSettings, Settings, split_target};
use crate::domain::Pattern;

/// Something wrong in the configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Fault {
    /// The key, with the number of its table from 0: `upstream[1].url`.
    pub key: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An upstream's name would not survive in headers, metrics and routes.
    #[error("{0:?} is no name: use letters, digits, '-', '_' and '.'")]
    BadName(String),
    /// Two upstreams of one name.
    #[error("another upstream is called {0:?} too")]
    DuplicateName(String),
    /// Both ways of giving addresses at once.
    #[error("give either url or urls, not both")]
    UrlAndUrls,
    /// An address that cannot be one.
    #[error("{url:?} is no upstream address: {why}")]
    BadUrl {
        /// As written.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The key is there and empty.
    #[error("is empty; leave it out to pass the client's own credential on")]
    EmptyKey,
    /// A limit that lets nothing through.
    #[error("must be at least 1")]
    Zero,
    /// A route that leads nowhere.
    #[error("must name at least one upstream")]
    NoTarget,
    /// A route to an upstream that is not there.
    #[error("there is no upstream {unknown:?}; there are {known}")]
    UnknownUpstream {
        /// As written.
        unknown: String,
        /// Those there are.
        known: String,
    },
    /// `upstream:` with nothing behind the colon.
    #[error("{0:?} names no model after the colon")]
    EmptyModel(String),
    /// `strip_prefix` on a pattern that has no prefix.
    #[error("needs a model pattern with some text before its '*'")]
    NothingToStrip,
}

/// Every fault in what the configuration says of upstreams and routes, in its order.
#[must_use]
pub fn validate(upstreams: &[Settings], routes: &[RouteSettings]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    for (at, upstream) in upstreams.iter().enumerate() {
        let mut fault = |field: &dyn fmt::Display, problem| {
            faults.push(Fault { key: format!("upstream[{at}].{field}"), problem });
        };
        if !is_name(&upstream.name) {
            fault(&"name", Problem::BadName(upstream.name.clone()));
        } else if !names.insert(upstream.name.as_str()) {
            fault(&"name", Problem::DuplicateName(upstream.name.clone()));
        }
        if upstream.url.is_some() && !upstream.urls.is_empty() {
            fault(&"urls", Problem::UrlAndUrls);
        }
        if let Some(Err(problem)) = upstream.url.as_deref().map(check_address) {
            fault(&"url", problem);
        }
        for (place, url) in upstream.urls.iter().enumerate() {
            if let Err(problem) = check_address(url) {
                fault(&format_args!("urls[{place}]"), problem);
            }
        }
        if upstream.api_key.as_ref().is_some_and(|key| key.expose().trim().is_empty()) {
            fault(&"api_key", Problem::EmptyKey);
        }
        if upstream.max_in_flight == 0 {
            fault(&"max_in_flight", Problem::Zero);
        }
    }
    let built_in = [Settings::built_in()];
    let known: Vec<&str> =
        if upstreams.is_empty() { &built_in } else { upstreams }.iter().map(|u| u.name.as_str()).collect();
    for (at, route) in routes.iter().enumerate() {
        let mut fault = |field: &dyn fmt::Display, problem| {
            faults.push(Fault { key: format!("route[{at}].{field}"), problem });
        };
        if route.to.is_empty() {
            fault(&"to", Problem::NoTarget);
        }
        for (place, to) in route.to.iter().enumerate() {
            if let Err(problem) = check_target(to, &known) {
                fault(&format_args!("to[{place}]"), problem);
            }
        }
        if route.strip_prefix && Pattern::new(&route.model).prefix().is_none_or(str::is_empty) {
            fault(&"strip_prefix", Problem::NothingToStrip);
        }
    }
    faults
}

fn check_target(to: &str, known: &[&str]) -> Result<(), Problem> {
    let (upstream, model) = split_target(to);
    if !known.contains(&upstream) {
        return Err(Problem::UnknownUpstream { unknown: upstream.to_owned(), known: known.join(", ") });
    }
    if model.is_some_and(str::is_empty) {
        return Err(Problem::EmptyModel(to.to_owned()));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn check_address(url: &str) -> Result<(), Problem> {
    let bad = |why| Err(Problem::BadUrl { url: url.to_owned(), why });
    let Ok(uri) = url.parse::<Uri>() else { return bad("it is no URL") };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return bad("it must begin with http:// or https://");
    }
    // The URL is not shown where it holds a secret.
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Problem::BadUrl { url: "(hidden)".to_owned(), why: "put credentials into api_key" });
    }
    if uri.host().is_none_or(str::is_empty) {
        return bad("it names no host");
    }
    if uri.query().is_some() || url.contains('#') {
        return bad("it may have a path, but nothing after it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn faults(toml: &str) -> Vec<String> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            upstream: Vec<Settings>,
            #[serde(default)]
            route: Vec<RouteSettings>,
        }
        let file: File = toml::from_str(toml).unwrap();
        validate(&file.upstream, &file.route).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_contract_s_example_is_sound() {
        let example = r#"
            [[upstream]]
            name = "ollama"
            kind = "ollama"
            url = "http://127.0.0.1:11434"
            location = "local"
            max_in_flight = 4
            max_queue = 512
            [[upstream]]
            name = "openai"
            kind = "openai"
            url = "https://api.openai.com/v1"
            api_key = "sk-test"
            location = "cloud"
            [[route]]
            model = "local/*"
            to = ["ollama", "openai:gpt-4o-mini"]
            strip_prefix = true
            [[route]]
            model = "*"
            to = ["openai"]
            ttl = "1h"
        "#;
        assert_eq!(faults(example), Vec::<String>::new());
    }

    #[test]
    fn each_fault_names_its_key() {
        let upstream = |rest: &str| format!("[[upstream]]\nkind = \"openai\"\n{rest}\n");
        let route = |rest: &str| format!("[[route]]\nmodel = \"m\"\n{rest}\n");
        for (toml, fault) in [
            (upstream("name = \"a b\""), "upstream[0].name: \"a b\" is no name: use letters, digits, '-', '_' and '.'"),
            (upstream("name = \"a\"").repeat(2), "upstream[1].name: another upstream is called \"a\" too"),
            (
                upstream("name = \"a\"\nurl = \"http://h\"\nurls = [\"http://h\"]"),
                "upstream[0].urls: give either url or urls, not both",
            ),
            (
                upstream("name = \"a\"\nurl = \"host:1\""),
                "upstream[0].url: \"host:1\" is no upstream address: it must begin with http:// or https://",
            ),
            (
                upstream("name = \"a\"\nurls = [\"http://h\", \"ftp://h\"]"),
                "upstream[0].urls[1]: \"ftp://h\" is no upstream address: it must begin with http:// or https://",
            ),
            (
                upstream("name = \"a\"\nurl = \"http://u:secret@h\""),
                "upstream[0].url: \"(hidden)\" is no upstream address: put credentials into api_key",
            ),
            (
                upstream("name = \"a\"\nurl = \"http://h/v1?k=1\""),
                "upstream[0].url: \"http://h/v1?k=1\" is no upstream address: it may have a path, but nothing after it",
            ),
            (
                upstream("name = \"a\"\napi_key = \"\""),
                "upstream[0].api_key: is empty; leave it out to pass the client's own credential on",
            ),
            (upstream("name = \"a\"\nmax_in_flight = 0"), "upstream[0].max_in_flight: must be at least 1"),
            (route("to = []"), "route[0].to: must name at least one upstream"),
            (route("to = [\"ollama\", \"x\"]"), "route[0].to[1]: there is no upstream \"x\"; there are ollama"),
            (route("to = [\"ollama:\"]"), "route[0].to[0]: \"ollama:\" names no model after the colon"),
            (
                route("to = [\"ollama\"]\nstrip_prefix = true"),
                "route[0].strip_prefix: needs a model pattern with some text before its '*'",
            ),
        ] {
            assert_eq!(faults(&toml), [fault], "{toml}");
        }
    }
}
