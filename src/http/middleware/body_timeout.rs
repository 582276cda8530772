//! Time limits of requests. Bodies that arrive too slowly are cut off, because otherwise anybody could hold connections with
//! a byte now and then (slow loris). Handlers that do not answer in time are given up.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{InternalError, PayloadError};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage, ResponseError};
use futures_util::Stream;
use offprint_core::Code;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::app::AppState;
use crate::http::extract::prefer;
use crate::http::middleware::route::find_route;
use crate::http::operations::Deadline;
use crate::http::problem::Problem;
use crate::settings::Settings;

/// Enforces a minimum rate of request bodies. A body that is too slow ends with an error for the handler, and the caller
/// gets 408.
pub async fn enforce_body_rate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let headers = request.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let state = request.app_data::<Data<AppState>>().cloned();
    let Some(state) = state.filter(|state| has_body && state.settings.body_min_rate > 0) else {
        return Ok(next.call(request).await?.map_body(|_, answer| EitherBody::left(answer)));
    };
    let body = TimedBody::new(request.take_payload(), &state.settings);
    request.set_payload(Payload::Stream { payload: Box::pin(body.clone()) });
    request.extensions_mut().insert(body.clone());
    let answer = next.call(request).await;
    let late = body.0.borrow().timed_out;
    let refused = match answer {
        Ok(answer) if !late => {
            return Ok(answer
                .map_body(|_, answer| EitherBody::right(RequestHold { response: answer.boxed(), _request: body })));
        }
        Err(error) if !late => error.error_response(),
        _ => reject_slow_body(&state.settings).error_response(),
    };
    let refused = refused.map_body(|_, answer| BoxBody::new(RequestHold { response: answer, _request: body }));
    Err(InternalError::from_response("a request with a body was refused", refused).into())
}

/// A response body that keeps the request body alive. actix reads the rest of a chunked request body that was dropped, for
/// as long as that takes; when it is still held at the end of the response, actix closes the connection.
struct RequestHold {
    response: BoxBody,
    _request: TimedBody,
}

impl MessageBody for RequestHold {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.response.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.response).poll_next(context)
    }
}

/// How long a response may take to begin; the operation table says where it may take longer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers 503 when the handler does not answer in time: a database that keeps connections open but does not reply must
/// not block callers for ever. Uploads may take as long as their bytes arrive.
pub async fn enforce_deadline(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let deadline = find_route(&request).operation().map_or(Deadline::Standard, |operation| operation.deadline);
    let extra = match deadline {
        Deadline::Transfer => return next.call(request).await,
        Deadline::Standard => Duration::ZERO,
        Deadline::Wait => read_wait(request.query_string(), request.headers()),
        Deadline::Render => {
            request.app_data::<Data<AppState>>().map_or(Duration::ZERO, |state| state.settings.max_render_time)
        }
    };
    let limit = RESPONSE_TIMEOUT + extra;
    let body = request.extensions().get::<TimedBody>().cloned();
    let late = |_| Problem::unavailable(format!("no answer within {} s", limit.as_secs())).into();
    let mut answer = pin!(next.call(request));
    loop {
        match timeout(limit, &mut answer).await {
            Ok(answer) => return answer,
            // The request body is still arriving, at least as fast as `enforce_body_rate` demands.
            Err(_) if body.as_ref().is_some_and(|body| body.has_moved_within(limit)) => {}
            Err(elapsed) => return Err(late(elapsed)),
        }
    }
}

/// How long the caller asks to wait, with `?wait=` or `Prefer: wait=`, in seconds.
fn read_wait(query: &str, headers: &HeaderMap) -> Duration {
    let seconds = query.split('&').find_map(|pair| pair.strip_prefix("wait=")?.parse().ok());
    prefer::limit_wait(seconds.or_else(|| prefer::read_wait(headers)).unwrap_or(0))
}

fn reject_slow_body(settings: &Settings) -> Problem {
    let detail = format!(
        "The request body arrived at less than {} bytes per second for longer than {}. Nothing was stored. Retry on a faster \
         connection.",
        settings.body_min_rate,
        humantime::format_duration(settings.body_idle_timeout)
    );
    Problem::new(Code::RequestTimeout, detail).with_header(header::CONNECTION, "close")
}

/// A request body with a time budget that is spent only while the handler waits for bytes.
#[derive(Clone)]
pub struct TimedBody(Rc<RefCell<TimedBodyState>>);

struct TimedBodyState {
    body: Payload,
    /// Bytes per second.
    min_rate: u64,
    idle_timeout: Duration,
    /// The time that may still be spent waiting. Every byte that arrives adds to it, up to `idle_timeout`.
    time_left: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    last_moved: Instant,
    timed_out: bool,
}

impl TimedBody {
    fn new(body: Payload, settings: &Settings) -> Self {
        let idle_timeout = settings.body_idle_timeout;
        let inner = TimedBodyState {
            body,
            min_rate: settings.body_min_rate,
            idle_timeout,
            time_left: idle_timeout,
            waiting: None,
            last_moved: Instant::now(),
            timed_out: false,
        };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// Whether any bytes arrived within this time.
    pub fn has_moved_within(&self, time: Duration) -> bool {
        self.0.borrow().last_moved.elapsed() < time
    }
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll(context)
    }
}

impl TimedBodyState {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.body).poll_next(context) {
            if let Some((since, _)) = self.waiting.take() {
                self.time_left = self.time_left.saturating_sub(since.elapsed());
            }
            if let Some(Ok(bytes)) = &piece {
                let earned = Duration::from_secs_f64(bytes.len() as f64 / self.min_rate as f64);
                self.time_left = (self.time_left + earned).min(self.idle_timeout);
            }
            self.last_moved = Instant::now();
            return Poll::Ready(piece);
        }
        let left = self.time_left;
        let (_, sleep) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(sleep.as_mut().poll(context));
        self.timed_out = true;
        Poll::Ready(Some(Err(PayloadError::Incomplete(None))))
    }
}
