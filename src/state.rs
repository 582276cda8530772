//! What every room of a running service shares.
