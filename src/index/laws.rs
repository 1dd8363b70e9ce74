//! What every search must do, on kind and on hostile data.

use std::collections::HashMap;

use fastrand::Rng;
use proptest::prelude::*;

use super::nearest::order;
use super::{Neighbour, Partitions, Settings, VectorIndex};
use crate::domain::{Digest, EntryId, Scope, Vector};

const DIMENSION: usize = 48;
/// Small, so that graphs are built in a test.
const SCAN_UP_TO: usize = 200;

fn scope() -> Scope {
    Scope(Digest::of(b"scope"))
}

fn id(n: usize) -> EntryId {
    EntryId((n as u128).to_be_bytes())
}

fn index() -> Partitions {
    Partitions::new(Settings { scan_up_to: SCAN_UP_TO })
}

/// A direction at random.
fn direction(rng: &mut Rng) -> Vec<f32> {
    // Sums of uniform numbers are close enough to normal ones for no direction to be preferred.
    (0..DIMENSION).map(|_| (0..6).map(|_| rng.f32() - 0.5).sum()).collect()
}

/// A vector near `centre`; `spread` 0 is the centre itself.
fn near(centre: &[f32], spread: f32, rng: &mut Rng) -> Vector {
    let noise = direction(rng);
    Vector::normalised(centre.iter().zip(noise).map(|(centre, noise)| centre + spread * noise).collect()).unwrap()
}

fn random(count: usize, rng: &mut Rng) -> Vec<Vector> {
    (0..count).map(|_| near(&[0.0; DIMENSION], 1.0, rng)).collect()
}

/// Clusters of `size`, as prompts made from templates are.
fn clustered(count: usize, size: usize, spread: f32, rng: &mut Rng) -> Vec<Vector> {
    let centres: Vec<_> = (0..count.div_ceil(size)).map(|_| direction(rng)).collect();
    (0..count).map(|n| near(&centres[n / size], spread, rng)).collect()
}

fn truth(vectors: &[Vector], query: &Vector, count: usize) -> Vec<Neighbour> {
    let scored = vectors.iter().enumerate();
    let mut all: Vec<_> = scored.map(|(n, vector)| Neighbour { id: id(n), similarity: query.cosine(vector) }).collect();
    all.sort_by(order);
    all.truncate(count);
    all
}

fn filled(vectors: &[Vector]) -> Partitions {
    let index = index();
    for (n, vector) in vectors.iter().enumerate() {
        index.insert(scope(), id(n), vector.clone());
    }
    index
}

/// The share of each vector's true neighbours that searches find.
fn recall(index: &Partitions, vectors: &[Vector], queries: &[Vector], count: usize) -> f64 {
    let mut found = 0;
    for query in queries {
        let truth = truth(vectors, query, count);
        let worst = truth.last().unwrap().similarity;
        found += index.search(scope(), query, count, -1.0).iter().filter(|near| near.similarity >= worst).count();
    }
    found as f64 / (queries.len() * count) as f64
}

#[test]
fn a_scan_finds_all_that_is_near_enough_and_nothing_else() {
    let mut rng = Rng::with_seed(9);
    let vectors = clustered(150, 10, 0.4, &mut rng);
    let index = filled(&vectors);
    for query in vectors.iter().step_by(7) {
        for (count, least) in [(8, -1.0), (8, 0.5), (3, 0.8)] {
            let mut truth = truth(&vectors, query, count);
            truth.retain(|near| near.similarity >= least);
            assert_eq!(index.search(scope(), query, count, least), truth);
        }
    }
    assert_eq!(index.census().graphs, 0);
}

#[test]
fn random_vectors_are_found_through_the_graph() {
    let mut rng = Rng::with_seed(1);
    let vectors = random(700, &mut rng);
    let index = filled(&vectors);
    index.settle();
    assert_eq!(index.census().graphs, 1);
    let queries: Vec<_> = vectors[..100].iter().map(|vector| near(vector.as_slice(), 0.1, &mut rng)).collect();
    let recall = recall(&index, &vectors, &queries, 8);
    assert!(recall > 0.97, "{recall}");
    assert_eq!(self_recall(&index, &vectors), 1.0);
}

#[test]
fn clusters_are_found_through_the_graph() {
    let mut rng = Rng::with_seed(2);
    for (size, spread) in [(5, 0.3), (60, 0.2), (200, 0.5)] {
        let vectors = clustered(400, size, spread, &mut rng);
        let index = filled(&vectors);
        index.settle();
        assert_eq!(index.census().graphs, 1);
        let recall = recall(&index, &vectors, &vectors[..100], 4);
        assert!(recall > 0.97, "clusters of {size}: {recall}");
        assert_eq!(self_recall(&index, &vectors), 1.0, "clusters of {size}");
    }
}

/// The data on which a bare graph loses a third of its points.
#[test]
fn identical_vectors_first_hide_nothing() {
    let mut rng = Rng::with_seed(3);
    let centre = direction(&mut rng);
    let mut vectors: Vec<_> = (0..33).map(|_| near(&centre, 0.0, &mut rng)).collect();
    vectors.extend(random(300, &mut rng));
    vectors.extend((0..100).map(|n| near(&centre, n as f32 / 3000.0, &mut rng)));
    let index = filled(&vectors);
    index.settle();
    assert_eq!(index.census().graphs, 1);
    assert_eq!(self_recall(&index, &vectors), 1.0);
    assert_eq!(index.search(scope(), &vectors[0], 33, -1.0), truth(&vectors, &vectors[0], 33));
}

