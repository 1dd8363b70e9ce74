//! How much of a conversation must be the same before its last question is compared by meaning.
//!
//! [`History::of`] says what of a request's earlier messages counts by equality and which of its questions are compared
//! by meaning. The digest of the equal part names the rule too, so that under two rules nothing ever meets.
//! Instructions (system and developer messages) always count by equality, under every rule.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::judge::{self, Candidate, judge};
use super::leaning::{Leaning, leaning};
use crate::domain::{Digest, FieldHasher, Speech, Turn};

/// `semantic.context`: the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Context {
    /// The whole history by equality.
    #[default]
    Strict,
    /// The last so many messages by equality; what was said before them does not count.
    Window(NonZeroU32),
    /// The earlier questions by meaning, in order; what the model answered to them does not count.
    Questions,
}

/// The text names no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be \"strict\", \"questions\", or \"window:N\" with N messages, at least 1")]
pub struct InvalidContext;

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strict => f.write_str("strict"),
            Self::Window(messages) => write!(f, "window:{messages}"),
            Self::Questions => f.write_str("questions"),
        }
    }
}

impl FromStr for Context {
    type Err = InvalidContext;

    fn from_str(text: &str) -> Result<Self, InvalidContext> {
        match (text, text.strip_prefix("window:")) {
            ("strict", _) => Ok(Self::Strict),
            ("questions", _) => Ok(Self::Questions),
            (_, Some(messages)) => messages.parse().map(Self::Window).map_err(|_| InvalidContext),
            _ => Err(InvalidContext),
        }
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What counts of a request's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum History {
    /// All of it, by equality.
    Whole(Whole),
    /// Part of it.
    Part(Part),
}

/// Why the whole history counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// The rule says so, or there is none to speak of.
    Rule,
    /// The last question leans on it.
    Leans(Leaning),
    /// It holds more questions than are compared by meaning.
    Long,
}

/// The part of a history that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Stands for the rule and for everything that must be equal.
    pub shared: Digest,
    /// Earlier questions that must mean the same, first one first.
    pub questions: Vec<Arc<str>>,
}

impl History {
    /// More earlier questions than this are not compared by meaning.
    pub const MOST_QUESTIONS: usize = 16;

    /// What counts of `turns` before the question `prompt`.
    #[must_use]
    pub fn of(turns: &[Turn], prompt: &str, rule: Context) -> Self {
        if turns.is_empty() || rule == Context::Strict {
            return Self::Whole(Whole::Rule);
        }
        if let Some(leaning) = leaning(prompt) {
            return Self::Whole(Whole::Leans(leaning));
        }
        match rule {
            Context::Strict => Self::Whole(Whole::Rule),
            Context::Window(messages) => Self::Part(window(turns, messages)),
            Context::Questions => questions(turns).map_or(Self::Whole(Whole::Long), Self::Part),
        }
    }
}

fn window(turns: &[Turn], messages: NonZeroU32) -> Part {
    let is_said = |turn: &&Turn| turn.speech != Speech::Instruction;
    let said = turns.iter().filter(is_said).count();
    let mut beyond = said.saturating_sub(messages.get() as usize);
    let counting = turns.iter().filter(|turn| {
        let skipped = is_said(turn) && beyond > 0;
        beyond -= usize::from(skipped);
        !skipped
    });
    let equal: Vec<&[u8]> = counting.map(|turn| turn.digest.0.as_slice()).collect();
    let shared = begin(Context::Window(messages)).list(equal.into_iter()).digest();
    Part { shared, questions: Vec::new() }
}

/// Each message as what must be the same of it: of a question and of a long answer only that there is one. A short
/// answer counts by equality: it may be an example given to the model, or the yes or no that everything hangs on.
fn questions(turns: &[Turn]) -> Option<Part> {
    const SHORT: u64 = 80;
    let mut hasher = begin(Context::Questions).field(&(turns.len() as u64).to_le_bytes());
    let mut questions = Vec::new();
    for turn in turns {
        hasher = match &turn.speech {
            Speech::Question(text) => {
                questions.push(text.clone());
                hasher.field(b"question")
            }
            Speech::Answer(characters) if *characters > SHORT => hasher.field(b"answer"),
            Speech::Answer(_) | Speech::Instruction | Speech::Other => hasher.field(b"equal").field(&turn.digest.0),
        };
    }
    (questions.len() <= History::MOST_QUESTIONS).then(|| Part { shared: hasher.digest(), questions })
}

