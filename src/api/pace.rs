//! How long a request may take. Bodies that come too slowly are cut off, or strangers could hold the service's connections
//! with a byte now and then; answers that do not come are given up.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{InternalError, PayloadError};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage, ResponseError};
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::api::problem::Problem;
use crate::code::Code;
use crate::settings::Settings;
use crate::state::State;

/// Watches over the body of a request. One that is too slow ends for the handler, and the caller is told why.
pub async fn pace(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let headers = request.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let state = request.app_data::<Data<State>>().cloned();
    let Some(state) = state.filter(|state| has_body && state.settings.body_pace > 0) else {
        return Ok(next.call(request).await?.map_body(|_, answer| EitherBody::left(answer)));
    };
    let body = Watched::new(request.take_payload(), &state.settings);
    request.set_payload(Payload::Stream { payload: Box::pin(body.clone()) });
    request.extensions_mut().insert(body.clone());
    let answer = next.call(request).await;
    let late = body.0.borrow().late;
    let refused = match answer {
        Ok(answer) if !late => {
            return Ok(answer.map_body(|_, answer| EitherBody::right(Held { answer: answer.boxed(), _request: body })));
        }
        Err(error) if !late => error.error_response(),
        _ => too_slow(&state.settings).error_response(),
    };
    let refused = refused.map_body(|_, answer| BoxBody::new(Held { answer, _request: body }));
    Err(InternalError::from_response("a request with a body was refused", refused).into())
}

/// The body of an answer that keeps that of its request. The connection waits for what is left of a chunked one that
/// everybody let go of, as long as that takes; one that somebody still holds at the answer's end closes it.
struct Held {
    answer: BoxBody,
    _request: Watched,
}

impl MessageBody for Held {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

/// How long an answer may take to begin, beside what the caller asked to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers 503 when nobody else does: a database that keeps its connections open and says nothing must not hold
/// callers for ever. Uploads take as long as their bytes do.
pub async fn deadline(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let uploads = request.path() == "/assets" || request.path().ends_with("/content");
    let pieces = request.path().starts_with("/uploads/") && *request.method() == Method::PATCH;
    if pieces || (uploads && matches!(*request.method(), Method::POST | Method::PUT)) {
        return next.call(request).await;
    }
    let body = request.extensions().get::<Watched>().cloned();
    let asked = request.query_string().split('&').find_map(|said| said.strip_prefix("wait=")?.parse().ok());
    let mut patience = PATIENCE + Duration::from_secs(asked.unwrap_or(0).min(60));
    // A preview is rendered before it is answered, and its render has a limit of its own.
    if let Some(state) = request.app_data::<Data<State>>().filter(|_| request.path().ends_with("/preview")) {
        patience += state.settings.max_render_time;
    }
    let late = |_| Problem::unavailable(format!("no answer within {} s", patience.as_secs())).into();
    let mut answer = pin!(next.call(request));
    loop {
        match timeout(patience, &mut answer).await {
            Ok(answer) => return answer,
            // It is still being sent, as quickly as `pace` asks for.
            Err(_) if body.as_ref().is_some_and(|body| body.moved_within(patience)) => {}
            Err(elapsed) => return Err(late(elapsed)),
        }
    }
}

fn too_slow(settings: &Settings) -> Problem {
    let detail = format!(
        "The body came with less than {} bytes a second for longer than {}, or stood still. Nothing was kept. Send it again \
         over a better line.",
        settings.body_pace,
        humantime::format_duration(settings.body_patience)
    );
    Problem::new(Code::RequestTimeout, detail).header(header::CONNECTION, "close")
}

/// A body with a clock that runs only while somebody waits for it.
#[derive(Clone)]
pub struct Watched(Rc<RefCell<Inner>>);

struct Inner {
    body: Payload,
    /// Bytes a second.
    floor: u64,
    most: Duration,
    /// How long may still be waited. Every byte that comes adds to it, up to `most`.
    left: Duration,
    waits: Option<(Instant, Pin<Box<Sleep>>)>,
    moved: Instant,
    late: bool,
}

impl Watched {
    fn new(body: Payload, settings: &Settings) -> Self {
        let most = settings.body_patience;
        let inner = Inner {
            body,
            floor: settings.body_pace,
            most,
            left: most,
            waits: None,
            moved: Instant::now(),
            late: false,
        };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// Whether a part of it came within this time.
    pub fn moved_within(&self, time: Duration) -> bool {
        self.0.borrow().moved.elapsed() < time
    }
}

impl Stream for Watched {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll(context)
    }
}

impl Inner {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.body).poll_next(context) {
            if let Some((since, _)) = self.waits.take() {
                self.left = self.left.saturating_sub(since.elapsed());
            }
            if let Some(Ok(bytes)) = &piece {
                let earned = Duration::from_secs_f64(bytes.len() as f64 / self.floor as f64);
                self.left = (self.left + earned).min(self.most);
            }
            self.moved = Instant::now();
            return Poll::Ready(piece);
        }
        let left = self.left;
        let (_, sleep) = self.waits.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(sleep.as_mut().poll(context));
        self.late = true;
        Poll::Ready(Some(Err(PayloadError::Incomplete(None))))
    }
}
