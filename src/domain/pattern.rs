//! Patterns over names, as routes and prices write them.

/// A model name in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// Reads a pattern as the configuration writes it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.split('*').map(str::to_owned).collect())
    }

    /// The text before the first `*`; `None` when there is no `*`.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        match &*self.0 {
            [prefix, _, ..] => Some(prefix),
            _ => None,
        }
    }

    /// Whether every name fits.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.0.len() > 1 && self.0.iter().all(String::is_empty)
    }

    /// Whether `name` fits, whole.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let [first, middle @ .., last] = &*self.0 else { return self.0.first().is_some_and(|whole| whole == name) };
        let Some(rest) = name.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        // Taking each piece at its first place leaves the most room for those behind it.
        for piece in middle {
            match rest.split_once(piece.as_str()) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-*", "gpt-", true),
            ("*-mini", "gpt-4o-mini", true),
            ("*/llama*:8b", "hf.co/meta/llama3.1:8b", true),
            ("*/llama*:8b", "llama3:8b", false),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("**", "", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} on {name}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_takes_every_name_made_from_it(
            pieces in prop::collection::vec("[ab/]{0,3}", 1..5),
            fillings in prop::collection::vec("[ab/]{0,3}", 4),
        ) {
            let name = pieces.iter().enumerate().fold(String::new(), |name, (at, piece)| {
                let filling = if at == 0 { "" } else { fillings[at - 1].as_str() };
                name + filling + piece
            });
            prop_assert!(Pattern::new(&pieces.join("*")).matches(&name));
        }
    }
}
