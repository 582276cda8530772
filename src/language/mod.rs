//! The Image Serving modifier language: text to commands to a [`Recipe`]. Knows no pixels and nothing else of ours.
