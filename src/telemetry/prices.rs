//! What tokens cost, so that savings can be told in money.

use serde::{Deserialize, Serialize};

use crate::domain::{Pattern, Usage};

/// Providers give their prices for this many tokens.
const PER: f64 = 1e6;

/// One `[[price]]`: what the tokens of some models cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Model names as clients write them; `*` stands for any text.
    pub model: String,
    /// The upstream that it holds for; without one, every upstream.
    #[serde(default)]
    pub upstream: Option<String>,
    /// Price of a million prompt tokens, in the operator's currency.
    pub input: f64,
    /// Price of a million completion tokens, in the same currency.
    pub output: f64,
}

/// The prices, in the order of the configuration; the first that fits holds.
#[derive(Debug, Clone, Default)]
pub struct Prices(Vec<(Pattern, Price)>);

impl Prices {
    /// Prices as they are configured.
    #[must_use]
    pub fn new(prices: &[Price]) -> Self {
        Self(prices.iter().map(|price| (Pattern::new(&price.model), price.clone())).collect())
    }

    /// What these tokens cost, in the currency of the prices; nothing where no price fits.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "money is told to people, rounded")]
    pub fn cost(&self, upstream: &str, model: &str, usage: Usage) -> f64 {
        let fits = |(pattern, price): &&(Pattern, Price)| {
            price.upstream.as_deref().is_none_or(|only| only == upstream) && pattern.matches(model)
        };
        self.0.iter().find(fits).map_or(0.0, |(_, price)| {
            (usage.prompt as f64 * price.input + usage.completion as f64 * price.output) / PER
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_price_that_fits_holds() {
        let price = |model: &str, upstream: Option<&str>, input, output| Price {
            model: model.to_owned(),
            upstream: upstream.map(str::to_owned),
            input,
            output,
        };
        let prices = Prices::new(&[
            price("*", Some("ollama"), 0.0, 0.0),
            price("gpt-4o-mini", None, 0.15, 0.6),
            price("gpt-4o*", None, 2.5, 10.0),
        ]);
        let usage = Usage { prompt: 2_000_000, completion: 100_000 };
        for (upstream, model, expected) in [
            ("openai", "gpt-4o-mini", 0.36),
            ("openai", "gpt-4o-2024-08-06", 6.0),
            ("ollama", "gpt-4o", 0.0),
            ("openai", "o3", 0.0),
        ] {
            let cost = prices.cost(upstream, model, usage);
            assert!((cost - expected).abs() < 1e-9, "{upstream} {model}: {cost}");
        }
    }
}
