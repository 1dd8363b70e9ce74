//! Canaries: a few questions at temperature 0, asked of a model on a schedule. When their answers are no longer those
//! the model used to give, something has changed that no version signal told.
//!
//! This file decides; [`super::canaries`] asks. Answers are known by their digests only. They are never kept in the cache,
//! and asking is no user's request: it goes straight to the upstream.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, Lasting, Model, Timestamp, Version};

/// One `[[canary]]`: which model is watched, and what counts as drift.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanarySettings {
    /// The `[[upstream]]` that is asked, with its own `api_key`.
    pub upstream: String,
    /// The model, as that upstream knows it.
    pub model: String,
    /// How often its questions are asked.
    #[serde(default = "CanarySettings::default_every")]
    pub every: Lasting,
    /// The questions. Short ones with one right answer drift least by themselves.
    #[serde(default = "CanarySettings::default_prompts")]
    pub prompts: Vec<String>,
    /// The most tokens an answer may take.
    #[serde(default = "CanarySettings::default_tokens")]
    pub max_tokens: u32,
    /// Rounds in which every answer counts as known, to learn how much the model varies by itself.
    #[serde(default = "CanarySettings::default_learn")]
    pub learn: u32,
    /// How many of the questions must be answered as never before to be called drift.
    #[serde(default = "CanarySettings::default_drift")]
    pub drift: usize,
    /// What happens then, besides the alarm.
    #[serde(default)]
    pub on_drift: OnDrift,
}

/// What drift leads to, besides the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDrift {
    /// Nothing: the operator decides.
    #[default]
    Alert,
    /// A new version of the model: its earlier answers are served no more.
    Bump,
}

impl CanarySettings {
    const fn default_every() -> Lasting {
        Lasting::seconds(3600)
    }
    fn default_prompts() -> Vec<String> {
        [
            "Continue with the next three numbers only: 3, 6, 12, 24,",
            "Name the chemical element with atomic number 26. Answer in one word.",
            "Translate into French, answering with the translation only: The library opens at nine.",
            "Which is larger, 9.11 or 9.9? Answer with the number only.",
            "Write one sentence of exactly five words about rain.",
        ]
        .map(str::to_owned)
        .to_vec()
    }
    const fn default_tokens() -> u32 {
        64
    }
    const fn default_learn() -> u32 {
        3
    }
    const fn default_drift() -> usize {
        2
    }

    pub(super) fn watched(&self) -> Model {
        Model { upstream: self.upstream.as_str().into(), name: self.model.as_str().into() }
    }

    /// Known answers are to these questions only.
    fn questions(&self) -> Digest {
        Digest::of(format!("{} {:?}", self.max_tokens, self.prompts).as_bytes())
    }
}

/// What is known of one model's answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// The model.
    pub model: Model,
    /// The version that gave the known answers.
    pub version: Version,
    questions: Digest,
    /// By question: digests of the answers known.
    known: Vec<BTreeSet<Digest>>,
    /// Rounds learned from.
    pub learned: u32,
    /// When it was last asked.
    pub asked: Option<Timestamp>,
    /// What the last round came to.
    pub state: CanaryState,
    /// How many of the last round's answers had never been given before.
    pub differing: usize,
    /// When drift was last noticed.
    pub drifted: Option<Timestamp>,
    /// Rounds, by what they came to.
    pub rounds: Rounds,
}

/// How a model stands to its known answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CanaryState {
    /// Its answers are still being learned.
    Learning,
    /// It answers as it used to.
    Same,
    /// It does not.
    Drifted,
    /// It gave no answers the last time.
    Silent,
}

/// Rounds by what they came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rounds {
    /// It answered as before, or was learned from.
    pub same: u64,
    /// It did not.
    pub drifted: u64,
    /// It gave no answers.
    pub silent: u64,
}

impl Canary {
    pub(super) fn new(settings: &CanarySettings) -> Self {
        Self {
            model: settings.watched(),
            version: Version::unknown(),
            questions: settings.questions(),
            known: Vec::new(),
            learned: 0,
            asked: None,
            state: CanaryState::Learning,
            differing: 0,
            drifted: None,
            rounds: Rounds::default(),
        }
    }

