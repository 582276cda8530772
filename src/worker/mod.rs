//! Moves items through the house in the background: claim, render, settle, sweep, seal.
