//! Which language a prompt is in, as far as its function words and its script tell.

use rust_stemmers::{Algorithm, Stemmer};

use super::super::lexicon::{Id, Lexicon, Traits};
use super::{Kind, Token, Words};

/// A prompt's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// A language of `tongues.txt`, by number; 0 is English.
    Listed(u8),
    /// A script whose languages have no lexicon here, by its first code point; [`LATIN`] where most words are of none of
    /// the listed languages.
    Script(u16),
    /// Latin script without enough function words to tell.
    Unclear,
}

/// The first code point of the Latin script.
const LATIN: u16 = 0x0041;

impl Tongue {
    /// Judges by function words, else by script.
    pub(super) fn of(tokens: &[Token]) -> Self {
        const ENOUGH_TO_TELL: usize = 3;
        let mut letters = 0_usize;
        let mut known = 0_usize;
        let mut foreign = [(0_u16, 0_usize); 4];
        let mut counts = [0_usize; 16];
        for token in tokens.iter().filter(|token| token.kind == Kind::Word) {
            letters += 1;
            known += usize::from(token.traits != Traits::default());
            if token.script != 0
                && let Some(slot) = foreign.iter_mut().find(|(known, count)| *known == token.script || *count == 0)
            {
                *slot = (token.script, slot.1 + 1);
            }
            let mut tongues = token.tongues;
            while tongues > 0 {
                counts[tongues.trailing_zeros() as usize] += 1;
                tongues &= tongues - 1;
            }
        }
        if let Some((script, _)) =
            foreign.into_iter().filter(|(_, count)| *count * 2 > letters).max_by_key(|(_, count)| *count)
        {
            return Self::Script(script);
        }
        let most = counts.iter().max().copied().unwrap_or_default();
        // English wins ties: the judge knows it best. A word or two of it prove nothing among many that it has not.
        let is_foreign = letters >= ENOUGH_TO_TELL && known * 2 < letters;
        match counts.iter().position(|count| *count == most) {
            Some(tongue) if tongue > 0 && most >= 2 => Self::Listed(u8::try_from(tongue).unwrap_or_default()),
            _ if is_foreign => Self::Script(LATIN),
            Some(0) if most > 0 => Self::Listed(0),
            _ => Self::Unclear,
        }
    }

    /// A code for it: that of the language, or of the script where only that is known.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Listed(tongue) => Lexicon::get().tongue_codes.get(usize::from(tongue)).map_or("en", |code| code),
            Self::Unclear => "unclear",
            Self::Script(block) => match block {
                LATIN => "latin",
                0x0370 => "greek",
                0x0400 => "cyrillic",
                0x0530 => "armenian",
                0x0590 => "hebrew",
                0x0600 => "arabic",
                0x0900 => "devanagari",
                0x0980 => "bengali",
                0x0e00 => "thai",
                0x10a0 => "georgian",
                0x3040 => "han",
                0xac00 => "hangul",
                _ => "other",
            },
        }
    }

    /// Whether the English lexicon applies.
    pub(crate) const fn reads_as_english(self) -> bool {
        matches!(self, Self::Listed(0) | Self::Unclear)
    }

    /// Whether there is a lexicon for it, however small. Without one, every word counts.
    pub(crate) const fn has_lexicon(self) -> bool {
        !matches!(self, Self::Script(_))
    }

    /// The least similarity in this language, whatever the operator's: a small lexicon knows negation and question
    /// words but no opposites, and without one nothing but near-identity will do. English has none of its own.
    pub(crate) const fn bar(self) -> f32 {
        match self {
            Self::Listed(0) | Self::Unclear => 0.0,
            Self::Listed(_) => 0.88,
            Self::Script(_) => 0.95,
        }
    }

    /// Whether two prompts are certainly in different languages.
    pub(crate) fn differs(self, other: Self) -> bool {
        let known = |tongue| tongue != Self::Unclear && tongue != Self::Script(LATIN);
        self != other && known(self) && known(other)
    }

    /// Gives the words the meaning they have in this language.
    pub(super) fn apply(self, tokens: &mut [Token], lexicon: &Words) {
        let listed = match self {
            Self::Listed(tongue) => Some((tongue, stemmer(&lexicon.tongue_codes[usize::from(tongue)]))),
            _ => None,
        };
        for token in tokens.iter_mut().filter(|token| token.kind == Kind::Word) {
            token.traits = Traits::default();
            token.quantity = None;
            token.id = Id::of(&token.written);
            let Some((tongue, stemmer)) = &listed else { continue };
            if let Some(stemmer) = stemmer {
                token.id = Id::of(&stemmer.stem(&token.written));
            }
            let known = lexicon.tongues.get(&Id::of(&token.written)).into_iter().flatten();
            if let Some(known) = known.clone().find(|known| known.tongue == *tongue) {
                token.traits = known.traits;
            }
        }
    }
}

