//! Which rows of a matrix a graph leads to, and which it does not.
//!
//! A row is in one of three places: among the members of a node of the graph, pending (the graph does not have it
//! yet), or in the overflow (the graph was given it, or a node near it, but does not lead there). Pending and
//! overflowing rows are scanned by every search, so that no row is ever out of reach.

use std::sync::Arc;

use super::graph::{Graph, Node};
use super::matrix::Removal;
use super::rows::Row;

/// Candidates weighed by a search before recall was measured.
const EF: usize = 64;

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// Among a node's members.
    Node(Node),
    /// In the pending list, at this place.
    Pending(u32),
    /// In the overflow list, at this place.
    Overflow(u32),
}

/// How far checking a graph's nodes has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Audit {
    /// The node to check next; 0 while no audit is under way.
    pub(super) next: Node,
    /// Nodes there were when the last audit ended.
    pub(super) done_at: usize,
}

impl Audit {
    /// An audit is under way, or is to begin since the graph has doubled.
    pub(super) fn is_due(self, nodes: usize) -> bool {
        self.next > 0 || nodes > 2 * self.done_at
    }
}

/// A graph and what it leads to.
#[derive(Debug)]
pub(super) struct Cover {
    pub(super) graph: Arc<Graph>,
    /// Candidates that a search weighs.
    pub(super) ef: usize,
    /// How far checking the graph has come.
    pub(super) audit: Audit,
    anchors: Vec<Anchor>,
    members: Vec<Vec<Row>>,
    pending: Vec<Row>,
    overflow: Vec<Row>,
    /// Nodes without members.
    dead: usize,
    /// Nodes at which too large an overflow becomes a reason to build anew.
    overflow_matters_from: usize,
}

impl Cover {
    /// A cover of `rows` rows, all pending, with an empty graph.
    pub(super) fn new(dimension: usize, rows: usize) -> Self {
        let mut cover = Self {
            graph: Arc::new(Graph::new(dimension, rows)),
            ef: EF,
            audit: Audit::default(),
            anchors: Vec::with_capacity(rows),
            members: Vec::new(),
            pending: Vec::with_capacity(rows),
            overflow: Vec::new(),
            dead: 0,
            overflow_matters_from: rows,
        };
        (0..rows).for_each(|_| cover.added());
        cover
    }

    /// Follows the matrix: a row was appended.
    pub(super) fn added(&mut self) {
        let row = count(self.anchors.len());
        self.anchors.push(Anchor::Pending(count(self.pending.len())));
        self.pending.push(row);
    }

    /// Follows the matrix: a row was taken out, and its number given to the last.
    pub(super) fn removed(&mut self, Removal { row, last }: Removal) {
        self.detach(row);
        if row != last {
            let anchor = self.anchors[last as usize];
            match anchor {
                Anchor::Pending(place) => self.pending[place as usize] = row,
                Anchor::Overflow(place) => self.overflow[place as usize] = row,
                Anchor::Node(node) => {
                    for member in self.members[node as usize].iter_mut().filter(|member| **member == last) {
                        *member = row;
                    }
                }
            }
            self.anchors[row as usize] = anchor;
        }
        self.anchors.pop();
    }

    /// A row that the graph is still to be given: the oldest ones last, for the list is used as a stack.
    pub(super) fn next_pending(&self) -> Option<Row> {
        self.pending.last().copied()
    }

    /// Notes that the graph has a new node, as yet without members.
    pub(super) fn grown(&mut self) {
        self.members.push(Vec::new());
        self.dead += 1;
    }

    /// Makes a row a member of a node.
    pub(super) fn settle(&mut self, row: Row, node: Node) {
        self.detach(row);
        self.anchors[row as usize] = Anchor::Node(node);
        let members = &mut self.members[node as usize];
        self.dead -= usize::from(members.is_empty());
        members.push(row);
    }

    /// Moves a row to the overflow.
    pub(super) fn overflow(&mut self, row: Row) {
        self.detach(row);
        self.anchors[row as usize] = Anchor::Overflow(count(self.overflow.len()));
        self.overflow.push(row);
    }

    /// The rows that a node leads to.
    pub(super) fn members(&self, node: Node) -> &[Row] {
        self.members.get(node as usize).map_or(&[], Vec::as_slice)
    }

