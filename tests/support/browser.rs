//! A browser without scripts: it asks for pages, keeps cookies, follows redirects, and sends forms as people do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};

use actix_web::http::Method;
use actix_web::test::TestRequest;

use crate::support::test_app::{TestApp, TestResponse, build_multipart_request};

/// What Chromium sends.
pub const PAGE_ACCEPT: &str =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8";

pub struct TestBrowser<'a> {
    pub app: &'a TestApp,
    pub language: &'static str,
    /// Headers of every request, such as those of a proxy.
    pub headers: Vec<(&'static str, String)>,
    pub cookies: RefCell<BTreeMap<String, String>>,
    /// Where its connections come from; attempts to sign in are counted by address.
    pub address: Option<SocketAddr>,
}

/// A page, and what the browser knows about it.
pub struct OpenPage {
    pub response: TestResponse,
    pub html: String,
    /// Where it was in the end.
    pub path: String,
}

impl<'a> TestBrowser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, language: "en", headers: Vec::new(), cookies: RefCell::default(), address: None }
    }

    /// One that nobody's attempts to sign in are counted with.
    pub fn elsewhere(app: &'a TestApp) -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Self { address: Some(SocketAddr::from(([198, 18, high, low], 1024))), ..Self::new(app) }
    }

    /// Sends one request with the browser's headers and cookies, and keeps the cookies of the response.
    pub async fn send(&self, request: TestRequest) -> TestResponse {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.insert_header(("accept-language", self.language));
        if !cookies.is_empty() {
            request = request.insert_header(("cookie", cookies.join("; ")));
        }
        if let Some(address) = self.address {
            request = request.peer_addr(address);
        }
        for (name, value) in &self.headers {
            request = request.insert_header((*name, value.as_str()));
        }
        let response = self.app.send(request).await;
        for line in response.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.app.leak_check.remember_keys(value);
            match line.contains("Max-Age=0") {
                true => drop(self.cookies.borrow_mut().remove(name)),
                false => drop(self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned())),
            }
        }
        response
    }

    /// Opens an address, and follows redirects.
    pub async fn open(&self, path: &str) -> OpenPage {
        let request = TestRequest::get().uri(path).insert_header(("accept", PAGE_ACCEPT));
        let response = self.send(request).await;
        self.follow(path, response).await
    }

    /// Sends the only form of a page that has this action, with these fields and the hidden ones.
    pub async fn submit(&self, page: &OpenPage, action: &str, fields: &[(&str, &str)]) -> OpenPage {
        let mut all = page.find_form(action);
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post_form(action, &all).await
    }

    /// Sends these fields as a form of the service's own pages.
    pub async fn post_form(&self, action: &str, fields: &[(String, String)]) -> OpenPage {
        let request = TestRequest::default().method(Method::POST).uri(action).set_form(fields);
        let request = request.insert_header(("accept", PAGE_ACCEPT)).insert_header(("origin", "http://localhost"));
        let response = self.send(request).await;
        self.follow(action, response).await
    }

    /// Sends a form with files: the token of the page first, then these parts.
    pub async fn post_files(&self, page: &OpenPage, action: &str, parts: &[(&str, &[u8])]) -> OpenPage {
        let hidden = page.find_form(action);
        let hidden = hidden.iter().map(|(name, value)| (format!("name=\"{name}\""), value.as_bytes()));
        let parts = parts.iter().map(|(head, bytes)| ((*head).to_owned(), *bytes));
        let request = build_multipart_request(hidden.chain(parts)).uri(action);
        let request = request.insert_header(("accept", PAGE_ACCEPT)).insert_header(("origin", "http://localhost"));
        let response = self.send(request).await;
        self.follow(action, response).await
    }

    async fn follow(&self, path: &str, mut response: TestResponse) -> OpenPage {
        let mut path = path.to_owned();
        for _ in 0..5 {
            if !response.status.is_redirection() {
                break;
            }
            path = response.header("location").to_owned();
            assert!(path.starts_with('/') && !path.starts_with("//"), "redirect to {path}");
            let request = TestRequest::get().uri(&path).insert_header(("accept", PAGE_ACCEPT));
            response = self.send(request).await;
        }
        let html = String::from_utf8_lossy(&response.body).into_owned();
        OpenPage { response, html, path }
    }
}

