//! The vetoes: differences between two prompts that forbid calling them the same question, however alike their
//! words are. One file per family; each veto is a pure, symmetric function of a `Comparison`.

mod amounts;
mod identity;
mod intent;
mod order;
mod polarity;
mod scope;
mod substitution;
#[cfg(test)]
mod tables;

use super::compare::Comparison;
use crate::domain::Veto;

/// A veto with the two differing bits, for `explain`.
#[derive(Debug, Clone, PartialEq)]
pub struct Objection {
    /// Which veto.
    pub veto: Veto,
    /// What differs, as `asked / candidate`. Prompt text: for operators only, never for a header or a log.
    pub detail: String,
    /// The similarity from which it falls silent; `None` where no similarity answers it. It rests then on a single
    /// word that no list knows, and prompts this near to each other use such words in the same sense.
    pub until: Option<f32>,
}

impl Objection {
    pub(super) fn new(veto: Veto, asked: impl AsRef<str>, candidate: impl AsRef<str>) -> Self {
        fn shown(side: &str) -> &str {
            if side.is_empty() { "-" } else { side }
        }
        let detail = [shown(asked.as_ref()), shown(candidate.as_ref())].join(" / ");
        Self { veto, detail, until: None }
    }

    /// The same, up to this similarity.
    pub(super) fn until(self, similarity: f32) -> Self {
        Self { until: Some(similarity), ..self }
    }
}

/// Every objection there is, the most telling first.
pub(crate) fn objections(comparison: &Comparison<'_>) -> Vec<Objection> {
    const VETOES: [fn(&Comparison<'_>) -> Option<Objection>; 21] = [
        identity::language,
        identity::code,
        amounts::number,
        amounts::unit,
        identity::literal,
        identity::identifier,
        identity::class,
        amounts::ordinal,
        polarity::antonym,
        polarity::negation,
        order::direction,
        order::order,
        order::pronoun,
        intent::question,
        intent::time,
        intent::form,
        intent::action,
        intent::quantifier,
        intent::modal,
        identity::name,
        substitution::substitution,
    ];
    let mut found: Vec<Objection> = VETOES.iter().filter_map(|veto| veto(comparison)).collect();
    if found.is_empty() {
        found.extend(scope::scope(comparison));
    }
    found
}

/// The written forms of tokens, for an objection's detail.
pub(super) fn words<'a>(tokens: impl IntoIterator<Item = &'a super::reading::Token>) -> String {
    tokens.into_iter().map(|token| &*token.written).collect::<Vec<_>>().join(" ")
}
