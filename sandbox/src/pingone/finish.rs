//! Puts a finished answer on the wire (pingone-api.md §3.2), broken as a fault says.

use super::answer::{Answer, Refusal};
use super::body::AnswerBody;
use super::faults::{Due, FaultAction, Lost};
use super::http::{HTML, Shared, text};
use http::{HeaderMap, Response, StatusCode, header};
use std::time::Duration;
use uuid::Uuid;

impl Shared {
    /// Puts the answer on the wire (pingone-api.md §3.2), bent by what is left of the fault.
    pub(crate) fn finish(
        &self,
        answer: Answer,
        due: Option<Due>,
        correlation: Uuid,
        asked: &HeaderMap,
    ) -> Result<(Response<AnswerBody>, usize), Lost> {
        let mut answer = answer;
        let length = answer.body.len();
        let part = |percent: u8| length * usize::from(percent.min(100)) / 100;
        let mut body = None;
        match due.map(|due| due.action) {
            Some(FaultAction::Reset) => return Err(Lost::Reset),
            Some(FaultAction::AnswerLost(Lost::Status(status))) => {
                answer = Refusal::of_status(status).answer(correlation);
            }
            Some(FaultAction::AnswerLost(lost)) => return Err(lost),
            Some(FaultAction::Truncated(percent)) => answer.body.truncate(part(percent)),
            Some(FaultAction::Html) => answer = Answer::typed(answer.status, "text/html; charset=utf-8", HTML),
            Some(FaultAction::ContentType(kind)) => answer.content_type = Some(kind),
            Some(FaultAction::Body(text)) => answer.body = text.into(),
            Some(FaultAction::ResetMidBody(percent)) => {
                let part = Some(answer.body.slice(..part(percent)));
                body = Some(AnswerBody::Broken {
                    part,
                    promised: length as u64,
                });
            }
            Some(FaultAction::Trickle(ms)) => {
                body = Some(AnswerBody::drops(&answer.body, 64, Duration::from_millis(ms)));
            }
            _ => {}
        }
        let length = answer.body.len();
        let encoding = body.is_none().then(|| self.compress(&mut answer, asked)).flatten();
        let body = body.unwrap_or_else(|| AnswerBody::Whole(Some(answer.body.clone())));
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.headers(response.headers_mut(), &answer, correlation);
        if let Some(encoding) = encoding {
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, http::HeaderValue::from_static(encoding));
        }
        Ok((response, length))
    }

    /// Headers of every answer (pingone-api.md §3.2, D): no `ETag`, no X-RateLimit (point 57).
    fn headers(&self, headers: &mut HeaderMap, answer: &Answer, correlation: Uuid) {
        let fixed = |text: &'static str| http::HeaderValue::from_static(text);
        let mut put = |name: header::HeaderName, value: &str| {
            if let Ok(value) = http::HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        let mut id = [0; 36];
        put(
            header::HeaderName::from_static("correlation-id"),
            correlation.hyphenated().encode_lower(&mut id),
        );
        if let Some(retry_after) = &answer.retry_after {
            put(header::RETRY_AFTER, retry_after);
        }
        if let Some(location) = &answer.location {
            put(header::LOCATION, location);
        }
        if !answer.body.is_empty() {
            let plain = self.options.users.plain_content_type;
            let usual = if plain {
                "application/json"
            } else {
                "application/hal+json;charset=UTF-8"
            };
            put(header::CONTENT_TYPE, answer.content_type.as_deref().unwrap_or(usual));
        }
        headers.insert(
            header::CACHE_CONTROL,
            fixed("no-cache, no-store, max-age=0, must-revalidate"),
        );
        headers.insert(header::EXPIRES, fixed("0"));
        headers.insert(header::PRAGMA, fixed("no-cache"));
        headers.insert(header::STRICT_TRANSPORT_SECURITY, fixed("max-age=31536000"));
        headers.insert(header::VARY, fixed("accept-encoding,origin"));
    }

    /// Compresses when asked to and allowed to (pingone-api.md §8: "ask for gzip", G).
    fn compress(&self, answer: &mut Answer, asked: &HeaderMap) -> Option<&'static str> {
        let wanted = self.options.listen.gzip
            && text(asked, &header::ACCEPT_ENCODING).is_some_and(|list| list.contains("gzip"))
            && answer.body.len() > 512;
        if !wanted {
            return None;
        }
        answer.body = super::gzip::compress(&answer.body)?.into();
        Some("gzip")
    }
}
