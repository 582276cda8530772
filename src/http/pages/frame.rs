//! What all pages have in common: language, addresses, the headers of the response, and the words for times.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::http::address::write_address;
use crate::http::pages::static_files;
use crate::http::problem::Problem;
use crate::i18n::Language;

/// What a page may load and do: the service's own files, and nothing inline. No other site may show it in a frame, where a
/// click could be stolen.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                           form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the layout shows around a page. Templates reach text and addresses through it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) language: &'static Language,
    /// Of the browser's tab: untrusted text where it is a name.
    pub(crate) title: String,
    /// Whether the address is a secret that must not reach another site, not even as a referrer.
    pub(crate) is_address_secret: bool,
    /// Who is signed in.
    pub(crate) account: Option<Account>,
    /// Whether the page offers to sign in.
    pub(crate) can_sign_in: bool,
}

/// Who is signed in, for the top of the page.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// For the form that signs out.
    pub(crate) csrf: String,
}

impl Frame {
    pub(crate) fn new(language: &'static Language, title: impl Into<String>) -> Self {
        Self { language, title: title.into(), is_address_secret: false, account: None, can_sign_in: false }
    }

    /// A message without arguments.
    pub(crate) fn text(&self, name: &str) -> String {
        self.language.format(name, &[])
    }

    /// The address of a path of this service.
    pub(crate) fn address(&self, path: &str) -> String {
        write_address(path)
    }

    /// The address of a file in `static/`.
    pub(crate) fn file(&self, name: &str) -> String {
        static_files::write_file_address(name)
    }

    /// The response with this page.
    ///
    /// # Errors
    /// 500 when the template fails, which it does not for any data.
    pub(crate) fn respond(&self, status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
        let html = page.render().map_err(Problem::internal)?;
        let mut answer = HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html);
        self.add_headers(answer.headers_mut());
        Ok(answer)
    }

    /// The headers that every page has.
    pub(crate) fn add_headers(&self, headers: &mut header::HeaderMap) {
        let fixed = [
            (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
            // What a page shows depends on who asks, and changes.
            (header::CACHE_CONTROL, "private, no-store"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            // With `no-referrer` browsers would send forms with `Origin: null`.
            (header::REFERRER_POLICY, if self.is_address_secret { "no-referrer" } else { "same-origin" }),
            (header::CONTENT_LANGUAGE, self.language.tag()),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.append(header::VARY, HeaderValue::from_static("Accept, Accept-Language"));
    }
}

/// After a form the browser asks for another page, so that loading it again sends nothing twice.
pub(crate) fn redirect_to(path: &str) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((header::LOCATION, write_address(path)));
    answer.insert_header((header::CACHE_CONTROL, "private, no-store"));
    answer.finish()
}

/// A time: for people in words, and for the script that shows it in the reader's own zone.
#[derive(Debug)]
pub(crate) struct PageTime {
    pub(crate) iso: String,
    pub(crate) text: String,
}

impl PageTime {
    pub(crate) fn new(language: &Language, at: DateTime<Utc>) -> Self {
        Self::new_in(language, at, Tz::UTC)
    }

    /// The same with the words for a reader in this zone.
    pub(crate) fn new_in(language: &Language, at: DateTime<Utc>, zone: Tz) -> Self {
        Self { iso: at.to_rfc3339_opts(SecondsFormat::Secs, true), text: language.format_time_in(at, zone) }
    }
}

/// An icon beside a word that says the same: colour and shape alone say nothing to many people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Icon {
    Done,
    Warning,
    Failed,
    Running,
    Waiting,
}

impl Icon {
    /// The class that colours it.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Waiting => "waiting",
        }
    }

    /// The drawing, within 16 by 16. Constant, so it needs no escaping.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Done => "M2.5 8.5l3.5 3.5 7.5-8",
            Self::Warning => "M8 2L1.5 13.5h13zM8 6.5v3.5M8 11.8v.4",
            Self::Failed => "M3.5 3.5l9 9M12.5 3.5l-9 9",
            Self::Running => "M13.5 8a5.5 5.5 0 1 1-2-4.2M13.5 2v2.5H11",
            Self::Waiting => "M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3l2 1.5",
        }
    }
}
