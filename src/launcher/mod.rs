//! The load generator behind the `rockets` binary.
