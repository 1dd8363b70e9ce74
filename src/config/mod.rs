//! Configuration: loading, validating, explaining, reloading.
