//! Responses before they are sent, and the entry point over sockets.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::DATE;
use wiremock::{Request, Respond, ResponseTemplate};

use super::Shared;
use crate::testing::edge::{Arrival, Denial};
use crate::testing::relay::{self, Disruption};
use crate::testing::text::format_time;

/// A response before it is sent.
pub(super) struct FakeResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) content_type: String,
    pub(super) headers: Vec<(String, String)>,
    /// What happens to it on its way to the client.
    pub(super) disruption: Option<Disruption>,
}

impl FakeResponse {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>, content_type: &str) -> Self {
        Self { status, body: body.into(), content_type: content_type.to_owned(), headers: Vec::new(), disruption: None }
    }

    /// Returns the error page of a load balancer.
    pub(super) fn gateway(status: u16) -> Self {
        let reason =
            http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        Self::new(status, format!("<html><head><title>{status} {reason}</title></head></html>"), "text/html")
    }

    /// Returns an empty response that does not reach the client.
    pub(super) fn disrupted(disruption: Disruption) -> Self {
        Self::new(200, Vec::new(), "text/plain").with_disruption(disruption)
    }

    pub(super) fn denied(denial: &Denial, request_id: String) -> Self {
        match &denial.body {
            Some(body) => Self::new(denial.status, body.to_string(), "application/json")
                .with_headers(&[("x-amzn-RequestId".to_owned(), request_id)]),
            None => Self::new(denial.status, "Unauthorized", "text/plain")
                .with_headers(&[("www-authenticate".to_owned(), r#"Basic realm="Security""#.to_owned())]),
        }
    }

    pub(super) fn with_disruption(mut self, disruption: Disruption) -> Self {
        self.disruption = Some(disruption);
        self
    }

    pub(super) fn with_headers(mut self, headers: &[(String, String)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    /// Adds the header `date`.
    pub(super) fn dated(self, time: SystemTime) -> Self {
        self.with_headers(&[(DATE.to_string(), format_time(time, "%a, %d %b %Y %H:%M:%S GMT"))])
    }
}

/// Handles the requests that arrive over sockets.
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
        let response = self.0.serve(&arrival);
        let template = ResponseTemplate::new(response.status).set_body_raw(response.body, &response.content_type);
        let template =
            response.headers.into_iter().fold(template, |template, (name, value)| template.append_header(name, value));
        match response.disruption {
            Some(disruption) => template.append_header(relay::DISRUPTION, disruption.to_header()),
            None => template,
        }
    }
}
