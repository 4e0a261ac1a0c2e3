//! Bodies of answers: whole, cut off, in drops, or lines made while they are sent (pingone-api.md §9, point 55).

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// A body of an answer.
pub(crate) enum AnswerBody {
    /// Everything at once
    Whole(Option<Bytes>),
    /// Some bytes, then a broken connection; the full length was promised
    Broken { part: Option<Bytes>, promised: u64 },
    /// Pieces with a pause before each
    Drops {
        pieces: VecDeque<Bytes>,
        pause: Duration,
        wait: Pin<Box<Sleep>>,
        left: u64,
    },
    /// Pieces made on demand
    Lines(Box<dyn Iterator<Item = Bytes> + Send>),
}

impl AnswerBody {
    /// The body in so many pieces, each after a pause.
    pub(crate) fn drops(body: &Bytes, count: usize, pause: Duration) -> Self {
        let size = body.len().div_ceil(count).max(1);
        let pieces = (0..body.len())
            .step_by(size)
            .map(|at| body.slice(at..(at + size).min(body.len())))
            .collect();
        Self::Drops {
            pieces,
            pause,
            wait: Box::pin(tokio::time::sleep(pause)),
            left: body.len() as u64,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = match &mut *self {
            Self::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()),
            Self::Broken { part, .. } => match part.take() {
                Some(bytes) if !bytes.is_empty() => Some(bytes),
                _ => return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionReset)))),
            },
            Self::Drops {
                pieces,
                pause,
                wait,
                left,
            } => {
                if pieces.is_empty() {
                    return Poll::Ready(None);
                }
                std::task::ready!(wait.as_mut().poll(cx));
                *wait = Box::pin(tokio::time::sleep(*pause));
                let piece = pieces.pop_front();
                *left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
                piece
            }
            Self::Lines(lines) => lines.next(),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Drops { pieces, .. } => pieces.is_empty(),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Broken { promised, .. } => SizeHint::with_exact(*promised),
            Self::Drops { left, .. } => SizeHint::with_exact(*left),
            Self::Lines(_) => SizeHint::default(),
        }
    }
}
