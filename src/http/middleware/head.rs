//! HEAD: the answer to GET without its body (RFC 9110, 9.3.2). Handlers that read files answer it themselves, to read
//! nothing; for all others GET is called.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ResponseHead, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::web::Bytes;

use crate::http::middleware::route::find_route;

/// Calls GET for HEAD, and drops the body.
pub async fn answer_head(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_as_get = request.method() == Method::HEAD
        && find_route(&request).operation().is_some_and(|operation| operation.method == "GET" && !operation.has_head);
    if !is_as_get {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    request.head_mut().method = Method::GET;
    let answer = next.call(request).await?;
    Ok(answer.map_body(|head, body| EitherBody::right(omit_body(head, body))))
}

/// Leaves the body out, and says in the head how long it would be.
pub(crate) fn omit_body(head: &mut ResponseHead, body: impl MessageBody) -> OmittedBody {
    let size = body.size();
    if let BodySize::Sized(length) = size {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    head.no_chunking(true);
    OmittedBody { is_none: matches!(size, BodySize::None) }
}

/// No body, behind a head that has the length. For actix it is a stream that ends at once: it forgets that a request is a
/// HEAD when the next one on the connection is there already, and would miss the bytes of a body with a length.
pub(crate) struct OmittedBody {
    is_none: bool,
}

impl MessageBody for OmittedBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        if self.is_none { BodySize::None } else { BodySize::Stream }
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}