fn stemmer(code: &str) -> Option<Stemmer> {
    let algorithm = match code {
        "de" => Algorithm::German,
        "fr" => Algorithm::French,
        "es" => Algorithm::Spanish,
        "it" => Algorithm::Italian,
        "pt" => Algorithm::Portuguese,
        "nl" => Algorithm::Dutch,
        "sv" => Algorithm::Swedish,
        _ => return None,
    };
    Some(Stemmer::create(algorithm))
}

/// The script of a letter that is not Latin, by where its block begins.
pub(super) const fn script(c: char) -> Option<u16> {
    let block = match c {
        '\u{0370}'..='\u{03ff}' | '\u{1f00}'..='\u{1fff}' => 0x0370,
        '\u{0400}'..='\u{052f}' => 0x0400,
        '\u{0530}'..='\u{058f}' => 0x0530,
        '\u{0590}'..='\u{05ff}' => 0x0590,
        '\u{0600}'..='\u{077f}' => 0x0600,
        '\u{0900}'..='\u{097f}' => 0x0900,
        '\u{0980}'..='\u{0dff}' => 0x0980,
        '\u{0e00}'..='\u{0eff}' => 0x0e00,
        '\u{10a0}'..='\u{10ff}' => 0x10a0,
        // Han and kana count as one: Japanese mixes them.
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}' => 0x3040,
        '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7af}' => 0xac00,
        _ => return None,
    };
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::super::{Reading, Words};
    use crate::domain::{Cause, Veto};
    use crate::policy::judge::{Candidate, Settings, judge};

    fn code(prompt: &str) -> &'static str {
        Reading::of(prompt, &Words::new()).tongue.code()
    }

    #[test]
    fn languages_without_a_lexicon_are_not_taken_for_english() {
        for prompt in [
            "Mitä kissat syövät talvella?",
            "Jak zresetować hasło do konta firmowego?",
            "Şifremi nasıl sıfırlayabilirim?",
            "Thủ đô của nước Pháp là gì?",
            "Bagaimana cara mengatur ulang kata sandi saya?",
            "Hogyan állíthatom vissza a jelszavamat?",
            "Jaké je hlavní město Francie?",
        ] {
            assert_eq!(code(prompt), "latin", "{prompt}");
        }
    }

    #[test]
    fn english_with_names_and_jargon_stays_english() {
        for prompt in [
            "How do I restart kubelet on a k3s node?",
            "Who directed Amélie and La Haine?",
            "Is Thieu Nguyen still in office?",
            "best ramen in Shinjuku",
            "difference between ext4 and btrfs",
        ] {
            assert!(["en", "unclear"].contains(&code(prompt)), "{prompt}: {}", code(prompt));
        }
        assert_eq!(code("Wie setze ich mein Passwort zurück?"), "de");
    }

    #[test]
    fn without_a_lexicon_nothing_but_the_same_words_very_near_will_do() {
        let against = |a: &str, b: &str, similarity| {
            judge(a, &[Candidate { prompt: b, similarity }], None, &Settings::default()).findings.remove(0).against
        };
        let (asked, again) = ("Mitä kissat syövät talvella?", "mitä kissat syövät talvella");
        assert_eq!(against(asked, again, 0.94), Some(Cause::NoLexicon.into()));
        assert_eq!(against(asked, again, 0.96), None);
        let other = "Mitä kissat juovat talvella?";
        assert_eq!(against(asked, other, 0.98), Some(Veto::Substitution.into()));
    }
}