    /// The rows that no node leads to.
    pub(super) fn loose(&self) -> impl Iterator<Item = Row> {
        self.pending.iter().chain(&self.overflow).copied()
    }

    /// Nodes of the graph.
    pub(super) fn nodes(&self) -> usize {
        self.members.len()
    }

    /// Rows of which the graph knows nothing.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether searching the graph and every loose row is less work than scanning the matrix.
    pub(super) fn is_worth_using(&self) -> bool {
        2 * (self.pending.len() + self.overflow.len()) < self.anchors.len()
    }

    /// Whether the graph should be built anew: past 30 % of its nodes are dead, or past 10 % of the rows overflow.
    pub(super) fn is_worn(&self) -> bool {
        let overflows = 10 * self.overflow.len() > self.anchors.len();
        10 * self.dead > 3 * self.nodes() || (overflows && self.nodes() >= self.overflow_matters_from)
    }

    /// Notes that the graph was just built: an overflow that is large even so is the data's doing, and only a graph
    /// twice as large may do better.
    pub(super) fn completed(&mut self) {
        self.overflow_matters_from = 2 * self.nodes();
    }

    /// Approximate memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let lists = (self.pending.capacity() + self.overflow.capacity()) * size_of::<Row>();
        let members = self.members.iter().map(|members| members.capacity() * size_of::<Row>()).sum::<usize>();
        let anchors = self.anchors.capacity() * size_of::<Anchor>();
        self.graph.bytes() + lists + anchors + members + self.members.capacity() * size_of::<Vec<Row>>()
    }

    /// Takes a row out of where it is; its anchor is stale until it is put elsewhere.
    fn detach(&mut self, row: Row) {
        match self.anchors[row as usize] {
            Anchor::Pending(place) => {
                self.pending.swap_remove(place as usize);
                if let Some(moved) = self.pending.get(place as usize) {
                    self.anchors[*moved as usize] = Anchor::Pending(place);
                }
            }
            Anchor::Overflow(place) => {
                self.overflow.swap_remove(place as usize);
                if let Some(moved) = self.overflow.get(place as usize) {
                    self.anchors[*moved as usize] = Anchor::Overflow(place);
                }
            }
            Anchor::Node(node) => {
                let members = &mut self.members[node as usize];
                members.retain(|member| *member != row);
                self.dead += usize::from(members.is_empty());
            }
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a partition holds fewer vectors than u32 counts")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Cover {
        /// Every row is in exactly one place, and its anchor says which.
        fn check(&self) {
            let mut seen = vec![0; self.anchors.len()];
            for (place, row) in self.pending.iter().enumerate() {
                assert_eq!(self.anchors[*row as usize], Anchor::Pending(count(place)));
                seen[*row as usize] += 1;
            }
            for (place, row) in self.overflow.iter().enumerate() {
                assert_eq!(self.anchors[*row as usize], Anchor::Overflow(count(place)));
                seen[*row as usize] += 1;
            }
            for (node, members) in self.members.iter().enumerate() {
                for row in members {
                    assert_eq!(self.anchors[*row as usize], Anchor::Node(count(node)));
                    seen[*row as usize] += 1;
                }
            }
            assert!(seen.iter().all(|times| *times == 1), "{seen:?}");
            assert_eq!(self.dead, self.members.iter().filter(|members| members.is_empty()).count());
        }
    }

    proptest! {
        #[test]
        fn every_row_stays_in_exactly_one_place(acts in prop::collection::vec((0..5_u8, any::<prop::sample::Index>()), 0..80)) {
            let mut cover = Cover::new(2, 3);
            for (act, pick) in acts {
                let rows = cover.anchors.len();
                match act {
                    0 => cover.added(),
                    1 => cover.grown(),
                    _ if rows == 0 => {}
                    2 => cover.removed(Removal { row: count(pick.index(rows)), last: count(rows - 1) }),
                    3 => cover.overflow(count(pick.index(rows))),
                    _ if cover.nodes() == 0 => {}
                    _ => cover.settle(count(pick.index(rows)), count(pick.index(cover.nodes()))),
                }
                cover.check();
            }
        }
    }
}
