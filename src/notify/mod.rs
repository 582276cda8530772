//! Telling people: mail through lettre.
