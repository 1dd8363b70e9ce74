//! The tables behind the counters: one row for each combination of labels seen, summed up when somebody looks.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use serde::Serialize;

use super::{Answered, Class, Exchange, Percentiles, Prices, Telemetry};
use crate::domain::{Match, Reason, Surface, TenantId, Timestamp, Usage};

/// Label combinations kept apart; model names come from clients, so there must be an end. Beyond it they count
/// under [`OTHER`].
const MOST_ROWS: usize = 4096;
const MOST_TENANTS: usize = 10_000;
const OTHER: &str = "other";

/// Labels of one row. Names are shared, not copied, once a row is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Labels {
    pub(super) class: Class,
    pub(super) semantic: bool,
    pub(super) surface: Surface,
    pub(super) reason: Option<Reason>,
    pub(super) model: Arc<str>,
    pub(super) route: Arc<str>,
    pub(super) upstream: Arc<str>,
}

#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) requests: AtomicU64,
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    saved_micros: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Table(RwLock<HashMap<Labels, Arc<Row>>>);

impl Table {
    pub(super) fn count(&self, exchange: &Exchange<'_>, class: Class) {
        let row = row(&self.0, MOST_ROWS, labels(exchange, class), |labels| {
            let other: Arc<str> = Arc::from(OTHER);
            Labels { model: Arc::clone(&other), route: Arc::clone(&other), upstream: other, ..labels }
        });
        row.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(saved) = exchange.saved {
            let usage = saved.usage.unwrap_or_default();
            row.prompt_tokens.fetch_add(usage.prompt, Ordering::Relaxed);
            row.completion_tokens.fetch_add(usage.completion, Ordering::Relaxed);
            row.saved_micros.fetch_add(u64::try_from(saved.time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    pub(super) fn rows(&self) -> Vec<(Labels, Arc<Row>)> {
        self.0.read().iter().map(|(labels, row)| (labels.clone(), Arc::clone(row))).collect()
    }
}

fn labels(exchange: &Exchange<'_>, class: Class) -> Labels {
    Labels {
        class,
        semantic: matches!(exchange.how, Some(Match::Semantic(_))),
        surface: exchange.surface,
        reason: exchange.reason,
        model: Arc::from(exchange.model),
        route: Arc::from(exchange.route),
        upstream: Arc::from(exchange.upstream.unwrap_or("")),
    }
}

/// The row of these labels; of `overflow(labels)` when the table is full.
fn row<L: Eq + Hash, R: Default>(
    table: &RwLock<HashMap<L, Arc<R>>>,
    most: usize,
    labels: L,
    overflow: impl FnOnce(L) -> L,
) -> Arc<R> {
    if let Some(row) = table.read().get(&labels) {
        return Arc::clone(row);
    }
    let mut rows = table.write();
    let labels = if rows.len() < most { labels } else { overflow(labels) };
    Arc::clone(rows.entry(labels).or_default())
}

/// Upstream calls by upstream, model and what became of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CallLabels {
    pub(super) upstream: Arc<str>,
    pub(super) model: Arc<str>,
    /// `kept`, or the cause it was not.
    pub(super) kept: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct CallRow {
    pub(super) calls: AtomicU64,
    pub(super) prompt_tokens: AtomicU64,
    pub(super) completion_tokens: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct UpstreamTable(RwLock<HashMap<CallLabels, Arc<CallRow>>>);

impl UpstreamTable {
    pub(super) fn count(&self, answered: &Answered<'_>) {
        let labels = CallLabels {
            upstream: Arc::from(answered.upstream),
            model: Arc::from(answered.model),
            kept: answered.kept.map_or_else(|cause| cause.as_str(), |()| "kept"),
        };
        let row = row(&self.0, MOST_ROWS, labels, |labels| CallLabels { model: Arc::from(OTHER), ..labels });
        let usage = answered.usage.unwrap_or_default();
        row.calls.fetch_add(1, Ordering::Relaxed);
        row.prompt_tokens.fetch_add(usage.prompt, Ordering::Relaxed);
        row.completion_tokens.fetch_add(usage.completion, Ordering::Relaxed);
    }

    pub(super) fn rows(&self) -> Vec<(CallLabels, Arc<CallRow>)> {
        self.0.read().iter().map(|(labels, row)| (labels.clone(), Arc::clone(row))).collect()
    }
}

/// Requests of one tenant, by class.
#[derive(Debug, Default)]
pub(super) struct TenantRow([AtomicU64; Class::ALL.len()]);

/// Everything counted, as `/admin/v1/stats` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Seconds since start.
    pub uptime_s: u64,
    /// Requests by class since start. Each request is in exactly one class.
    pub requests: BTreeMap<&'static str, u64>,
    /// The share of each class, from 0 to 1.
    pub rates: BTreeMap<&'static str, f64>,
    /// Answers from the cache by tier: `exact`, `semantic`.
    pub by_tier: BTreeMap<&'static str, u64>,
    /// Classes by surface.
    pub by_surface: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Classes by route.
    pub by_route: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Classes by the model name that clients wrote.
    pub by_model: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Classes by the upstream that answered.
    pub by_upstream: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Classes by tenant (a hash, never a credential).
    pub by_tenant: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// How often each reason was given.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Recorded upstream calls, by what became of the answer: `kept`, or the cause it was not.
    pub answers: BTreeMap<&'static str, u64>,
    /// Time to the head of the answer, by class.
    pub latency: BTreeMap<&'static str, Percentiles>,
    /// What hits saved.
    pub saved: Savings,
}

/// What serving from the cache saved since start.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Savings {
    /// Tokens that were not read again.
    pub prompt_tokens: u64,
    /// Tokens that were not written again.
    pub completion_tokens: u64,
    /// Upstream time that nobody waited for, in seconds.
    pub seconds: f64,
    /// What those tokens would have cost, in the currency of the configured prices.
    pub money: f64,
}

impl Telemetry {
    pub(super) fn count_tenant(&self, exchange: &Exchange<'_>, class: Class) {
        let other = |_| TenantId(Arc::from(OTHER));
        let row = row(&self.tenants, MOST_TENANTS, exchange.tenant.clone(), other);
        row.0[class as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Everything counted so far; savings in money by these prices.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shares and seconds are for people")]
    pub fn stats(&self, now: Timestamp, prices: &Prices) -> Stats {
        let rows = self.table.rows();
        let by = |name: &dyn Fn(&Labels) -> String| {
            let mut sums: BTreeMap<String, BTreeMap<&'static str, u64>> = BTreeMap::new();
            for (labels, row) in &rows {
                let name = name(labels);
                if !name.is_empty() {
                    *sums.entry(name).or_default().entry(labels.class.as_str()).or_default() += load(&row.requests);
                }
            }
            sums
        };
        let mut requests: BTreeMap<_, u64> = Class::ALL.iter().map(|class| (class.as_str(), 0)).collect();
        let mut by_tier = BTreeMap::from([("exact", 0), ("semantic", 0)]);
        let mut reasons = BTreeMap::new();
        let mut saved = Savings::default();
        for (labels, row) in &rows {
            let count = load(&row.requests);
            *requests.entry(labels.class.as_str()).or_default() += count;
            if labels.class.is_cached() {
                *by_tier.entry(if labels.semantic { "semantic" } else { "exact" }).or_default() += count;
            }
            if let Some(reason) = labels.reason {
                *reasons.entry(reason.as_str()).or_default() += count;
            }
            let usage = Usage { prompt: load(&row.prompt_tokens), completion: load(&row.completion_tokens) };
            saved.prompt_tokens += usage.prompt;
            saved.completion_tokens += usage.completion;
            saved.money += prices.cost(&labels.upstream, &labels.model, usage);
            saved.seconds += load(&row.saved_micros) as f64 / 1e6;
        }
        let total = requests.values().sum::<u64>().max(1);
        let mut answers = BTreeMap::new();
        for (labels, row) in self.upstream.rows() {
            *answers.entry(labels.kept).or_default() += load(&row.calls);
        }
        Stats {
            uptime_s: self.uptime(now).as_secs(),
            rates: requests.iter().map(|(class, count)| (*class, *count as f64 / total as f64)).collect(),
            requests,
            by_tier,
            by_surface: by(&|labels| labels.surface.as_str().to_owned()),
            by_route: by(&|labels| labels.route.to_string()),
            by_model: by(&|labels| labels.model.to_string()),
            by_upstream: by(&|labels| labels.upstream.to_string()),
            by_tenant: self.by_tenant(),
            reasons,
            answers,
            latency: Class::ALL.iter().map(|c| (c.as_str(), self.latencies[*c as usize].percentiles())).collect(),
            saved,
        }
    }

    fn by_tenant(&self) -> BTreeMap<String, BTreeMap<&'static str, u64>> {
        let classes = |row: &TenantRow| {
            let counts = Class::ALL.iter().map(|class| (class.as_str(), load(&row.0[*class as usize])));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        self.tenants.read().iter().map(|(tenant, row)| (tenant.0.to_string(), classes(row))).collect()
    }
}

pub(super) fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::super::{Price, Saved};
    use super::*;
    use crate::domain::{Cause, Outcome, Usage};

    fn exchange<'a>(outcome: Outcome, status: u16, tenant: &'a TenantId) -> Exchange<'a> {
        Exchange {
            surface: Surface::OpenaiChat,
            outcome: Some(outcome),
            how: None,
            reason: None,
            status: StatusCode::from_u16(status).unwrap(),
            model: "m",
            route: "*",
            upstream: Some("u"),
            tenant,
            took: Duration::from_millis(3),
            saved: None,
        }
    }

    #[test]
    fn each_request_is_in_exactly_one_class() {
        let tenant = TenantId(Arc::from("t"));
        let telemetry = Telemetry::new(Timestamp::EPOCH);
        telemetry.record(&Exchange { how: Some(Match::Exact), ..exchange(Outcome::Hit, 200, &tenant) });
        telemetry.record(&Exchange { how: Some(Match::Semantic(0.97)), ..exchange(Outcome::Hit, 200, &tenant) });
        telemetry
            .record(&Exchange { reason: Some(Cause::Temperature.into()), ..exchange(Outcome::Bypass, 200, &tenant) });
        telemetry.record(&exchange(Outcome::Miss, 500, &tenant));
        let stats = telemetry.stats(Timestamp(5000), &Prices::default());
        assert_eq!(stats.uptime_s, 5);
        let counted: Vec<_> = stats.requests.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("bypass", 1), ("error", 1), ("hit_exact", 1), ("hit_semantic", 1)]);
        assert_eq!(stats.reasons, BTreeMap::from([("temperature", 1)]));
        assert_eq!(stats.by_tenant["t"]["error"], 1);
        assert_eq!(stats.by_tier, BTreeMap::from([("exact", 1), ("semantic", 1)]));
    }

