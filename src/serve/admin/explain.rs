//! What the cache would do with a request, and why. Nothing is forwarded, counted or changed.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::super::directives::directives;
use super::super::{Parts, Shared, headers};
use super::Fault;
use super::entries::View;
use crate::cache::{Considered, Explanation};
use crate::domain::{Asked, Cause, Match, Outcome, Query, Surface};
use crate::policy::context::{Context, History, Whole};
use crate::policy::guard::Objection;
use crate::policy::judge::Finding;
use crate::policy::risk::Level;
use crate::wire;

/// Names the path that the request would go to; without it every surface that understands the body is tried.
const PATH: &str = "x-dejavu-path";
/// Stands for the request's own `Authorization`, which is the operator's here.
const CREDENTIAL: &str = "x-dejavu-authorization";

/// `POST /admin/v1/explain`.
pub(in crate::serve) async fn explain(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let parts = shared.load_full();
    let path = headers.get(PATH).and_then(|path| path.to_str().ok());
    let readings = readings(path, &body);
    let mut told = None;
    for (surface, asked) in readings {
        let explanation = about(&parts, surface, Arc::new(asked), &headers, &body).await?;
        let telling = explanation.served.is_some() || !explanation.candidates.is_empty();
        if telling || told.is_none() {
            told = Some((surface, explanation));
        }
        if telling {
            break;
        }
    }
    match told {
        Some((surface, explanation)) => Ok(Json(view(surface, &explanation))),
        None => Ok(Json(json!({ "outcome": Outcome::Bypass.as_str(), "reason": Cause::Unreadable.as_str() }))),
    }
}

/// The body as each surface understands it.
fn readings(path: Option<&str>, body: &[u8]) -> Vec<(Surface, Asked)> {
    let surfaces = Surface::ALL.into_iter().filter(|surface| path.is_none_or(|path| path == surface.path()));
    surfaces.filter_map(|surface| Some((surface, wire::read(surface, body)?))).collect()
}

async fn about(
    parts: &Parts,
    surface: Surface,
    asked: Arc<Asked>,
    sent: &HeaderMap,
    body: &[u8],
) -> Result<Explanation, Fault> {
    let mut sent = sent.clone();
    match sent.remove(CREDENTIAL) {
        Some(credential) => drop(sent.insert(AUTHORIZATION, credential)),
        None if parts.admin.token.is_some() => drop(sent.remove(AUTHORIZATION)),
        None => {}
    }
    let directives =
        directives(&sent, &parts.settings.controls).map_err(|fault| Fault::bad_request(fault.to_string()))?;
    let model = wire::model_of(body);
    let plan = parts.upstreams.plan(surface.path(), model.as_deref(), directives.local_only);
    let plan = plan.map_err(|error| Fault::bad_request(error.to_string()))?;
    let query = Query {
        asked,
        tenant: parts.tenants.identify(&sent),
        namespace: directives.namespace.clone(),
        headers: headers::identity(&sent, &parts.key_headers, None),
        targets: plan.targets,
        route: plan.route,
    };
    Ok(parts.engine.explain(query, &directives, plan.lifetimes).await)
}

fn view(surface: Surface, explanation: &Explanation) -> Value {
    let Explanation {
        outcome,
        served,
        reason,
        id,
        asked,
        read,
        write,
        semantic,
        lifetime,
        timeliness,
        history,
        candidates,
        level,
    } = explanation;
    let allowed = |rule: &Result<(), Cause>| rule.map_or_else(|cause| cause.as_str(), |()| "yes");
    let similarity = match served {
        Some((_, Match::Semantic(similarity))) => Some(similarity),
        _ => None,
    };
    json!({
        "surface": surface.as_str(),
        "outcome": outcome.as_str(),
        "reason": reason.map(|reason| reason.as_str()),
        "match": served.as_ref().map(|(_, how)| how.as_str()),
        "similarity": similarity,
        "served": served.as_ref().map(|(entry, _)| View::from(&**entry)),
        "id": id,
        "asks": asked.as_ref().map(|(target, version)| {
            json!({ "upstream": target.model.upstream, "model": target.model.name, "version": version })
        }),
        "may_read": allowed(read),
        "may_write": allowed(write),
        "may_match_by_meaning": allowed(semantic),
        "ttl_s": lifetime.as_secs(),
        "timeliness": timeliness.as_ref().map(|found| {
            json!({ "class": found.timeliness.as_str(), "odds": found.odds, "signs": found.signs })
        }),
        "history": history.as_ref().map(|(rule, history)| conversation(*rule, history)),
        "least_score": level.flatten().map(Level::least),
        "exact_only_by_risk": *level == Some(None),
        "candidates": candidates.iter().map(|candidate| considered(candidate, served.as_ref())).collect::<Vec<_>>(),
    })
}

/// The rule for earlier messages, and what of them it makes count here.
fn conversation(rule: Context, history: &History) -> Value {
    let (counts, leans, questions) = match history {
        History::Whole(Whole::Leans(leaning)) => ("whole", Some(leaning.as_str()), 0),
        History::Whole(Whole::Rule | Whole::Long) => ("whole", None, 0),
        History::Part(part) => ("part", None, part.questions.len()),
    };
    json!({ "context": rule, "counts": counts, "leans": leans, "questions_by_meaning": questions })
}

fn considered(candidate: &Considered, served: Option<&(Arc<crate::domain::Entry>, Match)>) -> Value {
    let Considered { entry, similarity, against, finding } = candidate;
    let verdict = match against {
        Some(reason) => reason.as_str(),
        None if served.is_some_and(|(chosen, _)| chosen.id() == entry.id()) => "served",
        None => "would do",
    };
    let vetoes = finding.as_ref().map_or(&[][..], |finding| &finding.vetoes);
    json!({
        "entry": entry.id(),
        "prompt": entry.prompt,
        "similarity": similarity,
        "vetoes": vetoes.iter().map(|veto| veto.as_str()).collect::<Vec<_>>(),
        "objections": finding.as_ref().map_or_else(Vec::new, objections),
        "template": finding.as_ref().and_then(|finding| finding.template),
        "features": finding.as_ref().and_then(|finding| finding.features),
        "score": finding.as_ref().map(|finding| finding.score),
        "reranker": finding.as_ref().and_then(|finding| finding.sureness),
        "verdict": verdict,
    })
}

/// What differs, veto by veto, in the words of both prompts.
fn objections(finding: &Finding) -> Vec<Value> {
    let said = |objection: &Objection| json!({ "veto": objection.veto.as_str(), "differs": objection.detail });
    finding.objections.iter().map(said).collect()
}
