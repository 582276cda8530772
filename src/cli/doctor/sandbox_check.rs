//! The sandbox of render processes: what is in force on this kernel, in this container.

use offprint_imaging::ProfileLibrary;
use offprint_sandbox::ConfinementLayer;

use super::report::DoctorReport;
use crate::app::RenderPools;
use crate::settings::{SandboxMode, Settings};

/// Starts one render process and asks what confines it.
pub(super) async fn check_sandbox(settings: &Settings, report: &mut DoctorReport) {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let pools = RenderPools::open(settings, ProfileLibrary::default(), "/proc/self/exe".into(), None);
    let confinement = match pools.items.confinement().await {
        Ok(confinement) => confinement,
        Err(failure) => {
            return report.fail(
                "sandbox",
                format!("No render process can be started: {}", failure.detail),
                "Start the binary where it may execute itself, with at least OFFPRINT_MAX_RENDER_MEMORY of memory",
            );
        }
    };
    let missing: Vec<&ConfinementLayer> = confinement.list_missing_layers().collect();
    for layer in &missing {
        let detail = format!("Render processes are not confined by {} (kernel {kernel})", layer.name);
        if layer.is_required && settings.sandbox == SandboxMode::Required {
            report.fail("sandbox", detail, layer.remedy);
        } else {
            report.warn("sandbox", detail, layer.remedy);
        }
    }
    if missing.is_empty() {
        report.pass("sandbox", format!("No part of the confinement of render processes is missing (kernel {kernel})"));
    }
}