fn begin(rule: Context) -> FieldHasher {
    FieldHasher::unkeyed("history").field(rule.to_string().as_bytes())
}

/// An earlier question beside its counterpart.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// This conversation's.
    pub asked: &'a str,
    /// The kept one's.
    pub kept: &'a str,
    /// Their exact cosine similarity.
    pub similarity: f32,
}

/// Whether each earlier question asks the same as its counterpart, by the judge of the last one. `floor` is the caller's
/// own least similarity; it only tightens.
#[must_use]
pub fn same_questions(pairs: &[Pair<'_>], floor: Option<f32>, settings: &judge::Settings) -> bool {
    pairs.iter().all(|Pair { asked, kept, similarity }| {
        let candidate = Candidate { prompt: kept, similarity: *similarity };
        judge(asked, &[candidate], floor, settings).chosen.is_some()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STANDS: &str = "What is the capital of France?";

    fn rule(text: &str) -> Context {
        text.parse().unwrap()
    }

    /// Whether two histories count as the same, earlier questions aside.
    fn meet(a: &[Turn], b: &[Turn], context: Context) -> bool {
        match (History::of(a, STANDS, context), History::of(b, STANDS, context)) {
            (History::Part(a), History::Part(b)) => a.shared == b.shared,
            (History::Whole(_), History::Whole(_)) => a == b,
            _ => false,
        }
    }

    #[test]
    fn a_rule_reads_back_and_nothing_else_is_one() {
        for text in ["strict", "questions", "window:1", "window:12"] {
            assert_eq!(rule(text).to_string(), text);
        }
        for bad in ["", "window", "window:", "window:0", "window:-1", "Strict", "all"] {
            assert_eq!(bad.parse::<Context>(), Err(InvalidContext), "{bad}");
        }
        assert_eq!(serde_json::from_str::<Context>("\"window:2\"").unwrap(), rule("window:2"));
    }

    #[test]
    fn a_window_is_of_the_last_messages_and_of_every_instruction() {
        let (old, new) = (
            [Turn::user("a"), Turn::model("b"), Turn::user("c"), Turn::model("d")],
            [Turn::user("x"), Turn::model("y"), Turn::user("c"), Turn::model("d")],
        );
        assert!(meet(&old, &new, rule("window:2")));
        assert!(!meet(&old, &new, rule("window:3")));
        let with = |word: &str| [&[Turn::system(word)][..], &old].concat();
        assert!(!meet(&with("be brief"), &with("be verbose"), rule("window:1")));
        assert!(!meet(&[], &old, rule("window:1")), "a first question is no later one");
    }

    #[test]
    fn questions_count_by_meaning_and_long_answers_not_at_all() {
        let long = "It rises for about an hour, until it has doubled in size, and then again in the tin for a while.";
        let told = |question: &str, answer: &str| [Turn::user(question), Turn::model(answer)];
        let part = |turns: &[Turn]| match History::of(turns, STANDS, Context::Questions) {
            History::Part(part) => part,
            whole => panic!("{whole:?}"),
        };
        let asked = told("How long does dough rise?", long);
        assert_eq!(part(&asked).questions, ["How long does dough rise?".into()]);
        assert!(meet(&asked, &told("anything", &format!("{long} Yes.")), Context::Questions));
        assert!(!meet(&told("Is 7 prime?", "yes"), &told("Is 7 prime?", "no"), Context::Questions), "a short answer");
        assert!(!meet(&asked, &asked[..1], Context::Questions), "other messages");
        assert!(!meet(
            &[Turn::system("a"), Turn::user("q")],
            &[Turn::system("b"), Turn::user("q")],
            Context::Questions
        ));
        let many: Vec<Turn> = (0..=History::MOST_QUESTIONS).map(|n| Turn::user(&n.to_string())).collect();
        assert_eq!(History::of(&many, STANDS, Context::Questions), History::Whole(Whole::Long));
    }

    #[test]
    fn a_question_that_leans_needs_its_whole_history() {
        let before = [Turn::user("How do I prune roses?"), Turn::model("In spring.")];
        for context in ["window:1", "questions"] {
            let history = History::of(&before, "and in winter?", rule(context));
            assert!(matches!(history, History::Whole(Whole::Leans(_))), "{context}: {history:?}");
        }
        assert_eq!(History::of(&before, "and in winter?", Context::Strict), History::Whole(Whole::Rule));
        assert_eq!(History::of(&[], "and in winter?", Context::Questions), History::Whole(Whole::Rule));
    }

    #[test]
    fn earlier_questions_are_judged_as_the_last_one_is() {
        let settings = judge::Settings::default();
        let pair = |asked, kept, similarity| Pair { asked, kept, similarity };
        let same = pair("How do I reset my password?", "How can I reset my password?", 0.97);
        let other = pair("How do I turn on dark mode?", "How do I turn off dark mode?", 0.99);
        assert!(same_questions(&[same, same], None, &settings));
        assert!(!same_questions(&[same, other], None, &settings));
        assert!(!same_questions(&[same], Some(0.99), &settings), "a caller's floor holds for every question");
    }

    fn turns() -> impl Strategy<Value = Vec<Turn>> {
        let one = prop_oneof![
            prop::sample::select(vec!["q1", "q2"]).prop_map(Turn::user),
            prop::sample::select(vec!["a1", "a2"]).prop_map(Turn::model),
            prop::sample::select(vec!["s1", "s2"]).prop_map(Turn::system),
            Just(Turn::plain(Speech::Other, "tool")),
        ];
        prop::collection::vec(one, 0..6)
    }

    proptest! {
        #[test]
        fn a_wider_window_is_tighter_and_the_whole_history_tightest(a in turns(), b in turns(), n in 1_u32..6) {
            let window = |n: u32| Context::Window(n.try_into().unwrap());
            let met = |context| meet(&a, &b, context);
            prop_assert_eq!(met(Context::Strict), a == b);
            prop_assert!(!met(Context::Strict) || met(window(n)));
            prop_assert!(!met(window(n + 1)) || met(window(n)));
            prop_assert!(!met(Context::Strict) || met(Context::Questions));
        }

        #[test]
        fn meeting_is_symmetric_and_instructions_always_count(a in turns(), b in turns(), n in 1_u32..4) {
            let told = |turns: &[Turn]| -> Vec<Turn> {
                turns.iter().filter(|turn| turn.speech == Speech::Instruction).cloned().collect()
            };
            for context in [Context::Strict, Context::Window(n.try_into().unwrap()), Context::Questions] {
                prop_assert_eq!(meet(&a, &b, context), meet(&b, &a, context));
                prop_assert!(!meet(&a, &b, context) || told(&a) == told(&b));
            }
        }

        #[test]
        fn under_two_rules_nothing_meets(a in turns(), n in 1_u32..4, m in 1_u32..4) {
            let shared = |context| match History::of(&a, STANDS, context) {
                History::Part(part) => Some(part.shared),
                History::Whole(_) => None,
            };
            let window = |n: u32| shared(Context::Window(n.try_into().unwrap()));
            prop_assert_eq!(window(n) == window(m), a.is_empty() || n == m);
            prop_assert!(a.is_empty() || window(n) != shared(Context::Questions));
        }

        #[test]
        fn judging_histories_is_symmetric_and_a_floor_only_tightens(
            similarity in 0.5_f32..=1.0, floor in prop::option::of(0.0_f32..=1.0),
            a in prop::sample::select(vec!["How tall is Mount Fuji?", "How high is Mount Fuji?", "Who climbed Mount Fuji?"]),
            b in prop::sample::select(vec!["How tall is Mount Fuji?", "What is the height of Mount Fuji?"]),
        ) {
            let settings = judge::Settings::default();
            let same = |asked, kept, floor| same_questions(&[Pair { asked, kept, similarity }], floor, &settings);
            prop_assert_eq!(same(a, b, floor), same(b, a, floor));
            prop_assert!(!same(a, b, floor) || same(a, b, None));
        }
    }
}
