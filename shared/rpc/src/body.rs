//! An answer on its way out: its trailers are shaped, its end is logged, and a stream ends at its
//! deadline or when the server is cut off.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::{Code, Status};
use yinyom_kernel::Language;

use crate::answers::Answer;
use crate::edge::Record;
use crate::made::Made;
use crate::shape::{put, shape};
use crate::{EdgeFault, status};

pub(crate) struct AnswerBody {
    /// What of `inner` is made already.
    made: Made,
    inner: Body,
    language: Language,
    end: Option<End>,
    record: Record,
    /// Told whose turn it is, for as long as there is something to say.
    answer: Option<Answer>,
    ended: bool,
}

/// What ends a stream from outside. A unary answer has nothing to wait for once its head is out.
struct End {
    deadline: Option<Pin<Box<Sleep>>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AnswerBody {
    pub(crate) fn unary(inner: Body, made: Made, language: Language, record: Record) -> Self {
        Self { made, inner, language, end: None, record, answer: None, ended: false }
    }

    pub(crate) fn stream(
        inner: Body,
        language: Language,
        record: Record,
        deadline: Option<Instant>,
        cut: CancellationToken,
    ) -> Self {
        let end = End {
            deadline: deadline.map(|at| Box::pin(tokio::time::sleep_until(at))),
            cut: Box::pin(cut.cancelled_owned()),
        };
        let made = Made::default();
        Self { made, inner, language, end: Some(end), record, answer: None, ended: false }
    }

    pub(crate) fn with(mut self, answer: Option<Answer>) -> Self {
        self.answer = answer;
        self
    }

    fn finish(&mut self, code: Code) {
        self.ended = true;
        self.answer = None;
        // What the handler's stream holds is let go now, not when the connection gets to it.
        self.made = Made::default();
        self.inner = Body::empty();
        self.record.finish(code);
    }

    fn end_with(&mut self, status: &Status) -> Frame<Bytes> {
        let mut trailers = HeaderMap::new();
        put(status, &mut trailers);
        let code = shape(&mut trailers, self.language).unwrap_or(Code::Internal);
        self.finish(code);
        Frame::trailers(trailers)
    }

    /// Why the stream must end now, whatever it still has.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<EdgeFault> {
        let Some(end) = &mut self.end else { return Poll::Pending };
        if let Some(deadline) = &mut end.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(EdgeFault::DeadlineExceeded);
        }
        end.cut.as_mut().poll(cx).map(|()| EdgeFault::ShuttingDown)
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if let Some(answer) = &this.answer {
            answer.polled();
        }
        if this.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(fault) = this.poll_end(cx) {
            let status = status(&fault, this.language);
            return Poll::Ready(Some(Ok(this.end_with(&status))));
        }
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| match this.made.first() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut this.inner).poll_frame(cx),
        }));
        let Ok(polled) = polled else {
            let status = status(&EdgeFault::Panicked, this.language);
            return Poll::Ready(Some(Ok(this.end_with(&status))));
        };
        Poll::Ready(match ready!(polled) {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(mut trailers) => {
                    let code = shape(&mut trailers, this.language).unwrap_or(Code::Ok);
                    this.finish(code);
                    Some(Ok(Frame::trailers(trailers)))
                }
                Err(data) => {
                    if let Some(answer) = &this.answer {
                        answer.handed_over();
                    }
                    Some(Ok(data))
                }
            },
            Some(Err(status)) => Some(Ok(this.end_with(&status))),
            None => {
                this.finish(Code::Ok);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
