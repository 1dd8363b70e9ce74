//! The engine: look up, coalesce, hand out the right to fill, fill.
