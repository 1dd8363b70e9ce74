//! Why the cache did what it did: one closed list of words, the same in `X-Cache-Reason`, metrics, logs,
//! `explain` and `docs/reasons.md`.

/// Declares a closed list of named causes with their one word each.
macro_rules! causes {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every cause, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its one word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

causes! {
    /// A difference between two prompts that forbids calling them the same question.
    Veto {
        /// Numbers differ.
        Number => "veto-number",
        /// Units differ.
        Unit => "veto-unit",
        /// Dates or times differ.
        Date => "veto-date",
        /// Quoted literals differ.
        Literal => "veto-literal",
        /// Identifiers, flags, file names or code spans differ.
        Identifier => "veto-identifier",
        /// Ordinals or superlatives differ.
        Ordinal => "veto-ordinal",
        /// One says the opposite of the other.
        Antonym => "veto-antonym",
        /// Different members of one closed class: countries, databases, file formats ...
        Class => "veto-class",
        /// Different programming or natural languages.
        Language => "veto-language",
        /// The same parts in reversed roles.
        Direction => "veto-direction",
        /// Proper names differ.
        Name => "veto-name",
        /// One is negated.
        Negation => "veto-negation",
        /// The same words in another order.
        Order => "veto-order",
        /// One content word was exchanged for another.
        Substitution => "veto-substitution",
        /// Code or data blocks differ.
        Code => "veto-code",
        /// Different questions about the same matter: who, when, where, why, how, whether.
        Question => "veto-question",
        /// Quantifiers differ: all, any, none, only.
        Quantifier => "veto-quantifier",
        /// Ability, advice and obligation differ: can, should, must.
        Modal => "veto-modal",
        /// Past, present and future differ.
        Time => "veto-time",
        /// The answer is wanted in another form or length.
        Form => "veto-form",
        /// Other work is asked for: translate, summarise, fix.
        Action => "veto-action",
        /// He and she changed places.
        Pronoun => "veto-pronoun",
        /// One side narrows the question by a qualifier that the other lacks.
        Scope => "veto-scope",
        /// The same frame around other parts.
        Template => "veto-template",
    }
}

causes! {
    /// Why a request was not a plain hit or miss, or why an answer was not kept.
    Cause {
        /// Caching is off for this request.
        Off => "off",
        /// `Cache-Control: no-store`.
        NoStore => "no-store",
        /// `Cache-Control: no-cache`.
        NoCache => "no-cache",
        /// The caller's mode only writes.
        WriteOnly => "write-only",
        /// The caller's mode only reads.
        ReadOnly => "read-only",
        /// Only equality counts for this request, by the operator's mode or the caller's.
        ExactOnly => "exact-only",
        /// The body was not understood.
        Unreadable => "unreadable",
        /// The body is larger than the cache reads.
        TooLarge => "too-large",
        /// The sampling temperature is above what may be cached.
        Temperature => "temperature",
        /// The request declares tools.
        Tools => "tools",
        /// The request asks for several choices.
        Choices => "choices",
        /// The request carries images, audio or files.
        Attachments => "attachments",
        /// The answer depends on state that the upstream keeps.
        Stateful => "stateful",
        /// The request loads or unloads a model.
        LoadOnly => "load",
        /// The prompt is longer than the embedder's window.
        TooLong => "too-long",
        /// There is no text to compare.
        NoText => "no-text",
        /// Candidates were found, none similar enough.
        BelowThreshold => "below-threshold",
        /// A candidate would do, but at the level that the risk budget calls for it is not sure enough.
        RiskBudget => "risk-budget",
        /// A candidate was near, but its language has no lexicon, so more similarity is required.
        NoLexicon => "no-lexicon",
        /// The question leans on what was said before it, so its whole history had to be equal.
        FollowUp => "follow-up",
        /// A candidate was near, but an earlier question of its conversation is another.
        History => "history",
        /// The model's version changed since this was answered.
        ModelChanged => "model-changed",
        /// Which version of the model answers cannot be told now.
        VersionUnknown => "version-unknown",
        /// The answer holds for the moment of asking only.
        Live => "live",
        /// The question is of the present, so that its answer is kept for less time than others.
        ShortLived => "short-lived",
        /// An answer was there, past its time.
        Expired => "expired",
        /// An answer was there, but not fresh enough for this caller.
        NotFreshEnough => "not-fresh-enough",
        /// An answer was there, from a place this caller may not read from.
        Residency => "residency",
        /// Somebody reported this match as wrong.
        Feedback => "feedback",
        /// There is no embedder.
        NoEmbedder => "no-embedder",
        /// The embedder did not answer in time.
        EmbedTimeout => "embed-timeout",
        /// The embedder's queue is full.
        EmbedBusy => "embed-busy",
        /// The embedder failed.
        EmbedFault => "embed-fault",
        /// The store failed.
        StoreFault => "store-fault",
        /// Refreshing in the background.
        Revalidating => "revalidating",
        /// The upstream failed, so a stale answer was served.
        UpstreamError => "upstream-error",
        /// The upstream's status was not a success.
        Status => "status",
        /// The answer ended early.
        Cut => "cut",
        /// A length limit cut the answer.
        Truncated => "truncated",
        /// A content filter cut the answer.
        Filtered => "filtered",
        /// The model declined.
        Refused => "refused",
        /// The answer did not end like one.
        Unfinished => "unfinished",
        /// The answer asks for tools to be called.
        ToolCalls => "tool-calls",
        /// The answer carries nothing.
        Empty => "empty",
        /// The answer is larger than the cache keeps.
        AnswerTooLarge => "answer-too-large",
        /// What it answers was purged meanwhile.
        Purged => "purged",
    }
}

/// Any reason there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Something about the request, the cache or the answer.
    Cause(Cause),
    /// The nearest candidate differs in something that matters.
    Veto(Veto),
}

impl Reason {
    /// The header's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cause(cause) => cause.as_str(),
            Self::Veto(veto) => veto.as_str(),
        }
    }
}

impl From<Cause> for Reason {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl From<Veto> for Reason {
    fn from(veto: Veto) -> Self {
        Self::Veto(veto)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_reasons_share_a_word() {
        let words: Vec<_> = Cause::ALL.iter().map(|c| c.as_str()).chain(Veto::ALL.iter().map(|v| v.as_str())).collect();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
    }

    #[test]
    fn every_reason_is_documented_and_no_other() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reasons.md");
        let page = std::fs::read_to_string(path).unwrap();
        let first_cell = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
        let documented: BTreeSet<String> = page.lines().filter_map(first_cell).collect();
        let words = Cause::ALL.iter().map(|c| c.as_str()).chain(Veto::ALL.iter().map(|v| v.as_str()));
        assert_eq!(documented, words.map(str::to_owned).collect());
        assert_eq!(page.matches("\n| `").count(), documented.len(), "a word stands twice");
    }
}
