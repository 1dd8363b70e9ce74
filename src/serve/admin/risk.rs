//! `GET /admin/v1/risk`: the budget, the level in use, and the evidence for it, group by group.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::super::Shared;
use crate::cache::{Group, RiskReport, Spending};
use crate::domain::Timestamp;
use crate::policy::risk::{ALPHA, LEVELS, Level, Standing, Table, Tally, Watch, checks_needed};

/// `GET /admin/v1/risk`.
pub(in crate::serve) async fn risk(State(shared): State<Shared>) -> Json<Value> {
    let parts = shared.load();
    let report = parts.engine.risk();
    Json(view(&report))
}

fn view(report: &RiskReport) -> Value {
    let RiskReport { budget, calibration, certificate, groups, spending } = report;
    let all = groups.iter().find(|(group, _)| *group == Group::All);
    let Spending { calls, tokens, eligible, told, undecided, failed, .. } = spending;
    json!({
        "max_false_hit_rate": budget,
        "confidence": 1.0 - ALPHA,
        "levels": LEVELS,
        "checks_needed_without_error": checks_needed(*budget),
        "standing": all.map(|(_, watch)| said(watch, report)),
        "least_score": all.and_then(|(_, watch)| watch.level()).map(Level::least),
        "calibration": {
            "source": calibration.source,
            "limits": calibration.limits,
            "date": calibration.date,
            "model": calibration.model,
            "certificate": certificate,
            "curve": calibration_curve(calibration),
        },
        "groups": groups.iter().map(|(group, watch)| one(group, watch, report)).collect::<Vec<_>>(),
        "curve": all.map(|(_, watch)| curve(watch)),
        "checks": {
            "calls_today": calls,
            "tokens_today": tokens,
            "eligible_hits": eligible,
            "told": told,
            "undecided": undecided,
            "failed": failed,
        },
    })
}

fn said(watch: &Watch, report: &RiskReport) -> &'static str {
    match watch.standing(report.budget) {
        Standing::Certified => "certified",
        // By the operator's own log; the shipped table is of other people's traffic.
        Standing::NotYetCertified if report.certificate.is_some() && !report.shipped() => "calibrated",
        Standing::NotYetCertified => "not yet certified",
        Standing::Tightened => "tightened, not yet certified",
        Standing::ExactOnly => "exact only",
    }
}

fn one(group: &Group, watch: &Watch, report: &RiskReport) -> Value {
    let bin = watch.now();
    let (kind, name) = match group {
        Group::All => ("all", ""),
        Group::Route(name) => ("route", &**name),
        Group::Tenant(tenant) => ("tenant", &*tenant.0),
        Group::Language(code) => ("language", &**code),
    };
    json!({
        "kind": kind,
        "name": name,
        "standing": said(watch, report),
        "least_score": watch.level().map(Level::least),
        "since": watch.since().rfc3339(),
        "moved": watch.moved().map(|(why, when)| json!({ "why": why, "when": Timestamp::rfc3339(when) })),
        "served": bin.served,
        "reported": bin.reported,
        "labelled": bin.checked.checks,
        "wrong": bin.checked.wrong,
        "rate": bin.checked.estimate(),
        "interval": interval(&bin.checked),
        "certificate_bound": watch.level().map(|level| watch.upper_bound(level)),
    })
}

/// Where the rate lies with 95 % confidence, whenever one looks.
fn interval(checked: &Tally) -> [f64; 2] {
    [checked.lower(ALPHA / 2.0), checked.upper(ALPHA / 2.0)]
}

/// Of each level, what checks have found of the hits it accepts.
fn curve(watch: &Watch) -> Vec<Value> {
    let point = |level: Level| {
        let bin = watch.at(level);
        (bin.checked.checks > 0).then(|| {
            json!({
                "least_score": level.least(),
                "labelled": bin.checked.checks,
                "wrong": bin.checked.wrong,
                "rate": bin.checked.estimate(),
                "upper_bound": watch.upper_bound(level),
            })
        })
    };
    Level::all().filter_map(point).collect()
}

fn calibration_curve(table: &Table) -> Vec<Value> {
    let point = |level: Level| {
        let row = table.levels.get(level.number())?;
        let upper_bound = table.upper_bound(level);
        Some(json!({ "least_score": row.score, "labelled": row.hits, "wrong": row.wrong, "upper_bound": upper_bound }))
    };
    Level::all().filter_map(point).collect()
}
