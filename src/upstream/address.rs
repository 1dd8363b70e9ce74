//! From a path on dejavu's own listener to the URL at an upstream. Pure.
//!
//! People write an upstream's address as its documentation does: with `/v1` for OpenAI and everything compatible,
//! without for Anthropic and Ollama. Either is understood, and the version stands in the result once.

use super::Kind;

/// The URL for `path` (with its query, as a client sent it to dejavu) at the upstream `base`.
pub(super) fn join(kind: Kind, base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    match (kind, path.strip_prefix("/v1/")) {
        // What a client library calls `base_url`: it holds everything before `/chat/completions`, whatever the
        // provider's version segment is (`/v1`, `/v1beta/openai`, `/api/paas/v4`).
        (Kind::OpenAi, Some(call)) if has_path(base) => format!("{base}/{call}"),
        _ => format!("{}{path}", root(base)),
    }
}

fn root(base: &str) -> &str {
    base.strip_suffix("/v1").or_else(|| base.strip_suffix("/api")).unwrap_or(base)
}

fn has_path(base: &str) -> bool {
    base.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_the_url_once() {
        use Kind::{Anthropic, Ollama, OpenAi};
        for (kind, base, path, url) in [
            (OpenAi, "https://h/v1", "/v1/chat/completions", "https://h/v1/chat/completions"),
            (OpenAi, "https://h/v1/", "/v1/models?x=1", "https://h/v1/models?x=1"),
            (OpenAi, "https://h", "/v1/chat/completions", "https://h/v1/chat/completions"),
            (OpenAi, "https://h/v1beta/openai", "/v1/chat/completions", "https://h/v1beta/openai/chat/completions"),
            (OpenAi, "https://h/v1", "/api/tags", "https://h/api/tags"),
            (Anthropic, "https://h", "/v1/messages", "https://h/v1/messages"),
            (Anthropic, "https://h/v1", "/v1/messages", "https://h/v1/messages"),
            (Ollama, "http://h:1", "/api/chat", "http://h:1/api/chat"),
            (Ollama, "http://h:1/v1", "/api/chat", "http://h:1/api/chat"),
            (Ollama, "http://h:1/api", "/v1/models", "http://h:1/v1/models"),
            (Ollama, "http://h:1/behind/a/proxy/", "/api/chat", "http://h:1/behind/a/proxy/api/chat"),
            (Ollama, "http://h:1", "/", "http://h:1/"),
        ] {
            assert_eq!(join(kind, base, path), url);
        }
    }
}
