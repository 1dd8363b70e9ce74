//! The only place that names concrete types: configuration to parts to a running server.
