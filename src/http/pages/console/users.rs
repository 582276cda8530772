//! The users of the company. They come from API keys and from the identity provider, so there is nothing to change here.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;
use serde::Deserialize;

use crate::app::AppState;
use crate::db::company::{self, ListedUserRow};
use crate::http::extract::page::{self, Page};
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::PageTime;
use crate::http::problem::Problem;

/// Users on one page.
const USERS_PER_PAGE: i64 = 100;

#[derive(Template)]
#[template(path = "console/users.html")]
struct UsersPage {
    frame: ConsoleFrame,
    users: Vec<UserLine>,
    pager: Pager,
}

struct UserLine {
    name: String,
    email: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
    keys: String,
    created: PageTime,
}

/// Where the list goes on.
#[derive(Deserialize)]
pub(super) struct UsersQuery {
    cursor: Option<String>,
}

/// `GET /console/users`.
#[get("/console/users")]
pub(super) async fn show_users(
    state: Data<AppState>,
    query: Query<UsersQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Users).await?;
    let after = page::parse_cursor(query.cursor.as_deref(), &"users", page::parse_single_key::<String>)?;
    let rows = company::list_users(&state.db, frame.caller.company, after.as_deref(), USERS_PER_PAGE + 1).await?;
    let page = Page::new(rows, USERS_PER_PAGE, &"users", |user| vec![user.name.clone()]);
    let page = UsersPage {
        pager: Pager::new(&request, page.next_cursor.as_deref()),
        users: page.items.into_iter().map(|user| UserLine::new(&frame, user)).collect(),
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}

impl UserLine {
    fn new(frame: &ConsoleFrame, user: ListedUserRow) -> Self {
        Self {
            name: user.name,
            email: user.email,
            locale: user.locale,
            time_zone: user.time_zone,
            keys: frame.language.format_number(user.valid_keys),
            created: frame.time(user.created_at),
        }
    }
}
