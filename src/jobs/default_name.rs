//! The name of a job that was created without one. People read it in mails and on pages, so it says what the job is about:
//! `12 assets from spring/shoes, 29 Nov`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::jobs::draft::DraftItem;

/// Longest folder or asset name that is shown.
const MAX_NAME_CHARS: usize = 80;

/// What is exported, from where, and the day in this time zone, else in UTC.
pub(super) fn build_default_name(items: &[DraftItem], time_zone: Option<&str>, now: DateTime<Utc>) -> String {
    let zone: Tz = time_zone.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
    let day = now.with_timezone(&zone).format("%-d %b");
    if let [only] = items {
        return format!("{}, {day}", clip_name(&only.asset.name));
    }
    match find_common_folder(items.iter().map(|item| item.asset.folder.as_str())) {
        "" => format!("{} assets, {day}", items.len()),
        folder => format!("{} assets from {}, {day}", items.len(), clip_name(folder)),
    }
}

/// The innermost folder that contains all of these; empty for the top.
fn find_common_folder<'f>(mut folders: impl Iterator<Item = &'f str>) -> &'f str {
    let Some(mut common) = folders.next() else { return "" };
    for folder in folders {
        while !(folder.starts_with(common) && matches!(folder.as_bytes().get(common.len()), None | Some(b'/'))) {
            common = common.rsplit_once('/').map_or("", |(parent, _)| parent);
            if common.is_empty() {
                return "";
            }
        }
    }
    common
}

/// The end of a folder says more than its beginning.
fn clip_name(name: &str) -> String {
    let length = name.chars().count();
    match length > MAX_NAME_CHARS {
        true => ['…'].into_iter().chain(name.chars().skip(length - MAX_NAME_CHARS + 1)).collect(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_their_innermost_common_one() {
        let find = |folders: &[&'static str]| find_common_folder(folders.iter().copied());
        assert_eq!(find(&["spring/shoes", "spring/shoes"]), "spring/shoes");
        assert_eq!(find(&["spring/shoes", "spring/shoes/red"]), "spring/shoes");
        assert_eq!(find(&["spring/shoes/red", "spring/shoes"]), "spring/shoes");
        assert_eq!(find(&["spring/shoes", "spring/shoesters", "spring"]), "spring");
        assert_eq!(find(&["spring", "autumn"]), "");
        assert_eq!(find(&["spring", ""]), "");
        assert_eq!(find(&["", "spring"]), "");
        assert_eq!(find(&[]), "");
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(clip_name("shoes"), "shoes");
        let clipped = clip_name(&format!("{}/shoes", "ä".repeat(200)));
        assert!(clipped.starts_with('…') && clipped.ends_with("ä/shoes"), "{clipped}");
        assert_eq!(clipped.chars().count(), MAX_NAME_CHARS);
    }
}
