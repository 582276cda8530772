//! TLS to Postgres: what each `sslmode` verifies, with a server whose certificate a CA of our own has signed.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::support::postgres_server::PostgresCluster;
use crate::support::service_process::{CommandOutput, format_path, run_offprint_with};

const PASSWORD: &str = "a password";

fn create_ca() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate whose issuer has its own name for a self-signed one. All CAs here have the same name.
    parameters.distinguished_name.push(DnType::CommonName, "CA of a test");
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A server on a port of loopback whose certificate is for `localhost` only. Files with its CA and with another one.
struct TlsServer {
    _folder: TempDir,
    _cluster: PostgresCluster,
    port: u16,
    ca: PathBuf,
    other_ca: PathBuf,
}

impl TlsServer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let (ca, other_ca) = (create_ca(), create_ca());
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        let mut cluster = PostgresCluster::create(&folder.path().join("server"), &["--auth=trust"]).await;
        cluster.write("data/server.crt", &certificate.pem());
        cluster.write("data/server.key", &key.serialize_pem());
        // Only TLS, and only with a password.
        cluster.write("data/pg_hba.conf", "hostssl all offprint 127.0.0.1/32 scram-sha-256\nlocal all all trust\n");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let socket = cluster.folder.join("socket");
        cluster.append(
            "data/postgresql.conf",
            &format!(
                "ssl = on\nport = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n",
                socket.display()
            ),
        );
        cluster.start().await;
        let superuser = sqlx::postgres::PgConnectOptions::new_without_pgpass();
        let superuser = superuser.socket(&socket).port(port).username("postgres").database("postgres");
        let mut connection = PgConnection::connect_with(&superuser).await.unwrap();
        let create_role = format!("create role offprint login password '{PASSWORD}'");
        for sql in [&*create_role, "create database offprint owner offprint"] {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        let write_ca = |name: &str, ca: &CertifiedIssuer<'static, KeyPair>| {
            let path = folder.path().join(name);
            std::fs::write(&path, ca.pem()).unwrap();
            path
        };
        let (ca, other_ca) = (write_ca("ca.pem", &ca), write_ca("other-ca.pem", &other_ca));
        Self { _folder: folder, _cluster: cluster, port, ca, other_ca }
    }

    fn url(&self, host: &str, mode: &str, ca: Option<&Path>) -> String {
        let ca = ca.map(|path| format!("&sslrootcert={}", path.display())).unwrap_or_default();
        format!("postgres://offprint:a%20password@{host}:{}/offprint?sslmode={mode}{ca}", self.port)
    }

    fn migrate(&self, host: &str, mode: &str, ca: Option<&Path>) -> CommandOutput {
        run_offprint_with(&[("DATABASE_URL", self.url(host, mode, ca))], &["migrate"])
    }
}

fn read_detail(output: &CommandOutput) -> String {
    assert_eq!(output.code, Some(2), "{output:?}");
    let line = output.stderr.lines().last().unwrap();
    let error: Value = serde_json::from_str(line).unwrap();
    error["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_sslmode_verifies_what_the_documents_say() {
    let server = TlsServer::start().await;
    let (ca, other_ca) = (Some(&*server.ca), Some(&*server.other_ca));
    // Host, mode, CA, and a part of the refusal; none where it connects.
    let cases = [
        ("localhost", "verify-full", ca, None),
        // The certificate names another host.
        ("127.0.0.1", "verify-full", ca, Some("another host name")),
        ("localhost", "verify-full", other_ca, Some("sslrootcert=")),
        // Without a file only the CAs of the Web are trusted, and none of them signed it.
        ("localhost", "verify-full", None, Some("sslrootcert=")),
        ("127.0.0.1", "verify-ca", ca, None),
        ("127.0.0.1", "verify-ca", other_ca, Some("sslrootcert=")),
        // Encrypted, but to whoever answers: the CA is not looked at.
        ("127.0.0.1", "require", other_ca, None),
        ("127.0.0.1", "prefer", None, None),
        // The server insists on TLS.
        ("127.0.0.1", "disable", None, Some("no encryption")),
    ];
    for (host, mode, ca, refusal) in cases {
        let output = server.migrate(host, mode, ca);
        match refusal {
            None => assert_eq!(output.code, Some(0), "{host} {mode} {ca:?}: {output:?}"),
            Some(part) => {
                let detail = read_detail(&output);
                assert!(detail.contains(part), "{host} {mode} {ca:?}: {detail}");
                assert!(!output.stderr.contains("a%20password") && !output.stderr.contains(PASSWORD), "{output:?}");
            }
        }
    }
    let nowhere = PathBuf::from("/nowhere/ca.pem");
    let detail = read_detail(&server.migrate("localhost", "verify-full", Some(&nowhere)));
    assert!(detail.contains("sslrootcert=/nowhere/ca.pem"), "{detail}");
    assert_tools_connect_with_tls(&server);
}

/// `doctor` tells what is verified, and `pg_dump` gets the same settings.
fn assert_tools_connect_with_tls(server: &TlsServer) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    let variables = |host: &str, mode: &str, ca: Option<&Path>| {
        [("DATABASE_URL", server.url(host, mode, ca)), ("OFFPRINT_DATA_DIR", format_path(&data_dir))]
    };
    let report = run_offprint_with(&variables("localhost", "verify-full", Some(&server.ca)), &["doctor", "--json"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    let tls = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "database TLS").unwrap();
    assert!(tls["status"] == "ok" && tls["detail"].as_str().unwrap().contains("TLSv1"), "{tls}");
    let refused = run_offprint_with(&variables("localhost", "verify-full", Some(&server.other_ca)), &["doctor"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("failed   database"), "{}", refused.stdout);
    let backup = format_path(&folder.path().join("backup"));
    let made =
        run_offprint_with(&variables("localhost", "verify-full", Some(&server.ca)), &["admin", "backup", &backup]);
    assert_eq!(made.code, Some(0), "{made:?}");
}
