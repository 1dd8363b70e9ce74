//! What a server says of its models: which version each name stands for, and which of them compute elsewhere. An
//! Ollama server says it in `GET /api/tags` (<https://github.com/ollama/ollama/blob/main/docs/api.md>); see
//! [`super::identity`] for others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

use super::UpstreamError;
use crate::domain::Version;

/// The models of one upstream, as last read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tags {
    named: BTreeMap<String, Tag>,
    /// What every other name stands for, at servers that answer with the one model they have.
    any: Option<Tag>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tag {
    /// More than one while the servers of a pool disagree.
    digests: BTreeSet<String>,
    remote: bool,
}

impl Tags {
    /// Reads the answer of `GET /api/tags`.
    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            models: Vec<Listed>,
        }
        #[derive(Deserialize)]
        struct Listed {
            name: String,
            #[serde(default)]
            digest: String,
            #[serde(default)]
            remote_model: Option<String>,
            #[serde(default)]
            remote_host: Option<String>,
        }
        let list: List = serde_json::from_slice(body)?;
        let tag = |one: Listed| {
            let remote = [&one.remote_model, &one.remote_host].into_iter().flatten().any(|there| !there.is_empty());
            let digests = Some(one.digest).filter(|digest| !digest.is_empty()).into_iter().collect();
            (one.name, Tag { digests, remote })
        };
        Ok(Self { named: list.models.into_iter().map(tag).collect(), any: None })
    }

    /// Names with the version of each; `any_name` says that the last one stands for every other name too.
    pub(super) fn of(versions: impl IntoIterator<Item = (String, String)>, any_name: bool) -> Self {
        let tag = |(name, version)| (name, Tag { digests: BTreeSet::from([version]), remote: false });
        let named: BTreeMap<_, _> = versions.into_iter().map(tag).collect();
        let any = named.values().next_back().filter(|_| any_name).cloned();
        Self { named, any }
    }

    /// Adds what another server of the same pool says.
    pub(super) fn join(mut self, other: Self) -> Self {
        for (name, tag) in other.named {
            self.named.entry(name).or_default().join(tag);
        }
        if let Some(tag) = other.any {
            self.any.get_or_insert_default().join(tag);
        }
        self
    }

    /// The version a name stands for; `None` for names that are not listed, and for models that compute elsewhere,
    /// whose digest is of a stub and never changes.
    pub(super) fn version(&self, model: &str) -> Option<Version> {
        let tag = self.find(model).filter(|tag| !tag.remote && !tag.digests.is_empty())?;
        Some(Version(tag.digests.iter().map(String::as_str).collect::<Vec<_>>().join("+").into()))
    }

    /// Every name a version is known for, the short forms included: `llama3` is `llama3:latest`.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&str, Version)> {
        self.named.keys().flat_map(|name| {
            let names = [Some(name.as_str()), name.strip_suffix(":latest")];
            names.into_iter().flatten().filter_map(|name| Some((name, self.version(name)?)))
        })
    }

    fn find(&self, model: &str) -> Option<&Tag> {
        self.named.get(model).or_else(|| self.named.get(&format!("{model}:latest"))).or(self.any.as_ref())
    }

    /// Whether it names no model.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Whether it is known only because the server answers to every name.
    pub(super) fn by_any_name(&self, model: &str) -> bool {
        self.any.is_some() && !self.named.contains_key(model)
    }
}

impl Tag {
    fn join(&mut self, other: Self) {
        self.digests.extend(other.digests);
        self.remote |= other.remote;
    }
}

/// The latest tags of one upstream, and the one question about them that may be under way.
#[derive(Debug, Default)]
pub(super) struct TagBoard {
    latest: ArcSwapOption<Tags>,
    /// Until when it is not asked, having had nothing to say.
    quiet: Mutex<Option<Instant>>,
    /// Names asked for at a server that answers to every name.
    other_names: Mutex<BTreeSet<String>>,
    begun: AtomicU64,
    last: tokio::sync::Mutex<Option<Asked>>,
}

/// One question, by the order of asking, and its answer.
#[derive(Debug)]
struct Asked {
    number: u64,
    result: Result<Arc<Tags>, UpstreamError>,
}

