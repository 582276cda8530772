//! `offprint licenses`: prints the licences of Offprint and of the software that it contains.

use std::io::Write;

use offprint_core::Code;

use super::CliError;

/// Offprint's own licences, either of which may be chosen, and then those of others.
const TEXTS: [&str; 3] = [
    include_str!("../../LICENSE-MIT"),
    include_str!("../../LICENSE-APACHE"),
    include_str!("../../licenses/THIRD-PARTY.txt"),
];

pub fn run_licenses() -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(TEXTS.join("\n").as_bytes()) {
        // A reader such as `head` may have seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::new(Code::Internal, format!("The licences could not be printed: {error}.")))
        }
        _ => Ok(()),
    }
}
