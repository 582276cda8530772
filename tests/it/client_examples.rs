//! The examples of docs/CLIENTS.md, run as they stand there against a running service.

use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::images::draw_jpeg;
use crate::support::service_process::{ServiceProcess, build_database_url};

/// The only block of a language in the document.
fn read_block(language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLIENTS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text.split(&format!("\n```{language}\n")).skip(1).collect();
    let [block] = &blocks[..] else { panic!("{} blocks of {language}", blocks.len()) };
    block.split("\n```").next().unwrap().to_owned()
}

/// Node.js of this age runs JavaScript only: the annotations of the block are few and have these forms.
fn strip_types(block: &str) -> String {
    let types = [": string", "?: BodyInit", ": Record<string, string>", "get(\"etag\")!"];
    types.iter().for_each(|annotation| assert!(block.contains(annotation), "{annotation}"));
    let plain = block.replace("get(\"etag\")!", "get(\"etag\")");
    types[..3].iter().fold(plain, |text, annotation| text.replace(annotation, ""))
}

/// Runs a program in a folder with a photo, and checks what it has downloaded.
fn run_example(service: &str, program: &str, arguments: &[&str], block: &str) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("photo.jpg"), draw_jpeg(1)).unwrap();
    std::fs::write(folder.path().join("example.mjs"), block).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder.path())
        .env("OFFPRINT", service)
        .env_remove("OFFPRINT_KEY")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{program}: {texts:?}");
    let image = std::fs::read(folder.path().join("photo.png")).unwrap();
    assert_eq!(&image[1..4], b"PNG", "{program}");
    let zip = std::fs::read(folder.path().join("export.zip")).unwrap();
    assert_eq!(&zip[..2], b"PK", "{program}");
    assert_eq!(&zip[zip.len() - 22..][..4], b"PK\x05\x06", "{program}: the archive has its end");
    assert!(zip.windows(image.len()).any(|window| window == image), "{program}: the archive has the same file");
}

#[sqlx::test]
async fn the_examples_for_clients_work_as_pasted(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &[]).unwrap();
    let address = service.url.clone();
    let ran = tokio::task::spawn_blocking(move || {
        let (shell, python, script) = (read_block("sh"), read_block("python"), strip_types(&read_block("ts")));
        let examples: [(&str, &str, Vec<&str>); 3] = [
            ("curl", "sh", vec!["-euc", &shell]),
            ("python3", "python3", vec!["-c", &python]),
            ("node", "node", vec!["example.mjs"]),
        ];
        examples
            .iter()
            .filter(|(needed, ..)| Command::new(needed).arg("--version").output().is_ok())
            .for_each(|(_, program, arguments)| run_example(&address, program, arguments, &script));
    });
    ran.await.unwrap();
    assert_eq!(service.stop(), Some(0));
}
