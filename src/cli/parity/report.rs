//! The page that shows where images differ. One file without scripts: pictures are in it.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::{FetchedImage, Pair, ParitySummary};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
    content=\"width=device-width\"><title>Offprint parity</title><style>\
    body{font:15px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.4rem;text-align:left;vertical-align:top}\
    td img{max-width:100%;max-height:320px;background:repeating-conic-gradient(#ddd 0 25%,#fff 0 50%) 0/16px 16px}\
    .bad{color:#a00}code{word-break:break-all}</style></head><body>\n";

/// Writes the page.
pub(super) fn write_report(path: &Path, live: &Url, summary: &ParitySummary, pairs: &[Pair]) -> io::Result<()> {
    let mut text = String::from(HEAD);
    let ParitySummary { pairs: count, compared, sizes_differ, failed, mean_difference, smallest_ssim } = summary;
    let number = |value: &Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    let _ = write!(
        text,
        "<h1>Parity with {}</h1>\n<p>{count} pairs: {compared} compared, {sizes_differ} of different size, {failed} without an image. \
         Mean difference {} of 255, smallest SSIM {}.</p>\n<table><tr><th>Pair</th><th>Scene7</th><th>Offprint</th></tr>\n",
        escape_html(live.as_str()),
        number(mean_difference),
        number(smallest_ssim),
    );
    pairs.iter().for_each(|pair| write_pair(&mut text, pair));
    text += "</table>\n</body></html>\n";
    std::fs::write(path, text)
}

fn write_pair(text: &mut String, pair: &Pair) {
    let _ = write!(
        text,
        "<tr><td><b>{}</b><br><code>{}</code><br>{}</td>",
        escape_html(&pair.asset),
        escape_html(&pair.modifier),
        describe_result(pair)
    );
    for image in [&pair.live, &pair.ours] {
        match image {
            Some(image) if is_shown(image) => {
                let data = STANDARD.encode(&image.bytes);
                let _ = write!(text, "<td><img alt=\"\" src=\"data:{};base64,{data}\"></td>", image.media_type);
            }
            _ => text.push_str("<td>–</td>"),
        }
    }
    text.push_str("</tr>\n");
}

/// What a browser shows as an image. The type comes from a server, so nothing else gets into the page.
fn is_shown(image: &FetchedImage) -> bool {
    matches!(image.media_type.as_str(), "image/jpeg" | "image/png" | "image/gif" | "image/webp" | "image/avif")
}

fn describe_result(pair: &Pair) -> String {
    let comparison = match &pair.result {
        Ok(comparison) => comparison,
        Err(detail) => return format!("<span class=\"bad\">{}</span>", escape_html(detail)),
    };
    let [(width, height), (our_width, our_height)] = comparison.sizes;
    let [bytes, our_bytes] = comparison.bytes;
    match &comparison.difference {
        None => format!("<span class=\"bad\">{width} × {height} and {our_width} × {our_height} pixels</span>"),
        Some(difference) => format!(
            "SSIM {:.4}, mean {:.3}, maximum {}<br>{width} × {height} pixels, {bytes} and {our_bytes} bytes",
            difference.ssim, difference.mean, difference.max
        ),
    }
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