/// The share of vectors that are their own nearest neighbour, or whose nearest is exactly as near.
fn self_recall(index: &Partitions, vectors: &[Vector]) -> f64 {
    let itself = |vector: &&Vector| {
        let best = index.search(scope(), vector, 1, -1.0);
        best.first().is_some_and(|best| best.similarity > 1.0 - 1e-5)
    };
    vectors.iter().filter(itself).count() as f64 / vectors.len() as f64
}

#[test]
fn a_vector_is_found_at_once_while_the_graph_is_built() {
    let mut rng = Rng::with_seed(4);
    let index = index();
    for (n, vector) in random(500, &mut rng).into_iter().enumerate() {
        index.insert(scope(), id(n), vector.clone());
        assert_eq!(index.search(scope(), &vector, 1, -1.0)[0].id, id(n));
    }
}

#[test]
fn removed_vectors_stay_away_and_a_worn_graph_is_built_anew() {
    let mut rng = Rng::with_seed(5);
    let vectors = random(500, &mut rng);
    let index = filled(&vectors);
    index.settle();
    let (gone, left) = (0..250, 250..500);
    for n in gone.clone() {
        index.remove(scope(), id(n));
        assert!(index.search(scope(), &vectors[n], 8, -1.0).iter().all(|near| near.id != id(n)));
    }
    index.settle();
    assert_eq!(index.census().vectors, 250);
    assert_eq!(index.census().graphs, 1);
    for n in left {
        assert_eq!(index.search(scope(), &vectors[n], 1, -1.0)[0].id, id(n));
    }
    for n in gone {
        assert!(index.search(scope(), &vectors[n], 8, -1.0).iter().all(|near| near.id >= id(250)));
    }
}

#[test]
fn a_partition_that_shrinks_is_scanned_again() {
    let mut rng = Rng::with_seed(6);
    let index = filled(&random(300, &mut rng));
    index.settle();
    assert_eq!(index.census().graphs, 1);
    (0..220).for_each(|n| index.remove(scope(), id(n)));
    index.settle();
    assert_eq!(index.census().graphs, 0);
    assert_eq!(index.census().vectors, 80);
}

#[test]
fn an_index_can_be_dropped_in_the_middle_of_building() {
    let mut rng = Rng::with_seed(7);
    drop(filled(&random(2000, &mut rng)));
}

#[test]
fn writers_and_readers_meet_without_harm() {
    let mut rng = Rng::with_seed(8);
    let vectors = random(600, &mut rng);
    let index = filled(&vectors[..300]);
    std::thread::scope(|threads| {
        for part in 0..3 {
            let (index, vectors) = (&index, &vectors);
            threads.spawn(move || {
                for n in (300 + part * 100)..(400 + part * 100) {
                    index.insert(scope(), id(n), vectors[n].clone());
                    assert_eq!(index.search(scope(), &vectors[n], 1, -1.0)[0].id, id(n));
                    index.remove(scope(), id(n - 300));
                    assert!(
                        index.search(scope(), &vectors[n - 300], 4, -1.0).iter().all(|near| near.id != id(n - 300))
                    );
                }
            });
        }
    });
    index.settle();
    assert_eq!(index.census().vectors, 300);
    assert_eq!(self_recall(&index, &vectors[300..]), 1.0);
}

#[derive(Debug, Clone)]
enum Act {
    Insert(u8, u8),
    Remove(u8),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Few ids and few vectors, many of them equal, over partitions that grow graphs at 8 vectors: whatever happens,
    /// a search returns only what is there, exactly scored and in order, and its best is the true best.
    #[test]
    fn any_history_leaves_exactly_what_was_left(
        seed in any::<u64>(),
        acts in prop::collection::vec(
            prop_oneof![
                3 => (0..60_u8, 0..40_u8).prop_map(|(id, vector)| Act::Insert(id, vector)),
                1 => (0..60_u8).prop_map(Act::Remove),
            ],
            0..200,
        ),
    ) {
        let mut rng = Rng::with_seed(seed);
        let palette = clustered(40, 8, 0.1, &mut rng);
        let index = Partitions::new(Settings { scan_up_to: 8 });
        let mut there: HashMap<EntryId, Vector> = HashMap::new();
        for (n, act) in acts.into_iter().enumerate() {
            match act {
                Act::Insert(who, which) => {
                    index.insert(scope(), id(who.into()), palette[usize::from(which)].clone());
                    there.insert(id(who.into()), palette[usize::from(which)].clone());
                }
                Act::Remove(who) => {
                    index.remove(scope(), id(who.into()));
                    there.remove(&id(who.into()));
                }
            }
            if n % 50 == 0 {
                index.settle();
            }
            let query = &palette[n % palette.len()];
            let least = [-1.0, 0.5, 0.95][n % 3];
            let found = index.search(scope(), query, 5, least);
            prop_assert!(found.is_sorted_by(|a, b| order(a, b).is_lt()));
            for near in &found {
                prop_assert_eq!(there.get(&near.id).map(|vector| query.cosine(vector)), Some(near.similarity));
            }
            let near = there.values().map(|vector| query.cosine(vector)).filter(|similarity| *similarity >= least);
            let best = near.max_by(f32::total_cmp);
            prop_assert_eq!(index.holds_any(scope()), !there.is_empty());
            prop_assert_eq!(found.first().map(|near| near.similarity), best);
        }
        prop_assert_eq!(index.census().vectors, there.len());
    }
}
