//! Counting what happens, and the log.
//!
//! The door: [`Telemetry`]. `serve` calls [`Telemetry::record`] once a request; the task that reads an upstream's
//! answer calls [`Telemetry::answered`] once an upstream call. Everything that is shown (`/metrics`,
//! `/admin/v1/stats`) is derived from those two, so the two never disagree; beside them the cache tells where the time of
//! its lookups goes ([`Steps`]). Prompts never come here.

mod exchange;
mod latency;
pub mod log;
mod prices;
mod scrape;
mod steps;
mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::domain::{Cause, TenantId, Timestamp};

pub use self::exchange::{Answered, Class, Exchange, Saved};
pub use self::latency::Percentiles;
pub use self::log::{Format, Settings, start_logging};
pub use self::prices::{Price, Prices};
pub use self::scrape::Gauge;
pub use self::steps::{Step, Steps};
pub use self::table::{Savings, Stats};

type Histograms = Family<[(&'static str, &'static str); 1], Histogram, fn() -> Histogram>;

/// Counters of one server, since its start.
#[derive(Debug)]
pub struct Telemetry {
    started: Timestamp,
    table: table::Table,
    latencies: [latency::Latency; Class::ALL.len()],
    histograms: Histograms,
    steps: Steps,
    upstream: table::UpstreamTable,
    tenants: RwLock<HashMap<TenantId, Arc<table::TenantRow>>>,
}

impl Telemetry {
    /// Counters at zero.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        Self {
            started,
            table: table::Table::default(),
            latencies: std::array::from_fn(|_| latency::Latency::default()),
            histograms: Histograms::new_with_constructor(|| Histogram::new(latency::BOUNDS)),
            steps: Steps::default(),
            upstream: table::UpstreamTable::default(),
            tenants: RwLock::default(),
        }
    }

    /// Counts one request of a cacheable surface, when the head of its answer is known.
    pub fn record(&self, exchange: &Exchange<'_>) {
        let class = exchange.class();
        self.table.count(exchange, class);
        self.count_tenant(exchange, class);
        self.latencies[class as usize].observe(exchange.took);
        self.histograms.get_or_create(&[("outcome", class.as_str())]).observe(exchange.took.as_secs_f64());
        tracing::debug!(
            surface = exchange.surface.as_str(),
            outcome = class.as_str(),
            status = exchange.status.as_u16(),
            reason = exchange.reason.map_or("", |reason| reason.as_str()),
            model = exchange.model,
            upstream = exchange.upstream.unwrap_or(""),
            micros = u64::try_from(exchange.took.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }

    /// Counts one finished upstream call made for the cache's sake: what it cost, and whether its answer was kept.
    pub fn answered(&self, answered: &Answered<'_>) {
        self.upstream.count(answered);
        if answered.kept == Err(Cause::Cut) {
            tracing::info!(upstream = answered.upstream, model = answered.model, "the upstream cut an answer");
        }
    }

    /// Where the cache tells how long the parts of its lookups take.
    #[must_use]
    pub fn steps(&self) -> Steps {
        self.steps.clone()
    }

    /// Time since start, at `now`.
    #[must_use]
    pub fn uptime(&self, now: Timestamp) -> Duration {
        now.since(self.started)
    }
}
