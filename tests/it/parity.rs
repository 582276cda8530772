//! `offprint parity` against a service that runs and a server that stands in for Scene7.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::images::encode_image;
use crate::support::service_process::{ServiceProcess, build_database_url};

/// Answers these targets with PNG images, others with 403, as Scene7 does.
async fn start_stand_in(images: HashMap<String, Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let images = Arc::new(images);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let images = images.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut piece = [0; 1024];
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    match socket.read(&mut piece).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => request.extend_from_slice(&piece[..read]),
                    }
                }
                let text = String::from_utf8_lossy(&request);
                let target = text.split(' ').nth(1).unwrap_or_default();
                let (status, kind, body) = match images.get(target) {
                    Some(image) => ("200 OK", "image/png", image.clone()),
                    None => ("403 Forbidden", "text/html", b"<b>Unable to find image</b>".to_vec()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all(&[head.as_bytes(), &body].concat()).await;
            });
        }
    });
    address
}

fn draw(width: u32, height: u32, change: u8) -> Vec<u8> {
    let pixel = |x: u32, y: u32| Rgb([((x * 5) % 200) as u8 + change, ((y * 7) % 200) as u8, 50]);
    encode_image(RgbImage::from_fn(width, height, pixel), ImageFormat::Png)
}

#[sqlx::test]
async fn both_sides_are_compared_and_the_worst_come_first(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &[]).unwrap();
    for name in ["same.png", "near.png", "small.png", "gone.png"] {
        service.upload_asset(name.into(), draw(60, 40, 0)).await;
    }
    let target = |name: &str| format!("/is/image/Acme/{name}?fmt=png");
    let images = HashMap::from([
        (target("same"), draw(60, 40, 0)),
        (target("near"), draw(60, 40, 9)),
        (target("small"), draw(30, 20, 0)),
        (target("nobody"), draw(60, 40, 0)),
    ]);
    let live = start_stand_in(images).await;
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("assets"), "same\nnear\n\nsmall\ngone\nnobody\n").unwrap();
    std::fs::write(path("presets"), "?fmt=png\n").unwrap();
    let run = async |assets: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_offprint"));
        command.args(["parity", "--live", &format!("http://{live}/is/image/Acme"), "--assets", &path(assets)]);
        command.args(["--presets", &path("presets"), "--out", &path("parity.html")]).env("OFFPRINT_URL", &service.url);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let output = run("assets").await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&summary["pairs"], &summary["compared"], &summary["sizesDiffer"], &summary["failed"]),
        (&json!(5), &json!(2), &json!(1), &json!(2))
    );
    assert!((summary["meanDifference"].as_f64().unwrap() - 1.5).abs() < 1e-6, "{summary}");
    let page = std::fs::read_to_string(path("parity.html")).unwrap();
    let places: Vec<usize> = ["<b>gone</b>", "<b>nobody</b>", "<b>small</b>", "<b>near</b>", "<b>same</b>"]
        .map(|name| page.find(name).unwrap())
        .into();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains("403 Forbidden: &lt;b&gt;Unable") && page.contains("Offprint has no asset nobody"), "{page}");
    assert!(page.contains("30 × 20 and 60 × 40 pixels") && page.contains("SSIM 1.0000, mean 0.000, maximum 0"));
    assert_eq!(page.matches("data:image/png;base64,").count(), 8);
    std::fs::write(path("good"), "same\n").unwrap();
    assert_eq!(run("good").await.status.code(), Some(0));
    std::fs::write(path("none"), "\n").unwrap();
    assert_eq!(run("none").await.status.code(), Some(2));
}
