//! Rows of one width in one piece of memory, numbered densely.

use std::ops::Range;

/// A row's number. Numbers are dense: taking a row out gives its number to the last one.
pub(super) type Row = u32;

/// Rows of `width` items each.
#[derive(Debug)]
pub(super) struct Rows<T> {
    width: usize,
    items: Vec<T>,
}

impl<T: Copy> Rows<T> {
    /// No rows yet.
    pub(super) const fn new(width: usize) -> Self {
        Self { width, items: Vec::new() }
    }

    /// Items of each row.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub(super) const fn len(&self) -> usize {
        self.items.len() / self.width
    }

    /// The items of a row.
    pub(super) fn row(&self, row: Row) -> &[T] {
        let start = row as usize * self.width;
        &self.items[start..start + self.width]
    }

    /// The items of a row, to be changed.
    pub(super) fn row_mut(&mut self, row: Row) -> &mut [T] {
        let start = row as usize * self.width;
        &mut self.items[start..start + self.width]
    }

    /// The items of the rows numbered so, in order.
    pub(super) fn range(&self, rows: Range<usize>) -> &[T] {
        &self.items[rows.start * self.width..rows.end * self.width]
    }

    /// Appends a row of the right width.
    pub(super) fn push(&mut self, row: &[T]) {
        assert_eq!(row.len(), self.width, "rows have one width");
        if self.items.capacity() - self.items.len() < self.width {
            // An eighth more at a time: doubling would leave up to half of a large block unused.
            self.items.reserve_exact(self.width.max(self.items.len() / 8));
        }
        self.items.extend_from_slice(row);
    }

    /// Takes a row out by putting the last row in its place, and gives memory back when little of it is used.
    pub(super) fn swap_remove(&mut self, row: Row) {
        let last = self.items.len() - self.width;
        self.items.copy_within(last.., row as usize * self.width);
        self.items.truncate(last);
        if self.items.capacity() > 4 * self.items.len().max(self.width) {
            self.items.shrink_to(2 * self.items.len());
        }
    }

    /// Memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>()
    }
}
