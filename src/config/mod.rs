//! Configuration: a TOML file, environment overrides laid over it, secrets resolved, everything checked.
//!
//! The door: [`load`] and [`Config`]. Each room declares its own settings; this room composes them into one file,
//! and names key and line of whatever does not fit. [`DEFAULT_FILE`] documents every key and is itself the defaults.

mod document;
mod fault;
mod sections;

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::domain::Size;
use crate::policy::risk;
use crate::{cache, serve, store, telemetry, upstream};
use document::Document;
pub use fault::{Fault, Faults, Origin};
pub use sections::{Cache, Reranker, Semantic, Versions};

/// The commented default configuration, as `dejavu serve --print-default-config` prints it.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// Everything the program can be told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[server]`: the listener for apps.
    pub server: serve::Settings,
    /// `[admin]`: the listener for operators.
    pub admin: serve::AdminSettings,
    /// `[replay]`: how cached streams are sent.
    pub replay: serve::ReplaySettings,
    /// `[store]`: where answers are kept, and how many.
    pub store: store::Settings,
    /// `[cache]`: what is cached, for how long, and who shares it.
    pub cache: Cache,
    /// `[semantic]`: the embedding model, and when two prompts ask the same thing.
    pub semantic: Semantic,
    /// `[versions]`: how model versions are watched.
    pub versions: Versions,
    /// `[log]`: what is logged, and how.
    pub log: telemetry::Settings,
    /// `[[upstream]]`: the model servers.
    pub upstream: Vec<upstream::Settings>,
    /// `[[route]]`: which of them answer for which model.
    pub route: Vec<upstream::RouteSettings>,
    /// `[[price]]`: what tokens cost, to tell savings in money.
    pub price: Vec<telemetry::Price>,
    /// `[[canary]]`: models whose answers to a few questions are compared from time to time.
    pub canary: Vec<cache::CanarySettings>,
    /// What the file that `semantic.calibration` names holds; none where it names none.
    #[serde(skip)]
    pub calibration: Option<Arc<risk::Table>>,
    /// Keys that named a secret which is not there; they count as not written.
    #[serde(skip)]
    pub missing_secrets: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// Something in it does not fit.
    #[error(transparent)]
    Faults(#[from] Faults),
}

/// Loads a configuration file, or only the environment when there is none.
///
/// # Errors
/// A file that cannot be read, and every fault in it or in the environment.
pub fn load(file: Option<&Path>) -> Result<Config, LoadError> {
    let text = match file {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| LoadError::Unreadable { path: path.display().to_string(), error })?,
    };
    Ok(read(&text, std::env::vars(), &|name| std::env::var(name).ok())?)
}

