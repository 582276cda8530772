use std::collections::BTreeMap;

use chrono::{TimeZone, Utc};

use super::*;

fn fill_for(template: &str, name: &str) -> Result<String, String> {
    let metadata = BTreeMap::from([("sku".to_owned(), "A/1".to_owned()), ("empty".to_owned(), String::new())]);
    let values = NameValues {
        name,
        file_name: "DSC_1",
        folder: "shoes/red",
        rendition: Some("web"),
        size: Some((800, 600)),
        number: 7,
        date: Utc.with_ymd_and_hms(2026, 11, 29, 23, 30, 0).unwrap().with_timezone(&Tz::Europe__Berlin),
        asset_handle: "0190",
        metadata: &metadata,
        extension: ".jpg",
    };
    NameTemplate::parse(template).map_err(|errors| format!("{errors:?}"))?.fill(&values)
}

#[test]
fn placeholders_and_operators_make_names() {
    for (template, expected) in [
        ("{name}", "12345_A.jpg"),
        ("{name|before:_}.{name|after:_|map:A=MAIN,B=PT01}", "12345.MAIN.jpg"),
        ("{name|after:_|map:B=PT01,*=OTHER}", "OTHER.jpg"),
        ("{name|after:_|map:B=PT01|lower}", "a.jpg"),
        ("{folder}/{rendition}/{name}_{width}x{height}{ext}", "shoes/red/web/12345_A_800x600.jpg"),
        ("{fileName}-{n}-{n:04}", "DSC_1-7-0007.jpg"),
        // In Berlin it is tomorrow.
        ("{date}", "2026-11-30.jpg"),
        ("{date:%Y/%m}/{name}", "2026/11/12345_A.jpg"),
        ("{metadata.sku}", "A_1.jpg"),
        ("{metadata.none|default:x}{metadata.empty|default:}", "x.jpg"),
        ("{name|replace:_=-|first:7|last:1|upper}", "A.jpg"),
        ("{name|afterLast:_}{name|beforeLast:3}", "A12.jpg"),
        (r"{name|replace:_=\|\}\:|before:\:}", "12345_}.jpg"),
        ("{{{name}}}", "{12345_A}.jpg"),
        ("{name}.JPEG", "12345_A.JPEG"),
        ("{name}.", "12345_A.jpg"),
        ("con", "_con.jpg"),
        ("e\u{301}", "\u{e9}.jpg"),
    ] {
        assert_eq!(fill_for(template, "12345_A").as_deref(), Ok(expected), "{template}");
    }
    assert_eq!(fill_for("{name}", "../../etc/passwd").as_deref(), Ok(".._.._etc_passwd.jpg"));
    assert_eq!(fill_for(&NameTemplate::escape("a{b}"), "x").as_deref(), Ok("a{b}.jpg"));
}

#[test]
fn what_an_asset_does_not_have_is_not_left_out_in_silence() {
    for template in ["{metadata.none}", "{metadata.empty|lower}", "{name|after:#}", "a/{name|after:#|default:}"] {
        let detail = fill_for(template, "12345_A");
        match template.contains("default") {
            true => assert_eq!(detail.as_deref(), Ok("a.jpg"), "the folder is the name then"),
            false => assert!(detail.unwrap_err().contains("default:none"), "{template}"),
        }
    }
    assert!(fill_for("{name|replace:12345_A=..}/x", "12345_A").unwrap_err().contains("cannot be a name"));
}

#[test]
fn mistakes_have_a_position_and_a_remedy() {
    for (template, offset, part) in [
        ("", 0, "empty"),
        ("/{name}", 0, "begins with a name"),
        ("a/{nam}", 2, "Known: `name`"),
        ("{name", 0, "no `}`"),
        ("name}", 4, "`}}`"),
        ("{name|aftre:_}", 0, "`after`"),
        ("{name|after}", 0, "needs a text"),
        ("{name|first:x}", 0, "number of characters"),
        ("{name:_}", 0, "Operators follow a `|`"),
        ("{n:4}", 0, "{n:04}"),
        ("{date:%H}", 0, "format of a day"),
        ("{date:%Q}", 0, "format of a day"),
        ("{metadata.a b}", 0, "key of metadata"),
        ("{name|map:A}", 0, "needs pairs"),
        ("{name|map:A=1,A=2}", 0, "twice"),
        ("{name|map:*=1,A=2}", 0, "behind `*`"),
        ("{name|replace:=x}", 0, "two texts"),
        ("{name|lower:x}", 0, "no argument"),
        ("a/../{name}", 2, "without `.` and `..`"),
        ("a:{name}", 1, "`-` or `_`"),
        ("a\\{name}", 1, "backslash"),
        ("fixed/", 5, "ends with `/`"),
    ] {
        let errors = NameTemplate::parse(template).map(drop).unwrap_err();
        assert_eq!(errors[0].offset, offset, "{template}: {errors:?}");
        assert!(errors[0].detail.contains(part), "{template}: {errors:?}");
    }
    assert_eq!(NameTemplate::parse("{a}{b}").map(drop).unwrap_err().len(), 2, "all mistakes at once");
    assert!(NameTemplate::parse(&"x".repeat(513)).is_err());
}