    #[test]
    fn requests_always_names_the_eight_classes() {
        let stats = Telemetry::new(Timestamp::EPOCH).stats(Timestamp::EPOCH, &Prices::default());
        let mut names: Vec<_> = Class::ALL.iter().map(|class| class.as_str()).collect();
        names.sort_unstable();
        assert_eq!(stats.requests.into_keys().collect::<Vec<_>>(), names);
    }

    #[test]
    fn savings_add_up() {
        let tenant = TenantId(Arc::from("t"));
        let telemetry = Telemetry::new(Timestamp::EPOCH);
        let saved = Saved { usage: Some(Usage { prompt: 3, completion: 5 }), time: Duration::from_millis(1500) };
        for _ in 0..2 {
            telemetry.record(&Exchange { saved: Some(saved), ..exchange(Outcome::Hit, 200, &tenant) });
        }
        let price = Price { model: "m".to_owned(), upstream: None, input: 500_000.0, output: 1_000_000.0 };
        let expected = Savings { prompt_tokens: 6, completion_tokens: 10, seconds: 3.0, money: 13.0 };
        assert_eq!(telemetry.stats(Timestamp::EPOCH, &Prices::new(&[price])).saved, expected);
    }

    #[test]
    fn client_sent_names_cannot_grow_the_table_for_ever() {
        let tenant = TenantId(Arc::from("t"));
        let telemetry = Telemetry::new(Timestamp::EPOCH);
        for number in 0..MOST_ROWS + 10 {
            let model = number.to_string();
            telemetry.record(&Exchange { model: &model, ..exchange(Outcome::Miss, 200, &tenant) });
        }
        let stats = telemetry.stats(Timestamp::EPOCH, &Prices::default());
        assert_eq!(stats.by_model[OTHER]["miss"], 10);
        assert_eq!(stats.requests["miss"], (MOST_ROWS + 10) as u64);
    }
}