/// Reads a configuration from its text, overrides and variables.
///
/// # Errors
/// Every fault in any of them.
pub fn read(
    text: &str,
    overrides: impl IntoIterator<Item = (String, String)>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Faults> {
    let overrides: Vec<(String, String)> = overrides.into_iter().collect();
    let mut document = Document::parse(text, &overrides)?;
    let missing_secrets = document.resolve_secrets(variable)?;
    let mut config: Config = document.read()?;
    config.missing_secrets = missing_secrets;
    let calibration = read_calibration(&config.semantic.calibration);
    let faults: Vec<Fault> = calibration
        .map(|table| config.calibration = table)
        .err()
        .map(|message| (String::from("semantic.calibration"), message))
        .into_iter()
        .chain(config.contradictions())
        .map(|(key, message)| document.place(&key, message))
        .collect();
    if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
}

/// The calibration file of this name, if it is one.
fn read_calibration(name: &str) -> Result<Option<Arc<risk::Table>>, String> {
    if name == sections::SHIPPED {
        return Ok(None);
    }
    let text = std::fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?;
    risk::Table::parse(&text).map(|table| Some(Arc::new(table))).map_err(|fault| format!("{name}: {fault}"))
}

impl Config {
    /// What no single key's type can say: ranges and relations. Each with the key it is about.
    fn contradictions(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut hold = |holds: bool, key: &str, message: &str| {
            if !holds {
                found.push((key.to_owned(), message.to_owned()));
            }
        };
        let loopback = self.admin.listen.ip().is_loopback();
        hold(
            loopback || self.admin.token.is_some(),
            if self.missing_secrets.iter().any(|key| key == "admin.token") { "admin.token" } else { "admin.listen" },
            "an admin listener that is not on loopback needs a token (admin.token), and the secret must be there",
        );
        let separate = self.server.listen != self.admin.listen || self.server.listen.port() == 0;
        hold(separate, "admin.listen", "is the same address as server.listen");
        let cosine = -1.0..=1.0;
        hold(cosine.contains(&self.semantic.min_similarity), "semantic.min_similarity", "must lie between -1 and 1");
        let budget = self.semantic.max_false_hit_rate;
        hold(budget > 0.0 && budget <= 1.0, "semantic.max_false_hit_rate", "must be above 0, and 1 at most");
        hold((0.0..=1.0).contains(&self.semantic.shadow.rate), "semantic.shadow.rate", "must lie between 0 and 1");
        let accept = self.semantic.reranker.accept;
        hold((0.0..1.0).contains(&accept), "semantic.reranker.accept", "must be at least 0, and below 1");
        hold(self.cache.max_temperature >= 0.0, "cache.max_temperature", "must not be negative");
        let share = 0.0..=1.0;
        hold(share.contains(&self.cache.jitter), "cache.jitter", "must lie between 0 and 1");
        hold(share.contains(&self.cache.refresh_ahead), "cache.refresh_ahead", "must lie between 0 and 1");
        hold(self.cache.hold >= Size::mib(16), "cache.hold", "must be at least 16MiB");
        hold(self.cache.ttl <= self.cache.max_ttl, "cache.ttl", "must not be longer than cache.max_ttl");
        hold(self.versions.poll.0 >= std::time::Duration::from_millis(100), "versions.poll", "must be at least 100ms");
        found.extend(self.canary_faults());
        let routing = upstream::validate(&self.upstream, &self.route);
        for (place, price) in self.price.iter().enumerate() {
            for (key, value) in [("input", price.input), ("output", price.output)] {
                if !(value.is_finite() && value >= 0.0) {
                    found.push((format!("price[{place}].{key}"), "must not be negative".to_owned()));
                }
            }
        }
        found.extend(routing.into_iter().map(|fault| (fault.key, fault.problem.to_string())));
        found
    }

    fn canary_faults(&self) -> Vec<(String, String)> {
        let built_in = upstream::Settings::built_in().name;
        let known = |name: &str| {
            self.upstream.iter().any(|upstream| upstream.name == name) || (self.upstream.is_empty() && name == built_in)
        };
        let mut found = Vec::new();
        for (at, canary) in self.canary.iter().enumerate() {
            let mut hold = |holds: bool, key: &str, message: &str| {
                if !holds {
                    found.push((format!("canary[{at}].{key}"), message.to_owned()));
                }
            };
            hold(known(&canary.upstream), "upstream", "names no upstream");
            hold(!canary.prompts.is_empty(), "prompts", "must hold a question");
            let possible = 1..=canary.prompts.len().max(1);
            hold(possible.contains(&canary.drift), "drift", "must lie between 1 and the number of prompts");
            hold(canary.every.0 >= std::time::Duration::from_secs(1), "every", "must be at least 1s");
            let twice = self.canary[..at].iter().any(|o| o.upstream == canary.upstream && o.model == canary.model);
            hold(!twice, "model", "is watched by another canary already");
        }
        found
    }

    /// The engine's settings.
    #[must_use]
    pub fn engine(&self) -> cache::Settings {
        cache::Settings {
            mode: self.cache.mode,
            max_entries: self.store.max_entries,
            max_bytes: self.store.max_bytes,
            hot_bytes: self.cache.hot_bytes,
            linger: self.cache.linger,
            jitter: self.cache.jitter,
            refresh_ahead: self.cache.refresh_ahead,
            hold: self.cache.hold,
            candidates: self.semantic.candidates,
            context: self.semantic.context,
            patience: self.cache.patience,
            versions: self.versions.doubt(),
            admit: self.cache.admit(),
            judge: self.semantic.judge(),
            rerank: self.semantic.reranker.judge(),
            risk: self.semantic.risk(self.calibration.as_ref()),
            freshness: self.cache.freshness(),
            retain: self.cache.retain(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Config, Faults> {
        read(text, [], &|_| None)
    }

    fn faults(text: &str) -> Vec<String> {
        read_text(text).unwrap_err().0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_documented_file_is_the_defaults() {
        let (written, built_in) = (read_text(DEFAULT_FILE).unwrap(), Config::default());
        assert_eq!(format!("{written:?}"), format!("{built_in:?}"));
    }

    /// Every key of `value` stands in the documented file; `Option`s that are `None` do not serialise.
    fn assert_documented(path: &str, value: &impl serde::Serialize) {
        let documented: toml::Table = toml::from_str(DEFAULT_FILE).unwrap();
        let section = path.split('.').try_fold(&documented, |table, name| table.get(name)?.as_table());
        for key in toml::Table::try_from(value).unwrap().keys() {
            assert!(section.is_some_and(|section| section.contains_key(key)), "{path}.{key} is not documented");
        }
    }

    #[test]
    fn every_key_is_documented() {
        let Config { server, admin: _, replay, store, cache, semantic, versions, log, .. } = Config::default();
        assert_documented("server.controls", &server.controls);
        assert_documented("server", &server);
        assert_documented("replay", &replay);
        assert_documented("store", &store);
        assert_documented("cache", &cache);
        assert_documented("semantic.shadow", &semantic.shadow);
        assert_documented("semantic.reranker", &semantic.reranker);
        assert_documented("semantic", &semantic);
        assert_documented("versions", &versions);
        assert_documented("log", &log);
        for optional in ["every", "prompts", "max_tokens", "learn", "drift", "on_drift"] {
            assert!(DEFAULT_FILE.contains(&format!("# {optional} = ")), "canary.{optional} is not documented");
        }
        for optional in ["token", "model", "runtime", "home", "url", "api_key", "strip_prefix"] {
            assert!(DEFAULT_FILE.contains(&format!("# {optional} = ")), "{optional} is not documented");
        }
    }

    #[test]
    fn each_fault_names_its_key_and_line() {
        let found = faults(
            "[server]\nlisten = \"nowhere\"\nlissten = 1\n\n[cache]\nttl = \"ten\"\n[[upstream]]\nname = \"a\"\nkind = \"gpt\"\n",
        );
        for (line, key) in [(2, "server.listen"), (3, "server.lissten"), (6, "cache.ttl"), (9, "upstream[0].kind")] {
            let start = format!("line {line}: {key}: ");
            assert!(found.iter().any(|fault| fault.starts_with(&start)), "{start} in {found:#?}");
        }
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn broken_toml_names_its_line() {
        assert!(faults("[server]\nlisten = \n")[0].starts_with("line 2: "));
    }

    #[test]
    fn contradictions_name_the_line_of_the_key_they_are_about() {
        let found = faults("[admin]\nlisten = \"0.0.0.0:8687\"\n[semantic]\nmin_similarity = 3.0\n");
        assert!(found.iter().any(|fault| fault.starts_with("line 2: admin.listen: ")), "{found:#?}");
        assert!(found.iter().any(|fault| fault.starts_with("line 4: semantic.min_similarity: ")), "{found:#?}");
        let found = faults("[[upstream]]\nname = \"a\"\nkind = \"openai\"\n[[route]]\nmodel = \"*\"\nto = [\"b\"]\n");
        assert!(found[0].starts_with("line 6: route[0].to"), "{found:#?}");
    }

    #[test]
    fn the_environment_overrides_keys() {
        let variables = [
            ("DEJAVU_SERVER__LISTEN", "127.0.0.1:9000"),
            ("DEJAVU_CACHE__TTL", "5m"),
            ("DEJAVU_STORE__MAX_ENTRIES", "7"),
            ("DEJAVU_UPSTREAM__0__NAME", "box"),
            ("DEJAVU_UPSTREAM__0__KIND", "ollama"),
            ("DEJAVU_HOME", "/not/a/key"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = read("[cache]\nttl = \"1h\"\nmode = \"exact\"\n", variables, &|_| None).unwrap();
        assert_eq!(config.server.listen.port(), 9000);
        assert_eq!(config.cache.ttl, crate::domain::Lasting::seconds(300));
        assert_eq!(config.cache.mode, crate::domain::Mode::Exact);
        assert_eq!(config.store.max_entries, 7);
        assert_eq!(config.upstream[0].name, "box");
    }

    #[test]
    fn a_price_below_nothing_is_named_with_its_line() {
        let text =
            "[[price]]\nmodel = \"a\"\ninput = 1\noutput = 2\n[[price]]\nmodel = \"b\"\ninput = 1.0\noutput = -2.0\n";
        let found = read(text, [], &|_| None).unwrap_err();
        assert_eq!(found.to_string(), "line 8: price[1].output: must not be negative");
    }

    #[test]
    fn a_bad_override_names_its_variable() {
        let variables = [("DEJAVU_CACHE__TTL".to_owned(), "soon".to_owned())];
        let found = read("", variables, &|_| None).unwrap_err();
        assert_eq!(found.0[0].origin, Origin::Variable("DEJAVU_CACHE__TTL".to_owned()));
        assert_eq!(found.0[0].key, "cache.ttl");
    }

    #[test]
    fn secrets_come_from_the_environment_or_from_a_file_and_are_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "sk-from-file\n").unwrap();
        let text = format!(
            "[admin]\ntoken = \"env:TOKEN\"\n[[upstream]]\nname = \"a\"\nkind = \"openai\"\napi_key = \"file:{}\"\n",
            path.display()
        );
        let config = read(&text, [], &|name| (name == "TOKEN").then(|| "hush".to_owned())).unwrap();
        assert_eq!(config.admin.token.as_ref().unwrap().expose(), "hush");
        assert_eq!(config.upstream[0].api_key.as_ref().unwrap().expose(), "sk-from-file");
        let printed = format!("{config:?}");
        assert!(!printed.contains("hush") && !printed.contains("sk-from-file"));
    }

    #[test]
    fn a_variable_that_is_not_set_counts_as_not_written() {
        let config = read_text("[admin]\ntoken = \"env:NO_SUCH\"\n").unwrap();
        assert!(config.admin.token.is_none());
        assert_eq!(config.missing_secrets, ["admin.token"]);
        let found = faults("[admin]\nlisten = \"0.0.0.0:1\"\ntoken = \"env:NO_SUCH\"\n");
        assert!(found[0].contains("admin.token"), "{found:?}");
        assert!(faults("[admin]\ntoken = \"file:/no/such/file\"\n")[0].starts_with("line 2: admin.token: "));
    }
}
