//! What of a conversation counts when its last question is compared by meaning: where candidates are looked for besides
//! the scope of the whole history, and whether their earlier questions are the same.
//!
//! An entry is found in its scope, of which its whole history is a part, and in a wider one, of which only that part is
//! that the rule in force at its filling made count ([`crate::policy::context`]). The rule is in the wider scope too, so
//! another rule finds nothing there, and what is found in the scope itself needs no rule.

use super::lookup::Asking;
use super::search::Near;
use crate::domain::{Cause, Embedded, Model, Placement, Query, Reason, Scope, Secret, Version, Wider};
use crate::policy::context::{Context, History, Pair, Whole, same_questions};

/// What counts of a query's history under this rule.
pub(super) fn history(query: &Query, rule: Context) -> History {
    let prompt = query.asked.prompt.as_ref().map_or("", |prompt| &prompt.0);
    History::of(&query.asked.history, prompt, rule)
}

/// Where a query's entry is found by requests whose history is not equal in whole, if anywhere.
pub(super) fn wider(query: &Query, of: History, secret: &Secret, model: &Model, version: &Version) -> Option<Wider> {
    match of {
        History::Whole(_) => None,
        History::Part(part) => {
            let scope = query.wider_scope(secret, model, version, &part.shared);
            Some(Wider { scope, questions: part.questions })
        }
    }
}

/// The conversation a prompt stands in, as it is compared.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Whether the prompt leans on its history.
    leans: bool,
    /// The scope of the whole history.
    pub scope: Scope,
    pub wider: Option<Wider>,
}

impl Conversation {
    pub(super) fn of(asking: &Asking<'_>) -> Self {
        let (query, secret, model) = (&asking.query, &asking.engine.secret, &asking.target.model);
        let history = history(query, asking.settings.context);
        let leans = matches!(history, History::Whole(Whole::Leans(_)));
        let wider = wider(query, history, secret, model, &asking.version);
        Self { leans, scope: query.scope(secret, model, &asking.version), wider }
    }

    /// The scopes to look in, the tightest first.
    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        std::iter::once(self.scope).chain(self.wider.as_ref().map(|wider| wider.scope))
    }

    /// Why a candidate that asks the same is not the same in this conversation.
    pub(super) fn against(&self, asked: &Embedded, near: &Near, asking: &Asking<'_>) -> Option<Reason> {
        let placement = near.entry.placement.as_ref();
        if placement.is_some_and(|at| at.scope == self.scope) {
            return None;
        }
        // It may have been kept anew, under another rule, since the index named it.
        let other = Some(Cause::History.into());
        let Some(Placement { wider: Some(theirs), embedded: Some(at), .. }) = placement else { return other };
        let Some(ours) = self.wider.as_ref().filter(|ours| ours.scope == theirs.scope) else { return other };
        let counts = [ours.questions.len(), theirs.questions.len(), asked.earlier.len(), at.earlier.len()];
        let seen = asked.earlier.iter().zip(&at.earlier);
        let unseen_differ = seen.clone().any(|(asked, kept)| asked.unseen != kept.unseen);
        if counts.iter().any(|count| *count != counts[0]) || unseen_differ {
            return other;
        }
        let texts = ours.questions.iter().zip(&theirs.questions);
        let pairs: Vec<Pair<'_>> = texts
            .zip(seen)
            .map(|((ours, theirs), (asked, kept))| {
                let similarity = asked.vector.cosine(&kept.vector);
                Pair { asked: ours, kept: theirs, similarity }
            })
            .collect();
        let same = same_questions(&pairs, asking.directives.min_similarity, &asking.settings.judge);
        if same { None } else { other }
    }

    /// Why nothing was found, where no candidate tells.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.leans.then_some(Cause::FollowUp.into())
    }
}
