//! Checks a signature: recomputes it from the bytes that arrived.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::super::text::format_time;
use super::{ALGORITHM, Arrival, Denial, Edge, Issued};

/// What a canonical request encodes in a query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What a canonical request encodes in a path.
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// How far the time of a signature may differ from the domain's time.
const WINDOW: Duration = Duration::from_mins(5);

impl Edge {
    pub(super) fn check_signature(
        &self,
        arrival: &Arrival,
        authorization: &str,
        now: SystemTime,
        monotonic: Duration,
    ) -> Result<(), Denial> {
        let Some(parts) = Authorization::parse(authorization) else {
            return Err(Denial::signature(format!(
                "'{authorization}' not a valid key=value pair (missing equal-sign) in Authorization header"
            )));
        };
        let scope: Vec<&str> = parts.credential.split('/').collect();
        let &[key, date, region, service, terminator] = scope.as_slice() else {
            return Err(Denial::signature("Credential should be scoped with a valid terminator: 'aws4_request'"));
        };
        if service != "es" || terminator != "aws4_request" {
            return Err(Denial::signature("Credential should be scoped to correct service: 'es'. "));
        }
        if region != self.region {
            return Err(Denial::signature(format!("Credential should be scoped to a valid region, not '{region}'. ")));
        }
        let issued = self.account.issued().iter().rfind(|issued| issued.key == key).cloned();
        let Some(issued) =
            issued.filter(|issued| arrival.header("x-amz-security-token").as_ref() == Some(&issued.token))
        else {
            return Err(Denial::signature("The security token included in the request is invalid."));
        };
        if issued.expires <= monotonic {
            return Err(Denial::signature("The security token included in the request is expired"));
        }
        let stamp = arrival.header("x-amz-date").unwrap_or_default();
        let Some(when) = parse_stamp(&stamp) else {
            return Err(Denial::signature(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            ));
        };
        if !stamp.starts_with(date) {
            return Err(Denial::signature(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
            ));
        }
        check_window(&stamp, when, now)?;
        check_signed_headers(arrival, &parts.signed)?;
        if let Some(claimed) = arrival.header("x-amz-content-sha256")
            && payload_hash(&arrival.body) != claimed
        {
            return Err(Denial::signature(
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ));
        }
        let mut headers = Vec::new();
        for name in &parts.signed {
            let Some(value) = arrival.header(name) else {
                return Err(Denial::signature(format!("signed header '{name}' is not in the request")));
            };
            headers.push((*name, value.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        let expected = signature(arrival, &headers, &issued, region, when);
        if expected.as_deref() != Some(parts.signature) {
            let canonical = canonical_request(arrival, &headers);
            return Err(Denial::signature(format!(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
                 signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have \
                 been\n'{canonical}'\n"
            )));
        }
        Ok(())
    }
}

fn check_window(stamp: &str, when: SystemTime, now: SystemTime) -> Result<(), Denial> {
    let (floor, ceiling) = (now.checked_sub(WINDOW).unwrap_or(now), now.checked_add(WINDOW).unwrap_or(now));
    let show = |time| format_time(time, "%Y%m%dT%H%M%SZ");
    // The stamp leaves out the fraction of a second, so the signature may be up to 1 s newer.
    if when + Duration::from_secs(1) <= floor {
        let (floor, now) = (show(floor), show(now));
        return Err(Denial::signature(format!(
            "Signature expired: {stamp} is now earlier than {floor} ({now} - 5 min.)"
        )));
    }
    if when > ceiling {
        let (ceiling, now) = (show(ceiling), show(now));
        return Err(Denial::signature(format!(
            "Signature not yet current: {stamp} is still later than {ceiling} ({now} + 5 min.)"
        )));
    }
    Ok(())
}

fn check_signed_headers(arrival: &Arrival, signed: &[&str]) -> Result<(), Denial> {
    let must: BTreeSet<&str> = ["host", "x-amz-date"]
        .into_iter()
        .chain(arrival.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-")))
        .collect();
    match must.into_iter().find(|name| !signed.contains(name)) {
        None => Ok(()),
        Some(missing) => {
            Err(Denial::signature(format!("'{missing}' must be a 'SignedHeader' in the AWS Authorization.")))
        }
    }
}

/// The parts of the header `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
struct Authorization<'a> {
    credential: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let mut parts = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.splitn(3, ',').map(str::trim);
        let mut part = |name| parts.next().and_then(|part: &'a str| part.strip_prefix(name));
        let (credential, signed, signature) = (part("Credential=")?, part("SignedHeaders=")?, part("Signature=")?);
        let is_hash = signature.len() == 64 && signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_hash.then(|| Self { credential, signed: signed.split(';').collect(), signature })
    }
}

/// Returns the signature that the client should have sent.
fn signature(
    arrival: &Arrival,
    headers: &[(&str, String)],
    issued: &Issued,
    region: &str,
    when: SystemTime,
) -> Option<String> {
    let identity = Credentials::new(&issued.key, &issued.secret, Some(issued.token.clone()), None, "FakeDomain").into();
    let mut settings = SigningSettings::default();
    // By default the signer skips some headers, but the client may have signed them.
    settings.excluded_headers = None;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("es")
        .time(when)
        .settings(settings)
        .build()
        .ok()?;
    let host = arrival.header("host")?;
    let request = SignableRequest::new(
        &arrival.method,
        format!("http://{host}{}", arrival.target),
        headers.iter().map(|(name, value)| (*name, value.as_str())),
        SignableBody::Bytes(&arrival.body),
    )
    .ok()?;
    Some(sign(request, &params.into()).ok()?.into_parts().1)
}

/// Returns the SHA-256 of a body in hexadecimal.
fn payload_hash(body: &[u8]) -> String {
    format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(body)))
}

/// Returns the canonical request, for the text of a refusal. Like Amazon's, it contains the session
/// token.
fn canonical_request(arrival: &Arrival, headers: &[(&str, String)]) -> String {
    let (path, query) = arrival.target.split_once('?').unwrap_or((&arrival.target, ""));
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let encode = |text: &str| utf8_percent_encode(&decode_lossy(text), UNRESERVED).to_string();
            format!("{}={}", encode(name), encode(value))
        })
        .collect();
    pairs.sort();
    let lines: String = headers.iter().flat_map(|(name, value)| [*name, ":", value, "\n"]).collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let hash = payload_hash(&arrival.body);
    format!(
        "{}\n{}\n{}\n{lines}\n{}\n{hash}",
        arrival.method,
        utf8_percent_encode(path, PATH),
        pairs.join("&"),
        names.join(";")
    )
}

fn decode_lossy(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn parse_stamp(stamp: &str) -> Option<SystemTime> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_a_body_with_sha_256() {
        assert_eq!(payload_hash(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn formats_http_dates_and_parses_stamps_of_signatures() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(format_time(time, "%a, %d %b %Y %H:%M:%S GMT"), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_stamp("19941106T084937Z"), Some(time));
    }
}
