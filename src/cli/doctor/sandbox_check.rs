//! The sandbox of render processes: what it enforces on this kernel.

use offprint_imaging::ProfileLibrary;
use serde_json::Value;

use super::report::DoctorReport;
use crate::app::RenderPools;
use crate::settings::Settings;

/// Starts one render process and asks what confines it.
pub(super) async fn check_sandbox(settings: &Settings, report: &mut DoctorReport) {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    match read_confinement(settings).await {
        Ok(limits) => {
            let missing: Vec<&str> = limits.iter().filter(|(_, holds)| !holds).map(|(name, _)| name.as_str()).collect();
            if missing.is_empty() {
                let all: Vec<&str> = limits.iter().map(|(name, _)| name.as_str()).collect();
                return report.pass("sandbox", format!("kernel {kernel} enforces {}", all.join(", ")));
            }
            report.warn(
                "sandbox",
                format!("kernel {kernel} does not enforce {} for render processes", missing.join(", ")),
                "Use Linux 6.7 or later with Landlock, and a container runtime whose seccomp profile allows it",
            );
        }
        Err(reason) => report.fail(
            "sandbox",
            format!("No render process can be started: {reason}"),
            "Start this very binary where it may execute itself, with at least OFFPRINT_MAX_RENDER_MEMORY of memory",
        ),
    }
}

/// The limits by name, and whether each is in force. Names come from what render processes report.
async fn read_confinement(settings: &Settings) -> Result<Vec<(String, bool)>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut settings = settings.clone();
    settings.database.data_dir = folder.path().to_owned();
    let pools = RenderPools::open(&settings, ProfileLibrary::default(), "/proc/self/exe".into(), None)
        .map_err(|error| error.to_string())?;
    let confinement = pools.items.confinement().await.map_err(|failure| failure.detail)?;
    let Ok(Value::Object(limits)) = serde_json::to_value(confinement) else { return Ok(Vec::new()) };
    Ok(limits.into_iter().filter_map(|(name, holds)| Some((name, holds.as_bool()?))).collect())
}
