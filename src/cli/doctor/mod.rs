//! `offprint doctor`: checks an installation with the settings of `serve`, and says for each part whether it works and
//! what to do if not. It starts nothing, migrates nothing and sends no mail; what it writes to the storage it deletes.
//!
//! Each file checks one part and adds its findings to the [`DoctorReport`]; a check that cannot be done because an
//! earlier one failed is left out. Begin reading with [`run_doctor`].

mod database_checks;
mod host_checks;
mod report;
mod sandbox_check;
mod service_checks;

use std::process::ExitCode;

use self::report::DoctorReport;
use super::{CliError, client};
use crate::settings::Settings;

/// Arguments of `offprint doctor`.
#[derive(clap::Args)]
pub struct DoctorArgs {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: Box<Settings>,
}

/// Prints all findings. Exit code 1 when something does not work; warnings do not count.
pub fn run_doctor(arguments: DoctorArgs) -> Result<ExitCode, CliError> {
    let DoctorArgs { json, settings } = arguments;
    let report = client::run_in_runtime(async { Ok(examine_installation(*settings).await) })?;
    report.print(json)?;
    Ok(if report.has_failed() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

async fn examine_installation(settings: Settings) -> DoctorReport {
    let mut report = DoctorReport::default();
    let settings = match settings.clone().with_secrets() {
        Ok(settings) => settings,
        Err(reason) => {
            report.fail("settings", reason, "Correct that file or setting");
            settings
        }
    };
    service_checks::check_settings(&settings, &mut report);
    host_checks::check_data_dir(&settings, &mut report);
    database_checks::check_database(&settings, &mut report).await;
    service_checks::check_storage(&settings, &mut report).await;
    sandbox_check::check_sandbox(&settings, &mut report).await;
    service_checks::check_mail(&settings, &mut report).await;
    service_checks::check_public_url(&settings, &mut report).await;
    service_checks::check_identity_provider(&settings, &mut report).await;
    report
}
