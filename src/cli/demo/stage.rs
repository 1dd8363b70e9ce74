//! Plays the script against the running cache, and notes what came of each request.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::exchange::{Exchange, exchange};
use super::script::{Act, Ask, Call, Expect, MODEL};
use super::simulator::Simulator;
use crate::cli::http::Client;

/// How long the cache may take to notice that a model changed.
const NOTICE: Duration = Duration::from_secs(20);

/// Where the show is played.
pub(super) struct Stage<'a> {
    client: Client,
    simulator: &'a Simulator,
    app: String,
    admin: String,
    /// What the model has said so far, and to what.
    told: HashMap<(Call, String), Told>,
}

/// An answer when it was fresh.
#[derive(Debug, Clone)]
struct Told {
    prompt: &'static str,
    took: Duration,
}

/// One line of the table.
#[derive(Debug)]
pub(super) enum Line {
    /// Something happened that is no request.
    Note(String),
    /// A request, or several of one kind.
    Asked(Box<Asked>),
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) exchange: Exchange,
    /// How many requests this line stands for.
    pub(super) count: u32,
    /// The prompt whose answer was served.
    pub(super) answer_to: Option<&'static str>,
    /// Time that each of them would have waited longer for the model.
    pub(super) time_saved: Duration,
    /// Tokens that the model did not have to write, for each.
    pub(super) tokens_saved: u64,
    /// What should have happened instead.
    pub(super) fault: Option<String>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(simulator: &'a Simulator, app: String, admin: String) -> Self {
        Self { client: Client::default(), simulator, app, admin, told: HashMap::new() }
    }

    /// Plays one act.
    ///
    /// # Errors
    /// When a server does not answer as one should at all.
    pub(super) async fn play(&mut self, act: &Act) -> Result<Vec<Line>> {
        match act {
            Act::Ask(ask, expect) => Ok(vec![self.ask(*ask, *expect).await?]),
            Act::AskTogether(ask, clients) => self.ask_together(*ask, *clients).await,
            Act::PullModel => self.pull().await,
            Act::Wait(time) => {
                sleep(*time).await;
                Ok(vec![Line::Note(format!("{:.1} seconds pass", time.as_secs_f64()))])
            }
            Act::Settle => self.settle().await,
            Act::Purge(tag) => self.purge(tag).await,
        }
    }

    async fn ask(&mut self, ask: Ask, expect: Expect) -> Result<Line> {
        let exchange = exchange(&self.client, &self.app, ask).await?;
        let fault = (!expect.holds_for(&exchange)).then(|| format!("expected {}", expect.in_words()));
        Ok(self.note(exchange, 1, fault))
    }

    /// One of them leads and asks the model; the others receive the same answer.
    async fn ask_together(&mut self, ask: Ask, clients: usize) -> Result<Vec<Line>> {
        let before = self.simulator.generations();
        let all = try_join_all((0..clients).map(|_| exchange(&self.client, &self.app, ask))).await?;
        let generations = self.simulator.generations() - before;
        let (mut leaders, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.status == "MISS");
        let Some(leader) = leaders.pop() else { bail!("nobody asked the model {:?}", ask.prompt) };
        let same = others.iter().all(|one| one.text == leader.text);
        let fault = (generations != 1 || !same).then(|| format!("expected one answer for all, not {generations}"));
        let count = u32::try_from(others.len()).unwrap_or(u32::MAX);
        let slowest = others.into_iter().max_by_key(|one| one.took);
        let mut lines = vec![self.note(leader, 1, fault)];
        lines.extend(slowest.map(|slowest| self.note(slowest, count, None)));
        Ok(lines)
    }

    fn note(&mut self, exchange: Exchange, count: u32, fault: Option<String>) -> Line {
        let key = (exchange.ask.call, exchange.text.clone());
        if exchange.asked_the_model() {
            self.told.insert(key, Told { prompt: exchange.ask.prompt, took: exchange.took });
            let asked = Asked { exchange, count, answer_to: None, time_saved: Duration::ZERO, tokens_saved: 0, fault };
            return Line::Asked(Box::new(asked));
        }
        let told = self.told.get(&key);
        let fault = fault.or_else(|| told.is_none().then(|| "this answer was never given before".to_owned()));
        Line::Asked(Box::new(Asked {
            answer_to: told.map(|told| told.prompt),
            time_saved: told.map(|told| told.took.saturating_sub(exchange.took)).unwrap_or_default(),
            tokens_saved: exchange.tokens,
            exchange,
            count,
            fault,
        }))
    }

    /// The watcher reads digests one after another: when a second reading since the pull has begun, it has acted on
    /// the first.
    async fn pull(&self) -> Result<Vec<Line>> {
        let read_before = self.simulator.tags_read();
        self.simulator.pull(MODEL);
        let pulled = Instant::now();
        while self.simulator.tags_read() < read_before + 2 {
            if pulled.elapsed() > NOTICE {
                bail!("the cache does not read the model's digest");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(vec![Line::Note(format!("{MODEL} is pulled again: a new build under the same name"))])
    }

    async fn settle(&self) -> Result<Vec<Line>> {
        let (url, begun) = (format!("{}/admin/v1/stats", self.admin), Instant::now());
        loop {
            let answer = self.client.fetch(Method::GET, &url, &[], String::new()).await.context("waiting")?;
            let stats: Value = serde_json::from_slice(answer.body()).context("waiting")?;
            if stats["cache"]["flights"] == 0 {
                return Ok(vec![Line::Note("its renewal arrives".to_owned())]);
            }
            if begun.elapsed() > NOTICE {
                bail!("the renewal does not arrive");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn purge(&self, tag: &str) -> Result<Vec<Line>> {
        let url = format!("{}/admin/v1/purge", self.admin);
        let body = json!({ "tag": tag, "dry_run": false }).to_string();
        let headers = [("content-type", "application/json")];
        let answer = self.client.fetch(Method::POST, &url, &headers, body).await.context("purging")?;
        if !answer.status().is_success() {
            bail!("the purge was answered {}: {}", answer.status(), String::from_utf8_lossy(answer.body()));
        }
        let went: Value = serde_json::from_slice(answer.body()).context("purging")?;
        Ok(vec![Line::Note(format!("purged by tag {tag}: {} entry", went["entries"]))])
    }
}

impl Exchange {
    /// Whether the model wrote this answer for this request.
    pub(super) fn asked_the_model(&self) -> bool {
        matches!(&*self.status, "MISS" | "REFRESH" | "BYPASS")
    }
}

impl Expect {
    fn holds_for(self, exchange: &Exchange) -> bool {
        let (status, matched, reason) = (&*exchange.status, exchange.matched.as_deref(), exchange.reason.as_deref());
        match self {
            Self::Miss(None) => status == "MISS",
            Self::Miss(Some(named)) => status == "MISS" && reason == Some(named.as_str()),
            Self::Exact => status == "HIT" && matched == Some("exact"),
            Self::Semantic => status == "HIT" && matched == Some("semantic"),
            Self::Stale => status == "STALE",
            Self::Bypass(named) => status == "BYPASS" && reason == Some(named.as_str()),
        }
    }

    fn in_words(self) -> String {
        match self {
            Self::Miss(None) => "the model to be asked".to_owned(),
            Self::Miss(Some(named)) => format!("the model to be asked because of {}", named.as_str()),
            Self::Exact => "an exact hit".to_owned(),
            Self::Semantic => "a semantic hit".to_owned(),
            Self::Stale => "an answer past its time".to_owned(),
            Self::Bypass(named) => format!("the cache to take no part because of {}", named.as_str()),
        }
    }
}
