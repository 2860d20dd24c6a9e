//! Answers on their way out.

use std::sync::Arc;

use wiremock::{Request, Respond, ResponseTemplate};

use super::Shared;
use crate::testing::edge::{Arrival, Denial, format_time, random_text};
use crate::testing::relay::{self, Spoil};

/// An answer on its way to the relay.
pub(super) struct Reply {
    status: u16,
    body: Vec<u8>,
    content_type: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>, content_type: &str) -> Self {
        Self { status, body: body.into(), content_type: content_type.to_owned(), headers: Vec::new() }
    }

    /// The page of a load balancer.
    pub(super) fn gateway(status: u16) -> Self {
        let words = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        Self::new(status, format!("<html><head><title>{status} {words}</title></head></html>"), "text/html")
    }

    pub(super) fn spoiled(spoil: Spoil) -> Self {
        Self::new(200, Vec::new(), "text/plain").spoil(spoil)
    }

    pub(super) fn denied(denial: &Denial) -> Self {
        match &denial.body {
            Some(body) => {
                let id = random_text(32, b"0123456789abcdef");
                Self::new(denial.status, body.to_string(), "application/json")
                    .with_headers(&[("x-amzn-RequestId".to_owned(), id)])
            }
            None => Self::new(denial.status, "Unauthorized", "text/plain")
                .with_headers(&[("www-authenticate".to_owned(), r#"Basic realm="Security""#.to_owned())]),
        }
    }

    pub(super) fn spoil(self, spoil: Spoil) -> Self {
        self.with_headers(&[(relay::SPOIL.to_owned(), spoil.to_header())])
    }

    pub(super) fn with_headers(mut self, headers: &[(String, String)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }
}

pub(super) struct Responder(pub(super) Arc<Shared>);

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut headers = request.headers.clone();
        let target = headers.remove(relay::TARGET).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let arrival = Arrival {
            method: request.method.as_str().to_owned(),
            target: target.unwrap_or_default(),
            headers,
            body: request.body.clone(),
        };
        let (mut state, now) = self.0.enter();
        let reply = state.handle(&arrival, now);
        let template = ResponseTemplate::new(reply.status)
            .insert_header("date", format_time(now.wall, "%a, %d %b %Y %H:%M:%S GMT"))
            .set_body_raw(reply.body, &reply.content_type);
        reply.headers.into_iter().fold(template, |template, (name, value)| template.append_header(name, value))
    }
}
