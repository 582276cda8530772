//! Settings that contradict each other, the storage, mail, and the public address.

use std::time::Duration;

use offprint_imaging::ProfileLibrary;
use offprint_sandbox::find_default_memory;
use offprint_storage::{Storage, StorageError};

use super::report::DoctorReport;
use crate::cli::{client, serve};
use crate::notify::Mailer;
use crate::oidc::{IdentityProvider, OidcConfig, check_oidc_settings};
use crate::settings::Settings;

/// Timeout of the request to the public address.
const PUBLIC_URL_TIMEOUT: Duration = Duration::from_secs(5);
/// The idle timeout of usual proxies.
const USUAL_PROXY_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings that are each valid, but not together.
pub(super) fn check_settings(settings: &Settings, report: &mut DoctorReport) {
    let problems_before = report.count_problems();
    if let Err(error) = serve::check_network_access(settings) {
        report.fail("settings", error.detail, "Set OFFPRINT_AUTH=keys, or listen on 127.0.0.1");
    }
    if let Err(detail) = check_oidc_settings(settings) {
        report.fail("settings", detail, "Correct the settings OFFPRINT_OIDC_…");
    }
    let profiles = ProfileLibrary::read(&settings.modifiers.icc_dir);
    if let Err(error) = serve::build_attributes(&settings.modifiers, &profiles) {
        report.fail("settings", error.detail, "Correct OFFPRINT_ATTRIBUTES");
    }
    if settings.metrics_bind.is_some_and(|bind| bind == settings.bind && bind.port() != 0) {
        report.fail(
            "settings",
            format!("OFFPRINT_METRICS_BIND and OFFPRINT_BIND are the same address, {}", settings.bind),
            "Set OFFPRINT_METRICS_BIND to another port",
        );
    }
    check_memory(settings, report);
    check_proxy_settings(settings, report);
    if settings.storage.storage_url.is_some() && settings.database.database_url.is_none() {
        report.warn(
            "settings",
            "OFFPRINT_STORAGE_URL names an object store, but the database is private to this machine",
            "Set DATABASE_URL if other machines should share the work, and back up both together",
        );
    }
    if settings.smtp_url.is_some() && settings.mail_from.contains("@localhost") {
        report.warn(
            "settings",
            format!("Mails are sent as {}, which other mail servers reject", settings.mail_from),
            "Set OFFPRINT_MAIL_FROM to an address of yours",
        );
    }
    if report.count_problems() == problems_before {
        report.pass("settings", "They do not contradict each other");
    }
}

fn check_memory(settings: &Settings, report: &mut DoctorReport) {
    let all_renders = if settings.render_memory == 0 { find_default_memory() } else { settings.render_memory };
    if settings.max_render_memory > all_renders {
        report.warn(
            "settings",
            format!(
                "One render may take {} MiB (OFFPRINT_MAX_RENDER_MEMORY), all together {} MiB (OFFPRINT_RENDER_MEMORY)",
                settings.max_render_memory >> 20,
                all_renders >> 20
            ),
            "Raise OFFPRINT_RENDER_MEMORY, or lower OFFPRINT_MAX_RENDER_MEMORY to it",
        );
    }
}

fn check_proxy_settings(settings: &Settings, report: &mut DoctorReport) {
    let is_https = settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    if is_https && settings.trusted_proxies.is_empty() {
        report.warn(
            "settings",
            "OFFPRINT_PUBLIC_URL is https, so there is a proxy, but OFFPRINT_TRUSTED_PROXIES is empty: all clients count \
             as one",
            "Set OFFPRINT_TRUSTED_PROXIES to the proxy's address",
        );
    }
    for network in settings.trusted_proxies.iter().filter(|network| network.prefix_len() == 0) {
        report.warn(
            "settings",
            format!("OFFPRINT_TRUSTED_PROXIES contains {network}: every client can claim any address"),
            "Name the proxies' addresses or networks only",
        );
    }
    for network in settings.webhook_networks.iter().filter(|network| network.prefix_len() == 0) {
        report.warn(
            "settings",
            format!("OFFPRINT_WEBHOOK_NETWORKS contains {network}: users can send requests to this machine and to metadata of clouds"),
            "Name the networks of your receivers only",
        );
    }
    if settings.stream_heartbeat >= USUAL_PROXY_TIMEOUT {
        report.warn(
            "settings",
            "OFFPRINT_STREAM_HEARTBEAT is a minute or longer: proxies cut live streams off before",
            "Set it to less than the proxy's idle timeout",
        );
    }
}

/// Writes, reads, lists and deletes a blob that nothing else can have.
pub(super) async fn check_storage(settings: &Settings, report: &mut DoctorReport) {
    let is_remote = settings.storage.storage_url.is_some();
    // Opening creates the data folder, and doctor creates nothing.
    if !settings.database.data_dir.is_dir() {
        if is_remote {
            report.warn(
                "storage",
                "It was not checked without a data folder",
                "Run doctor again after `offprint serve`",
            );
        }
        return;
    }
    let remedy = if is_remote {
        "Check OFFPRINT_STORAGE_URL and its credentials. The role needs to list, get, put and delete below the prefix"
    } else {
        "Let the user of the service write to OFFPRINT_DATA_DIR, and check its disk"
    };
    let storage = match serve::open_storage(&settings.database, &settings.storage) {
        Ok(storage) => storage,
        Err(error) => return report.fail("storage", error.detail, remedy),
    };
    match probe_storage(&storage).await {
        Ok(()) => report.pass("storage", "A blob was written, read, listed and deleted"),
        Err((step, reason)) => report.fail("storage", format!("A blob could not be {step}: {reason}"), remedy),
    }
}

