//! The frame of a console page: who asks, what they may open, and what every page of the console has.

use std::ops::Deref;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::app::AppState;
use crate::db::company;
use crate::db::{self, company::UserRow};
use crate::http::extract::caller::Caller;
use crate::http::extract::locale;
use crate::http::pages::console::explanation::Explanation;
use crate::http::pages::console::message::FormMessage;
use crate::http::pages::console::section::{Section, SectionLink, can_open};
use crate::http::pages::frame::{Account, Frame, PageTime};
use crate::http::problem::Problem;
use crate::http::session::{self, OpenSession};
use crate::i18n::{self, Language};
use crate::jobs::schedule::parse_time_zone;
use crate::reason::Reason;

/// The frame of a page. A template has it as its field `frame`, extends `console/layout.html` and fills the block `page`.
pub(in crate::http::pages) struct ConsoleFrame {
    frame: Frame,
    /// Who asks. In open mode everybody is the one company with all capabilities.
    pub(in crate::http::pages) caller: Caller,
    /// Hidden field `csrf` of every form.
    pub(in crate::http::pages) csrf: String,
    /// The user's own zone; UTC where it is not known. A script shows times in the zone of the browser.
    pub(in crate::http::pages) zone: Tz,
    pub(in crate::http::pages) sections: Vec<SectionLink>,
    /// What became of the form before.
    pub(in crate::http::pages) message: Option<FormMessage>,
    /// Makes a browser known that has no session, so that its forms can be told from those of others.
    new_cookie: Option<HeaderValue>,
}

impl Deref for ConsoleFrame {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.frame
    }
}

impl ConsoleFrame {
    /// The frame of the page that this request asks for, with the name of the section as its title. That the caller may open
    /// the page was checked before, by the operation table.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::http::pages) async fn open(
        state: &AppState,
        request: &HttpRequest,
        section: Section,
    ) -> Result<Self, Problem> {
        let caller = Caller::extract(request).await?;
        let session = request.extensions().get::<OpenSession>().cloned();
        let user = find_user(state, &caller).await?;
        let language = choose_language(request, user.as_ref());
        let zone = user.as_ref().and_then(|user| parse_time_zone(user.time_zone.as_deref()?).ok());
        let (csrf, new_cookie) = session::find_form_token(state, request, session.as_ref())?;
        let mut frame = Frame::new(language, language.format(section.message(), &[]));
        frame.account = session.map(|session| Account {
            name: session.user_name.unwrap_or_else(|| language.format("page-operator", &[])),
            csrf: session.csrf_token,
        });
        Ok(Self {
            sections: section.list_links(&caller, language, request.path()),
            message: FormMessage::from_query(language, request.query_string()),
            zone: zone.unwrap_or(Tz::UTC),
            frame,
            caller,
            csrf,
            new_cookie,
        })
    }

    /// The frame with a title of its own: untrusted text where it is a name.
    pub(in crate::http::pages) fn with_title(mut self, title: impl Into<String>) -> Self {
        self.frame.title = title.into();
        self
    }

    /// A sentence about an item or a job, for templates.
    pub(in crate::http::pages) fn explain(&self, reason: &Reason) -> Explanation {
        Explanation::of_reason(self.language, reason)
    }

    /// A sentence about a mistake, for templates.
    pub(in crate::http::pages) fn explain_mistake(&self, reason: &Reason) -> Explanation {
        Explanation::of_mistake(self.language, reason)
    }

    /// A time in words.
    pub(in crate::http::pages) fn time(&self, at: DateTime<Utc>) -> PageTime {
        PageTime::new_in(self.language, at, self.zone)
    }

    /// Whether the caller may send this request: for buttons and links, which are hidden where they would be refused.
    pub(in crate::http::pages) fn can(&self, method: &str, path: &str) -> bool {
        can_open(method, path, &self.caller)
    }

    /// The response with this page.
    ///
    /// # Errors
    /// 500 when the template fails, which it does not for any data.
    pub(in crate::http::pages) fn respond(
        &self,
        status: StatusCode,
        page: &impl Template,
    ) -> Result<HttpResponse, Problem> {
        let mut answer = self.frame.respond(status, page)?;
        if let Some(cookie) = &self.new_cookie {
            answer.headers_mut().append(header::SET_COOKIE, cookie.clone());
        }
        Ok(answer)
    }
}

async fn find_user(state: &AppState, caller: &Caller) -> Result<Option<UserRow>, Problem> {
    let Some(user) = caller.user else { return Ok(None) };
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    Ok(Some(company::fetch_user(&mut connection, caller.company, user).await?))
}

fn choose_language(request: &HttpRequest, user: Option<&UserRow>) -> &'static Language {
    let own = || i18n::find_language(user?.locale.as_deref()?);
    locale::find_accepted_language(request).or_else(own).unwrap_or_else(i18n::default_language)
}
