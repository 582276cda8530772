//! Telling people: mail through lettre.
/// x
pub struct Mailer;