/// The step that did not work, and why.
async fn probe_storage(storage: &Storage) -> Result<(), (&'static str, String)> {
    fn at(step: &'static str) -> impl FnOnce(StorageError) -> (&'static str, String) {
        move |error| (step, error.to_string())
    }
    let mut bytes = vec![0; 64];
    getrandom::fill(&mut bytes).map_err(|error| ("made", error.to_string()))?;
    let staged = storage.stage_bytes(bytes.clone()).await.map_err(at("written to the data folder"))?;
    let digest = staged.digest;
    storage.publish(staged).await.map_err(at("written"))?;
    let result = async {
        if storage.read_all(&digest).await.map_err(at("read"))? != bytes {
            return Err(("read", "other bytes came back".to_owned()));
        }
        let listed = storage.list(digest.0[0]).await.map_err(at("listed"))?;
        match listed.iter().any(|blob| blob.digest == digest) {
            true => Ok(()),
            false => Err(("listed", "the listing does not have it".to_owned())),
        }
    }
    .await;
    storage.remove(&digest).await.map_err(at("deleted"))?;
    result?;
    match storage.size(&digest).await {
        Err(StorageError::Missing(_)) => Ok(()),
        Ok(_) => Err(("deleted", "it is still there".to_owned())),
        Err(error) => Err(at("looked up after it was deleted")(error)),
    }
}

/// Connects to the mail server and logs in.
pub(super) async fn check_mail(settings: &Settings, report: &mut DoctorReport) {
    let outbox = settings.database.data_dir.join("mail");
    let mailer = match Mailer::new(settings.smtp_url.as_deref(), &settings.mail_from, outbox.clone()) {
        Ok(mailer) => mailer,
        Err(error) => return report.fail("mail", error.to_string(), format!("Correct {}", error.setting)),
    };
    match mailer.check_server().await {
        Ok(true) => report.pass("mail", "The mail server answers, and accepts our credentials where it wants some"),
        Ok(false) => report.warn(
            "mail",
            format!("No mail is sent: without OFFPRINT_SMTP_URL mails are written to {}", outbox.display()),
            "Set OFFPRINT_SMTP_URL if people should get mails",
        ),
        Err(reason) => report.fail(
            "mail",
            format!("The mail server cannot be used: {reason}"),
            "Check host, port, TLS (?tls=) and credentials in OFFPRINT_SMTP_URL",
        ),
    }
}

/// Whether the address in mails leads to a service.
pub(super) async fn check_public_url(settings: &Settings, report: &mut DoctorReport) {
    let Some(address) = &settings.public_url else {
        if settings.bind.ip().is_loopback() {
            report.pass("public URL", "Not set; the service listens on this machine only");
        } else {
            report.warn(
                "public URL",
                format!("Not set, so links in mails begin with http://{}", settings.bind),
                "Set OFFPRINT_PUBLIC_URL to the address that people use",
            );
        }
        return;
    };
    match request_liveness(address).await {
        Ok(()) => report.pass("public URL", format!("A service answers at {address}")),
        Err(reason) => report.warn(
            "public URL",
            format!("No service answers at {address}: {reason}"),
            "Nothing to do if the service is not running, or this machine cannot reach that address. Otherwise check the proxy",
        ),
    }
}

async fn request_liveness(public_url: &str) -> Result<(), String> {
    // TLS needs a crypto provider once per process. An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut http = reqwest::Client::builder().timeout(PUBLIC_URL_TIMEOUT);
    if public_url.starts_with("http://") {
        http = http.tls_certs_only([]);
    }
    let http = http.build().map_err(|error| client::format_causes(&error))?;
    let address = format!("{}/health/live", public_url.trim_end_matches('/'));
    let response = http.get(address).send().await.map_err(|error| client::format_causes(&error))?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("/health/live answers {status}")),
    }
}

/// Whether people can sign in at the identity provider, as far as that can be known without one of them.
pub(super) async fn check_identity_provider(settings: &Settings, report: &mut DoctorReport) {
    // A mistake in the settings has been reported.
    let Ok(Some(config)) = OidcConfig::from_settings(settings) else { return };
    let address = settings.public_url.clone().unwrap_or_else(|| format!("http://{}", settings.bind));
    let redirect_uri = format!("{}/sign-in/oidc/callback", address.trim_end_matches('/'));
    match IdentityProvider::new(config).check().await {
        Ok(keys) => report.pass(
            "identity provider",
            format!("It answers and publishes {keys} keys. Its list of redirect URIs must contain {redirect_uri}"),
        ),
        Err(error) => report.fail(
            "identity provider",
            format!("Nobody can sign in there: {error}"),
            "Check OFFPRINT_OIDC_ISSUER, and whether this machine reaches it",
        ),
    }
}