impl OpenPage {
    pub fn status(&self) -> u16 {
        self.response.status.as_u16()
    }

    /// The text of the only element of this name.
    #[track_caller]
    pub fn element(&self, name: &str) -> String {
        let begin = format!("<{name}");
        let mut found = self.html.split(&begin).skip(1).filter(|rest| rest.starts_with([' ', '>']));
        let rest = found.next().unwrap_or_else(|| panic!("no {name}: {}", self.html));
        assert!(found.next().is_none(), "several {name}: {}", self.html);
        let inner = rest.split_once('>').unwrap().1.split(&format!("</{name}>")).next().unwrap();
        strip_tags(inner)
    }

    /// Everything that people read, on one line.
    pub fn text(&self) -> String {
        strip_tags(self.html.split_once("<body>").unwrap().1)
    }

    /// The values of this attribute.
    pub fn attributes(&self, name: &str) -> Vec<String> {
        let begin = format!(" {name}=\"");
        self.html.split(&begin).skip(1).map(|rest| unescape(rest.split('"').next().unwrap())).collect()
    }

    /// The hidden fields of the form with this action.
    #[track_caller]
    pub fn find_form(&self, action: &str) -> Vec<(String, String)> {
        let begin = format!("action=\"{action}\"");
        let is_sent = |head: &str| head.contains(&begin) && head.contains("method=\"post\"");
        let form = self.html.split("<form").skip(1).find(|form| is_sent(form.split('>').next().unwrap()));
        let form =
            form.unwrap_or_else(|| panic!("no form for {action}: {}", self.html)).split("</form>").next().unwrap();
        let attribute = |input: &str, name: &str| {
            unescape(input.split(&format!(" {name}=\"")).nth(1).unwrap_or_default().split('"').next().unwrap())
        };
        let inputs = form.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
        let hidden = inputs.filter(|input| input.contains("type=\"hidden\""));
        hidden.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
    }

    /// Checks what holds for every page: its headers, its language, landmarks, and that nothing is inline or foreign.
    #[track_caller]
    pub fn assert_sound(&self) {
        let (html, header) = (&self.html, |name: &str| self.response.header(name).to_owned());
        assert!(header("content-type").starts_with("text/html"), "{}: {html}", header("content-type"));
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("base-uri 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "private, no-store");
        assert!(["no-referrer", "same-origin"].contains(&header("referrer-policy").as_str()));
        assert!(self.response.headers.get_all("vary").any(|vary| vary.to_str().unwrap().contains("Accept-Language")));
        assert!(html.contains(&format!("<html lang=\"{}\">", header("content-language"))), "{html}");
        for tag in ["<title>", "<h1>", "<main ", "<header>", "</html>"] {
            assert_eq!(html.matches(tag).count(), 1, "{tag}: {html}");
        }
        for inline in ["<style", "<script>", " style=\"", "javascript:", "<iframe"] {
            assert!(!html.contains(inline), "{inline}: {html}");
        }
        let tags = html.split('<').map(|tag| tag.split('>').next().unwrap());
        let is_handler =
            |rest: &str| rest.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()).starts_with('=');
        assert!(!tags.flat_map(|tag| tag.split(" on").skip(1)).any(is_handler), "a handler in an attribute: {html}");
        let ids = self.attributes("id");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        for reference in ["aria-labelledby", "aria-describedby", "for"].map(|name| self.attributes(name)).concat() {
            assert!(ids.contains(&reference), "nothing has the id {reference}: {html}");
        }
        for address in ["href", "src", "action", "data-progress"].map(|name| self.attributes(name)).concat() {
            let is_own = address.starts_with('#') || (address.starts_with('/') && !address.starts_with("//"));
            assert!(is_own, "{address} is elsewhere");
        }
        assert!(
            !["page-", "console-", " create-", ">create-", "\"create-"].iter().any(|name| html.contains(name)),
            "a message is missing: {html}"
        );
    }
}

/// The text between tags, unescaped, with single blanks.
fn strip_tags(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text += part.split_once('>').map_or(part, |(_, after)| after);
        text.push(' ');
    }
    unescape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

pub fn unescape(text: &str) -> String {
    [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