    /// Takes one round's answers, a digest for each question that was answered, given by `version`.
    pub(super) fn take(
        &mut self,
        answers: &[Option<Digest>],
        version: &Version,
        now: Timestamp,
        settings: &CanarySettings,
    ) {
        self.asked = Some(now);
        if answers.iter().all(Option::is_none) {
            self.rounds.silent += 1;
            self.state = CanaryState::Silent;
            return;
        }
        // Another version, or other questions: there is nothing to compare with.
        if self.version != *version || self.questions != settings.questions() || self.known.len() != answers.len() {
            self.begin(version, answers.len(), settings);
        }
        let known = self.known.iter().zip(answers);
        let new = |(known, answer): (&BTreeSet<Digest>, &Option<Digest>)| answer.is_some_and(|it| !known.contains(&it));
        self.differing = known.filter(|pair| new(*pair)).count();
        if self.learned < settings.learn.max(1) {
            self.differing = 0;
            self.learned += 1;
            self.known.iter_mut().zip(answers).for_each(|(known, answer)| known.extend(answer));
            self.state = if self.learned < settings.learn.max(1) { CanaryState::Learning } else { CanaryState::Same };
            self.rounds.same += 1;
        } else if self.differing >= settings.drift.max(1) {
            self.drifted = Some(now);
            self.state = CanaryState::Drifted;
            self.rounds.drifted += 1;
        } else {
            self.state = CanaryState::Same;
            self.rounds.same += 1;
        }
    }

    /// Learns anew from a version's answers.
    fn begin(&mut self, version: &Version, questions: usize, settings: &CanarySettings) {
        self.version = version.clone();
        self.questions = settings.questions();
        self.known = vec![BTreeSet::new(); questions];
        self.learned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(drift: usize, learn: u32) -> CanarySettings {
        let text = format!("upstream = \"a\"\nmodel = \"m\"\ndrift = {drift}\nlearn = {learn}");
        toml::from_str(&text).unwrap()
    }

    /// One letter an answer; `-` for none.
    fn round(canary: &mut Canary, answers: &str, version: &str, settings: &CanarySettings) -> CanaryState {
        let digests: Vec<_> =
            answers.chars().map(|c| (c != '-').then(|| Digest::of(c.to_string().as_bytes()))).collect();
        canary.take(&digests, &Version(version.into()), Timestamp(1), settings);
        canary.state
    }

    #[test]
    fn drift_is_as_many_unknown_answers_as_the_operator_says() {
        let settings = settings(2, 1);
        let mut canary = Canary::new(&settings);
        assert_eq!(round(&mut canary, "abcde", "1", &settings), CanaryState::Same);
        assert_eq!(round(&mut canary, "abcdX", "1", &settings), CanaryState::Same);
        assert_eq!(canary.differing, 1);
        assert_eq!(round(&mut canary, "abcYX", "1", &settings), CanaryState::Drifted);
        assert_eq!((canary.differing, canary.drifted), (2, Some(Timestamp(1))));
        // What differed was not learned: it differs again, until it is as it was.
        assert_eq!(round(&mut canary, "abcYX", "1", &settings), CanaryState::Drifted);
        assert_eq!(round(&mut canary, "abcde", "1", &settings), CanaryState::Same);
        assert_eq!(canary.rounds, Rounds { same: 3, drifted: 2, silent: 0 });
    }

    #[test]
    fn a_model_that_varies_by_itself_is_learned_with_its_variants() {
        let settings = settings(1, 3);
        let mut canary = Canary::new(&settings);
        for (answers, standing) in
            [("ab", CanaryState::Learning), ("aB", CanaryState::Learning), ("ab", CanaryState::Same)]
        {
            assert_eq!(round(&mut canary, answers, "1", &settings), standing);
        }
        assert_eq!(round(&mut canary, "aB", "1", &settings), CanaryState::Same);
        assert_eq!(round(&mut canary, "Ab", "1", &settings), CanaryState::Drifted);
    }

    #[test]
    fn another_version_or_other_questions_are_learned_anew() {
        let settings = settings(1, 1);
        let mut canary = Canary::new(&settings);
        round(&mut canary, "ab", "1", &settings);
        assert_eq!(round(&mut canary, "XY", "2", &settings), CanaryState::Same);
        let others = CanarySettings { prompts: vec!["one".into(), "two".into()], ..settings.clone() };
        assert_eq!(round(&mut canary, "PQ", "2", &others), CanaryState::Same);
        assert_eq!(round(&mut canary, "PZ", "2", &others), CanaryState::Drifted);
    }

    #[test]
    fn silence_is_no_drift_and_loses_nothing() {
        let settings = settings(1, 1);
        let mut canary = Canary::new(&settings);
        round(&mut canary, "ab", "1", &settings);
        assert_eq!(round(&mut canary, "--", "1", &settings), CanaryState::Silent);
        assert_eq!(round(&mut canary, "a-", "1", &settings), CanaryState::Same);
        assert_eq!(round(&mut canary, "-X", "1", &settings), CanaryState::Drifted);
    }
}
