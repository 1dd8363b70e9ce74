//! The best few of many neighbours.

use std::cmp::Ordering;

use super::Neighbour;

/// Keeps the `count` most similar of the neighbours offered that are at least `least` similar; ties go to the lower id.
#[derive(Debug)]
pub(super) struct Nearest {
    count: usize,
    least: f32,
    /// Most similar first.
    kept: Vec<Neighbour>,
}

impl Nearest {
    /// An empty collection.
    pub(super) fn new(count: usize, least: f32) -> Self {
        Self { count, least, kept: Vec::with_capacity(count.min(64) + 1) }
    }

    /// The similarity below which no neighbour would be kept.
    pub(super) fn bar(&self) -> f32 {
        match self.kept.last() {
            _ if self.count == 0 => f32::INFINITY,
            Some(worst) if self.kept.len() >= self.count => worst.similarity,
            _ => self.least,
        }
    }

    /// Considers a neighbour. Each id must be offered at most once.
    pub(super) fn offer(&mut self, neighbour: Neighbour) {
        if neighbour.similarity < self.least {
            return;
        }
        if self.kept.len() >= self.count {
            match self.kept.last() {
                Some(worst) if order(&neighbour, worst) == Ordering::Less => {
                    self.kept.pop();
                }
                _ => return,
            }
        }
        let place = self.kept.partition_point(|kept| order(kept, &neighbour) == Ordering::Less);
        self.kept.insert(place, neighbour);
    }

    /// What was kept, most similar first.
    pub(super) fn into_vec(self) -> Vec<Neighbour> {
        self.kept
    }
}

/// The order of a search's result: similarity downwards, then id upwards.
pub(super) fn order(a: &Neighbour, b: &Neighbour) -> Ordering {
    b.similarity.total_cmp(&a.similarity).then(a.id.cmp(&b.id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::EntryId;

    proptest! {
        #[test]
        fn it_keeps_what_sorting_everything_would(scores in prop::collection::vec(0..20_u8, 0..40), count in 0..12_usize, least in 0..20_u8) {
            let least = f32::from(least) / 20.0;
            let mut all: Vec<_> = scores
                .iter()
                .zip(0_u8..)
                .map(|(score, n)| Neighbour { id: EntryId([n; 16]), similarity: f32::from(*score) / 20.0 })
                .collect();
            let mut nearest = Nearest::new(count, least);
            all.iter().for_each(|neighbour| nearest.offer(*neighbour));
            all.retain(|neighbour| neighbour.similarity >= least);
            all.sort_by(order);
            all.truncate(count);
            prop_assert_eq!(nearest.into_vec(), all);
        }
    }
}
