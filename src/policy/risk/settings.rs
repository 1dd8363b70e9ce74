//! What the operator may set about risk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::table::Table;

/// The budget, what it is first judged by, and how it is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The largest share of wrong answers among those served by meaning, in (0, 1].
    pub max_false_hit_rate: f64,
    /// What is done while nothing shows that a level keeps to it.
    pub until_certified: UntilCertified,
    /// Labelled hits that say which level keeps to the budget before anything is known of this installation's own
    /// traffic.
    #[serde(skip)]
    pub calibration: Arc<Table>,
    /// Checking what is served.
    pub shadow: Shadow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_false_hit_rate: 0.01,
            until_certified: UntilCertified::default(),
            calibration: Table::shipped(),
            shadow: Shadow::default(),
        }
    }
}

/// What is done while no level is shown to keep to the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UntilCertified {
    /// The judge is believed, at the loosest level that the evidence does not speak against, and called not certified.
    #[default]
    Judge,
    /// Nothing is matched by meaning.
    Exact,
}

/// Checks of served hits: the upstream is asked again in the background, and the answers are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shadow {
    /// Which share of the answers served by meaning is checked; 0 for none.
    pub rate: f64,
    /// The most upstream calls a day for it.
    pub calls_per_day: u64,
    /// The most tokens a day for it, as the answers report them.
    pub tokens_per_day: u64,
    /// A model that is asked whether two answers say the same where comparing them does not tell; routed like any
    /// other model name. Empty for none.
    pub judge_model: String,
}

impl Default for Shadow {
    fn default() -> Self {
        Self { rate: 0.02, calls_per_day: 200, tokens_per_day: 200_000, judge_model: String::new() }
    }
}