impl TagBoard {
    /// Tags read by a question that began after this call did. Calls that wait at the same time share one.
    pub(super) async fn fresh(
        &self,
        ask: impl Future<Output = Result<Tags, UpstreamError>>,
    ) -> Result<Arc<Tags>, UpstreamError> {
        let begun_before = self.begun.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if let Some(asked) = last.as_ref().filter(|asked| asked.number > begun_before) {
            return asked.result.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let result = ask.await.map(Arc::new);
        if let Ok(tags) = &result {
            self.latest.store(Some(Arc::clone(tags)));
        }
        *last = Some(Asked { number, result: result.clone() });
        result
    }

    /// Whether it had nothing to say not long ago.
    pub(super) fn said_nothing(&self, now: Instant) -> bool {
        self.quiet.lock().is_some_and(|until| now < until)
    }

    pub(super) fn says_nothing_until(&self, then: Instant) {
        *self.quiet.lock() = Some(then);
    }

    /// The version of a model, noting names that no list holds.
    pub(super) fn version(&self, tags: &Tags, model: &str) -> Option<Version> {
        /// Names are the clients' to choose.
        const MOST: usize = 256;
        let version = tags.version(model)?;
        if tags.by_any_name(model) {
            let mut names = self.other_names.lock();
            if names.len() < MOST {
                names.insert(model.to_owned());
            }
        }
        Some(version)
    }

    /// Every name with its version: those listed, and those asked for.
    pub(super) fn versions(&self, tags: &Tags) -> Vec<(Arc<str>, Version)> {
        let listed = tags.versions().map(|(name, version)| (name.into(), version));
        let names = self.other_names.lock();
        let others = names.iter().filter(|name| tags.by_any_name(name));
        listed.chain(others.filter_map(|name| Some((name.as_str().into(), tags.version(name)?)))).collect()
    }

    /// Whether a model is known to compute elsewhere: the server has said so, or the name does, as Ollama names
    /// its cloud models (`gpt-oss:120b-cloud`).
    pub(super) fn is_remote(&self, model: &str) -> bool {
        let by_name = model.rsplit_once(':').is_some_and(|(_, tag)| tag == "cloud" || tag.ends_with("-cloud"));
        let tags = self.latest.load();
        by_name || tags.as_ref().and_then(|tags| tags.find(model)).is_some_and(|tag| tag.remote)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    fn tags(json: &str) -> Tags {
        Tags::read(json.as_bytes()).unwrap()
    }

    fn version(tags: &Tags, model: &str) -> Option<String> {
        tags.version(model).map(|version| version.0.to_string())
    }

    #[test]
    fn a_name_without_a_tag_means_latest() {
        let tags = tags(r#"{"models":[{"name":"a:latest","digest":"1"},{"name":"b:8b","digest":"2"}]}"#);
        assert_eq!(version(&tags, "a").as_deref(), Some("1"));
        assert_eq!(version(&tags, "a:latest").as_deref(), Some("1"));
        assert_eq!(version(&tags, "b"), None);
        let names: Vec<_> = tags.versions().map(|(name, _)| name).collect();
        assert_eq!(names, ["a:latest", "a", "b:8b"]);
    }

    #[test]
    fn a_cloud_model_has_no_digest_of_its_own() {
        let listed =
            tags(r#"{"models":[{"name":"x:latest","digest":"1","remote_model":"x","remote_host":"https://h"}]}"#);
        assert_eq!(version(&listed, "x"), None);
        let board = TagBoard::default();
        board.latest.store(Some(Arc::new(listed)));
        assert!(board.is_remote("x"));
        assert!(board.is_remote("gpt-oss:120b-cloud") && board.is_remote("kimi:cloud"));
        assert!(!board.is_remote("cloud") && !board.is_remote("point-cloud") && !board.is_remote("cloud:8b"));
    }

    #[test]
    fn a_pool_that_disagrees_runs_a_version_of_its_own() {
        let one = tags(r#"{"models":[{"name":"a","digest":"1"}]}"#);
        let two = tags(r#"{"models":[{"name":"a","digest":"2"}]}"#);
        assert_eq!(version(&one.clone().join(two), "a").as_deref(), Some("1+2"));
        assert_eq!(version(&one.clone().join(one), "a").as_deref(), Some("1"));
    }

    #[tokio::test]
    async fn those_who_wait_together_share_one_question_begun_after_they_came() {
        let board = TagBoard::default();
        let asked = AtomicUsize::new(0);
        let ask = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            Ok(Tags::default())
        };
        let (answer, slow) = oneshot::channel::<()>();
        let mut first = pin!(board.fresh(async {
            let _ = slow.await;
            ask().await
        }));
        assert!(first.as_mut().now_or_never().is_none());
        // These two came while the first question was under way: it may have been answered before they came.
        let mut second = pin!(board.fresh(ask()));
        let mut third = pin!(board.fresh(ask()));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        answer.send(()).unwrap();
        first.await.unwrap();
        second.await.unwrap();
        third.await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
