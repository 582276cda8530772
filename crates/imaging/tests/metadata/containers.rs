//! The smallest files of each format that headers are read from, with metadata.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A JPEG with these segments: marker and content.
pub fn build_jpeg(segments: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let frame = (0xC0, vec![8, 0, 1, 0, 1, 1, 1, 0x11, 0]);
    let scan = (0xDA, vec![1, 1, 0, 0, 63, 0]);
    let mut file = vec![0xFF, 0xD8];
    for (marker, data) in segments.iter().chain([&frame, &scan]) {
        file.extend([0xFF, *marker]);
        file.extend((data.len() as u16 + 2).to_be_bytes());
        file.extend(data);
    }
    file
}

/// A segment of JFIF with this unit and density.
pub fn build_jfif(unit: u8, density: u16) -> (u8, Vec<u8>) {
    let [high, low] = density.to_be_bytes();
    (0xE0, [&b"JFIF\0\x01\x01"[..], &[unit, high, low, high, low, 0, 0]].concat())
}

/// A gray PNG of one pixel with these chunks before and behind the image data.
pub fn build_png(before: &[(&[u8; 4], Vec<u8>)], behind: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1A\n".to_vec();
    let header = (b"IHDR", vec![0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    let (data, end) = ((b"IDAT", deflate(&[0, 7])), (b"IEND", Vec::new()));
    for (kind, content) in [&header].into_iter().chain(before).chain([&data]).chain(behind).chain([&end]) {
        let mut crc = flate2::Crc::new();
        crc.update(*kind);
        crc.update(content);
        file.extend((content.len() as u32).to_be_bytes());
        file.extend(*kind);
        file.extend(content);
        file.extend(crc.sum().to_be_bytes());
    }
    file
}

/// A chunk of text with a raw profile, as ImageMagick writes it.
pub fn build_raw_profile(kind: &'static [u8; 4], name: &str, profile: &[u8]) -> (&'static [u8; 4], Vec<u8>) {
    let digits = hex::encode(profile);
    let lines: Vec<&str> = digits.as_bytes().chunks(72).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let text = format!("\n{name}\n{:8}\n{}\n", profile.len(), lines.join("\n"));
    let keyword = format!("Raw profile type {name}\0");
    let content = match kind {
        b"tEXt" => text.into_bytes(),
        b"zTXt" => [vec![0], deflate(text.as_bytes())].concat(),
        _ => [b"\x01\0\0\0".to_vec(), deflate(text.as_bytes())].concat(),
    };
    (kind, [keyword.into_bytes(), content].concat())
}

/// A text without compression: XMP among others.
pub fn build_text(kind: &'static [u8; 4], keyword: &str, text: &[u8]) -> (&'static [u8; 4], Vec<u8>) {
    let between: &[u8] = if kind == b"iTXt" { b"\0\0\0\0\0" } else { b"\0" };
    (kind, [keyword.as_bytes(), between, text].concat())
}

/// A lossless WebP of one pixel with these chunks in its extended form.
pub fn build_webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    // Signature, 14 bits each of width and height less one, no alpha, version 0; the data is not looked at.
    let pixels = (b"VP8L", vec![0x2F, 0, 0, 0, 0, 0, 0, 0]);
    // Announces a profile, EXIF and XMP, as files do that some program has stripped.
    let flags = 0x20 | 0x08 | 0x04;
    let extended = (b"VP8X", vec![flags, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut body = b"WEBP".to_vec();
    for (kind, data) in [&extended].into_iter().chain([&pixels]).chain(chunks) {
        body.extend(*kind);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(data);
        body.extend(vec![0; data.len() % 2]);
    }
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// Image resources of Photoshop.
pub fn build_resources(resources: &[(u16, &[u8])]) -> Vec<u8> {
    let build = |(id, data): &(u16, &[u8])| {
        let length = (data.len() as u32).to_be_bytes();
        [&b"8BIM"[..], &id.to_be_bytes(), &[0, 0], &length, data, &vec![0; data.len() % 2]].concat()
    };
    resources.iter().flat_map(build).collect()
}

/// The resource 1005: dots per inch, shown per centimetre.
pub fn build_resolution(dpi: u16) -> Vec<u8> {
    let [high, low] = dpi.to_be_bytes();
    [[high, low, 0, 0], [0, 2, 0, 1], [high, low, 0, 0], [0, 2, 0, 1]].concat()
}

/// A gray Photoshop document of one pixel.
pub fn build_psd(resources: &[u8]) -> Vec<u8> {
    let head = b"8BPS\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x08\0\x01\0\0\0\0";
    [&head[..], &(resources.len() as u32).to_be_bytes(), resources, &[0; 4], &[0, 0, 7]].concat()
}

fn build_box(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32 + 8).to_be_bytes()[..], kind, data].concat()
}

/// A gray JPEG 2000 of one pixel with a profile, a resolution in dots per metre, and XMP.
pub fn build_jp2(profile: &[u8], per_metre: u16, xmp: &[u8]) -> Vec<u8> {
    let [high, low] = per_metre.to_be_bytes();
    let resolution = build_box(b"resc", &[high, low, 0, 1, high, low, 0, 1, 0, 0]);
    let header = [build_box(b"colr", &[&[2, 0, 0], profile].concat()), build_box(b"res ", &resolution)].concat();
    let uuid = b"\xBE\x7A\xCF\xCB\x97\xA9\x42\xE8\x9C\x71\x99\x94\x91\xE3\xAF\xAC";
    let sizes =
        [[1_u32, 1, 0, 0], [1, 1, 0, 0]].concat().iter().flat_map(|side| side.to_be_bytes()).collect::<Vec<_>>();
    let codestream = [&b"\xFF\x4F\xFF\x51\0\x29\0\0"[..], &sizes, &[0, 1, 7, 1, 1]].concat();
    let parts = [
        build_box(b"jP  ", b"\r\n\x87\n"),
        build_box(b"jp2h", &header),
        build_box(b"uuid", &[&uuid[..], xmp].concat()),
        build_box(b"jp2c", &codestream),
    ];
    parts.concat()
}

/// An AVIF of eight by eight pixels with EXIF.
pub fn build_avif(exif: &[u8]) -> Vec<u8> {
    // Profile 0, still and reduced, level 0; sides of 4 bits: 8 and 8; no tools; 8 bits, gray, no numbers, full range.
    let bits = "000 11 00000 0011 0011 0111 0111 000 000 0 1 0 1";
    let bits: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).map(|bit| bit - b'0').collect();
    let sequence: Vec<u8> =
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << (7 - at)).sum()).collect();
    let data = [&[0x0A, sequence.len() as u8][..], &sequence].concat();
    let mut file = avif_serialize::Aviffy::new();
    file.set_width(8).set_height(8).set_bit_depth(8).set_exif(exif.to_vec());
    file.to_vec(&data, None, 8, 8, 8)
}

