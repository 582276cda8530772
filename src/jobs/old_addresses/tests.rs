use offprint_core::Digest;

use super::*;

fn read(text: &str) -> Vec<(String, u64)> {
    AddressList::read(text).unwrap().addresses.into_iter().map(|found| (found.text, found.requests)).collect()
}

#[test]
fn addresses_are_found_in_logs_sitemaps_and_lists() {
    let one = |text: &str| read(text).pop();
    let found = |text: &str, requests| Some((text.to_owned(), requests));
    let log = r#"203.0.113.1 - - [01/Oct/2026:00:00:00 +0000] "GET /is/image/Acme/a?$pdp$&wid=4 HTTP/1.1" 200 9 "https://x/is/image/Acme/b" "M""#;
    assert_eq!(one(log), found("/is/image/Acme/a?$pdp$&wid=4", 1));
    assert_eq!(one("https://s7.example/is/image/Acme/a?wid=4#x"), found("/is/image/Acme/a?wid=4", 1));
    assert_eq!(one("is/image/Acme/a"), found("/is/image/Acme/a", 1));
    assert_eq!(one("   12 /is/image/Acme/a"), found("/is/image/Acme/a", 12));
    assert_eq!(one("\"https://s7.example/is/image/Acme/a?fit=crop,1\",x"), found("/is/image/Acme/a?fit=crop,1", 1));
    assert_eq!(one("https://x.example/?u=/is/image/Acme/a"), None);
    let w3c = "#Version: 1.0\n#Fields: date cs-uri-stem sc-status cs-uri-query\n2026 /is/image/Acme/a 200 wid=4&hei=5\n2026 /is/image/Acme/a 404 -\n";
    assert_eq!(read(w3c), [("/is/image/Acme/a?wid=4&hei=5".to_owned(), 1)]);
    let sitemap = "<?xml version=\"1.0\"?><urlset><url><loc>https://shop/p</loc><image:image>\
        <image:loc>https://s7/is/image/Acme/a?$pdp$&amp;wid=4</image:loc><image:loc ><![CDATA[https://s7/is/image/Acme/b?a&b]]></image:loc>\
        </image:image></url></urlset>";
    assert_eq!(read(sitemap), [("/is/image/Acme/a?$pdp$&wid=4".to_owned(), 1), ("/is/image/Acme/b?a&b".to_owned(), 1)]);
    let list = AddressList::read(&format!(
        "{log}\n{log}\nnothing\n\"GET /is/image/Acme/c HTTP/2.0\" 404\n\"POST /is/image/Acme/d HTTP/1.1\" 200\n"
    ))
    .unwrap();
    assert_eq!((list.lines, list.requests, list.others, list.failed_there), (5, 2, 2, 1));
    assert_eq!(
        (list.addresses[0].requests, list.failed_examples.as_slice()),
        (2, &["/is/image/Acme/c".to_owned()][..])
    );
}

#[test]
fn too_many_addresses_are_refused() {
    let text: String = (0..=MAX_ADDRESSES).map(|number| format!("is/image/A/{number}\n")).collect();
    assert!(AddressList::read(&text).unwrap_err().contains("Split the list"));
}

#[test]
fn what_changes_no_image_is_left_out() {
    let parse = |address: &str| OldAddress::parse(address).map(|address| (address.name, address.query));
    let found = |name: &str, query: &str| Ok((name.to_owned(), query.to_owned()));
    assert_eq!(parse("/is/image/Acme/a%20b?%24pdp%24&ts=123&wid=4&utm_source=x"), found("Acme/a b", "$pdp$&wid=4"));
    assert_eq!(parse("/is/image/Acme/a?req=img&&wid=4"), found("Acme/a", "wid=4"));
    assert_eq!(parse("/is/image/Acme/a"), found("Acme/a", ""));
    assert_eq!(parse("/is/image/Acme/a?req=props,json"), Err(RejectedAddress::OtherRequest));
    assert_eq!(parse("/is/content/Acme/a.pdf"), Err(RejectedAddress::Content));
    assert_eq!(parse("/is/image/?wid=4"), Err(RejectedAddress::NoName));
    let escaped = OldAddress::parse("/is/image/Acme/a?$pdp$&amp;wid=300").unwrap();
    assert_eq!((escaped.query.as_str(), escaped.is_html_escaped), ("$pdp$&wid=300", true));
}

#[test]
fn labels_are_readable_and_differ() {
    let mut labels = Labels::default();
    let mut choose = |query: &str| labels.choose(query, Digest::compute(query.as_bytes()));
    assert_eq!(choose("$pdp$&wid=400"), "pdp-wid400");
    assert_eq!(choose(""), "default");
    assert_eq!(choose("fit=crop,1"), "fitcrop-1");
    assert!(choose("fit=crop-1").starts_with("fitcrop-1-"));
    assert_eq!(choose("fit=crop,1"), "fitcrop-1");
    assert!(choose("$PDP$&wid=400").len() > "PDP-wid400".len(), "paths are compared ignoring case");
    let long = choose(&format!("a={}", "x".repeat(200)));
    assert_eq!(long.len(), 60 + 9, "{long}");
}
