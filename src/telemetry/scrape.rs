//! `/metrics`: the counters in the Prometheus text format, version 0.0.4.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as Needle;
use prometheus_client::registry::Registry;

use super::table::load;
use super::{Prices, Telemetry};

/// A value of the present, given by other parts at the time of a scrape.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// Without the `dejavu_` before it.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Its value now.
    pub value: f64,
}

type Labelled<M> = Family<Vec<(String, String)>, M>;

impl Telemetry {
    /// Everything counted, and `gauges`, as one scrape. The registry is built for the occasion: the tables are the
    /// truth, so the two can never drift apart.
    #[must_use]
    pub fn scrape(&self, gauges: &[Gauge], prices: &Prices) -> String {
        let mut registry = Registry::with_prefix("dejavu");
        self.add_requests(&mut registry, prices);
        self.add_answers(&mut registry);
        registry.register("request_duration_seconds", "Time to the head of the answer", self.histograms.clone());
        let help = "Time of each step of looking for other wordings";
        registry.register("lookup_step_duration_seconds", help, self.steps.family());
        add_gauges(&mut registry, gauges);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        classic(&text)
    }

    fn add_requests(&self, registry: &mut Registry, prices: &Prices) {
        let requests = Labelled::<Counter>::default();
        let reasons = Labelled::<Counter>::default();
        for (labels, row) in self.table.rows() {
            let set = owned(&[
                ("outcome", labels.class.as_str()),
                ("tier", if labels.semantic { "semantic" } else { "exact" }),
                ("surface", labels.surface.as_str()),
                ("route", &labels.route),
                ("model", &labels.model),
                ("upstream", &labels.upstream),
            ]);
            requests.get_or_create(&set).inc_by(load(&row.requests));
            if let Some(reason) = labels.reason {
                let set = owned(&[("reason", reason.as_str()), ("outcome", labels.class.as_str())]);
                reasons.get_or_create(&set).inc_by(load(&row.requests));
            }
        }
        let saved = self.stats(self.started, prices).saved;
        registry.register("requests", "Requests of cacheable surfaces", requests);
        registry.register("reasons", "Why requests were not plain hits or misses", reasons);
        for (name, help, value) in [
            ("saved_prompt_tokens", "Tokens that hits did not read again", saved.prompt_tokens),
            ("saved_completion_tokens", "Tokens that hits did not write again", saved.completion_tokens),
        ] {
            registry.register(name, help, counter(value));
        }
        for (name, help, value) in [
            ("saved_seconds", "Upstream time that hits did not wait for", saved.seconds),
            ("saved_money", "What hits saved, in the currency of the configured prices", saved.money),
        ] {
            let sum = Counter::<f64, AtomicU64>::default();
            sum.inc_by(value);
            registry.register(name, help, sum);
        }
    }

    fn add_answers(&self, registry: &mut Registry) {
        let answers = Labelled::<Counter>::default();
        let tokens = Labelled::<Counter>::default();
        for (labels, row) in self.upstream.rows() {
            let who = [("upstream", &*labels.upstream), ("model", &*labels.model)];
            let call = owned(&[who[0], who[1], ("kept", labels.kept)]);
            answers.get_or_create(&call).inc_by(load(&row.calls));
            for (kind, count) in [("prompt", &row.prompt_tokens), ("completion", &row.completion_tokens)] {
                tokens.get_or_create(&owned(&[who[0], who[1], ("kind", kind)])).inc_by(load(count));
            }
        }
        registry.register("answers", "Recorded upstream answers, by what became of them", answers);
        registry.register("upstream_tokens", "Tokens that upstreams reported", tokens);
    }
}

/// The registry writes OpenMetrics, where a counter's family is named without the `_total` of its samples. The older
/// text format, which every scraper reads, names families as their samples, and knows no end marker.
fn classic(open_metrics: &str) -> String {
    let family = |line: &str| line.split(' ').nth(2).unwrap_or_default().to_owned();
    let is_counter = |line: &&str| line.starts_with("# TYPE ") && line.ends_with(" counter");
    let counters: HashSet<String> = open_metrics.lines().filter(is_counter).map(family).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let name = family(line);
        if line.starts_with("# ") && counters.contains(&name) {
            text.push_str(&line.replacen(&name, &format!("{name}_total"), 1));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

fn add_gauges(registry: &mut Registry, gauges: &[Gauge]) {
    let mut families: Vec<(&Gauge, Labelled<Needle<f64, AtomicU64>>)> = Vec::new();
    for gauge in gauges {
        let known = families.iter().position(|(first, _)| first.name == gauge.name);
        let place = known.unwrap_or_else(|| {
            families.push((gauge, Labelled::default()));
            families.len() - 1
        });
        families[place].1.get_or_create(&gauge.labels).set(gauge.value);
    }
    for (gauge, family) in families {
        registry.register(gauge.name, gauge.help, family);
    }
}

fn counter(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::StatusCode;

    use super::super::Exchange;
    use super::*;
    use crate::domain::{Cause, Outcome, Surface, TenantId, Timestamp};

    #[test]
    fn a_scrape_has_each_family_once_and_the_names_of_the_contract() {
        let telemetry = Telemetry::new(Timestamp::EPOCH);
        let tenant = TenantId(Arc::from("t"));
        for outcome in [Outcome::Miss, Outcome::Hit] {
            telemetry.record(&Exchange {
                surface: Surface::OllamaChat,
                outcome: Some(outcome),
                how: None,
                reason: Some(Cause::NoEmbedder.into()),
                status: StatusCode::OK,
                model: "llama \"3\"",
                route: "*",
                upstream: Some("ollama"),
                tenant: &tenant,
                took: Duration::from_millis(2),
                saved: None,
            });
        }
        let up = |name: &str, value| Gauge {
            name: "upstream_up",
            help: "Whether requests are sent to it",
            labels: vec![("upstream".into(), name.into())],
            value,
        };
        let text = telemetry.scrape(&[up("a", 1.0), up("b", 0.0)], &Prices::default());
        for line in [
            "dejavu_reasons_total{reason=\"no-embedder\",outcome=\"miss\"} 1",
            "dejavu_request_duration_seconds_count{outcome=\"hit_exact\"} 1",
            "dejavu_upstream_up{upstream=\"b\"} 0.0",
            "# TYPE dejavu_reasons_total counter",
            "# HELP dejavu_reasons_total Why requests were not plain hits or misses.",
            "# TYPE dejavu_request_duration_seconds histogram",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("# EOF"), "that is OpenMetrics");
        for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
            assert_eq!(text.matches(line).count(), 1, "{line}");
        }
    }
}
