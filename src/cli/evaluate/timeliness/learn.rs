//! Logistic regression, small and the same on every machine: full batches in a fixed order, steps as AdaGrad has them
//! (Duchi, Hazan, Singer, JMLR 12, 2011), weights held small by an L2 penalty.

/// One row: the features that are not zero, and the class.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) features: Vec<(usize, f32)>,
    pub(super) class: usize,
}

/// Weights by class: of each feature, and to begin with.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    pub(super) bias: Vec<f64>,
    pub(super) weights: Vec<Vec<f64>>,
}

/// How rows are learned from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Times all rows are looked at.
    pub(super) rounds: usize,
    /// What the square of a weight costs, in rows.
    pub(super) penalty: f64,
}

/// Learns to tell `classes` apart by `features` features. Every class counts as much as its rows do.
pub(super) fn learn<'a>(
    rows: impl Iterator<Item = &'a Row> + Clone,
    features: usize,
    classes: usize,
    manner: Manner,
) -> Learned {
    const STEP: f64 = 0.5;
    let count = rows.clone().count().max(1);
    #[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^52")]
    let count = count as f64;
    let mut learned = Learned { bias: vec![0.0; classes], weights: vec![vec![0.0; classes]; features] };
    let mut seen = Learned { bias: vec![1e-8; classes], weights: vec![vec![1e-8; classes]; features] };
    for _ in 0..manner.rounds {
        let mut slope = Learned { bias: vec![0.0; classes], weights: vec![vec![0.0; classes]; features] };
        for row in rows.clone() {
            let mut odds = learned.odds(&row.features);
            odds[row.class] -= 1.0;
            for (class, error) in odds.iter().enumerate() {
                slope.bias[class] += error / count;
                for (feature, value) in &row.features {
                    slope.weights[*feature][class] += error * f64::from(*value) / count;
                }
            }
        }
        for feature in 0..features {
            for class in 0..classes {
                let slope = slope.weights[feature][class] + manner.penalty / count * learned.weights[feature][class];
                let seen = &mut seen.weights[feature][class];
                *seen += slope * slope;
                learned.weights[feature][class] -= STEP * slope / seen.sqrt();
            }
        }
        for class in 0..classes {
            seen.bias[class] += slope.bias[class] * slope.bias[class];
            learned.bias[class] -= STEP * slope.bias[class] / seen.bias[class].sqrt();
        }
    }
    learned
}

impl Learned {
    /// The probability of each class.
    pub(super) fn odds(&self, features: &[(usize, f32)]) -> Vec<f64> {
        let mut scores = self.bias.clone();
        for (feature, value) in features {
            for (score, weight) in scores.iter_mut().zip(&self.weights[*feature]) {
                *score += weight * f64::from(*value);
            }
        }
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        scores.iter_mut().for_each(|score| *score = (*score - top).exp());
        let sum: f64 = scores.iter().sum();
        scores.iter_mut().for_each(|score| *score /= sum);
        scores
    }

    /// The likeliest class, the first of those as likely.
    pub(super) fn class(&self, features: &[(usize, f32)]) -> usize {
        let odds = self.odds(features);
        let mut best = 0;
        for class in 1..odds.len() {
            if odds[class] > odds[best] {
                best = class;
            }
        }
        best
    }
}