/// A GIF of one pixel with XMP before or behind the image.
pub fn build_gif(xmp: &[u8], is_behind: bool) -> Vec<u8> {
    let trailer: Vec<u8> = [1].into_iter().chain((0..=255).rev()).chain([0]).collect();
    let extension = [&b"!\xFF\x0BXMP DataXMP"[..], xmp, &trailer].concat();
    let image = b"\x2C\0\0\0\0\x01\0\x01\0\x80\0\0\0\xFF\xFF\xFF\x02\x02\x44\x01\0".to_vec();
    let parts = if is_behind { [image, extension] } else { [extension, image] };
    [&b"GIF89a\x01\0\x01\0\0\0\0"[..], &parts.concat(), b";"].concat()
}

/// A BMP of version 5 and of one pixel with a resolution in dots per metre and a profile.
pub fn build_bmp(profile: &[u8], per_metre: u32) -> Vec<u8> {
    let mut info = vec![0; 124];
    let number = |value: u32| value.to_le_bytes();
    for (at, value) in [(0, 124), (4, 1), (8, 1), (20, 4), (24, per_metre), (28, per_metre)] {
        info[at..at + 4].copy_from_slice(&number(value));
    }
    info[12..16].copy_from_slice(&[1, 0, 24, 0]);
    info[56..60].copy_from_slice(b"DEBM");
    info[112..116].copy_from_slice(&number(128));
    info[116..120].copy_from_slice(&number(profile.len() as u32));
    let size = number(142 + profile.len() as u32);
    [&b"BM"[..], &size, &[0; 4], &number(138), &info, &[7, 7, 7, 0], profile].concat()
}
