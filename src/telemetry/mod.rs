//! What happened, counted: counters, latency histograms, the log.
