//! AWS Signature Version 4 as Amazon domains check it: a pure function around `aws-sigv4`.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use tracing::dispatcher::{Dispatch, get_default, with_default};
use tracing::subscriber::NoSubscriber;

use crate::auth::Signable;
use crate::error::{Error, ErrorKind, Outcome};

/// The signing name of every Amazon domain, for both engines and all forms of host names.
const SERVICE: &str = "es";

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The first second of the year 10000, which no signature can have.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// Credentials that were prepared once for all requests that they sign.
pub(crate) struct Key {
    credentials: Credentials,
    identity: Identity,
    token: Option<HeaderValue>,
    /// Every part of the credentials is non-empty and allowed in a header.
    is_usable: bool,
}

impl Key {
    pub(crate) fn new(credentials: Credentials) -> Self {
        let texts =
            [Some(credentials.access_key_id()), Some(credentials.secret_access_key()), credentials.session_token()];
        let is_usable =
            texts.iter().flatten().all(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()));
        let token = credentials.session_token().and_then(|token| {
            let mut token = HeaderValue::from_str(token).ok()?;
            token.set_sensitive(true);
            Some(token)
        });
        Self { identity: credentials.clone().into(), credentials, token, is_usable }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the name of the provider. The AWS crate shows it only in `Debug`, which redacts the
    /// secrets.
    pub(crate) fn provider(&self) -> Option<String> {
        let shown = format!("{:?}", self.credentials);
        let (name, _) = shown.strip_prefix("Credentials { provider_name: \"")?.split_once('"')?;
        Some(name.to_owned())
    }

    /// Returns the parts of the credentials that errors must not contain.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        [Some(self.credentials.secret_access_key()), self.credentials.session_token()].into_iter().flatten()
    }
}

/// Returns the headers that carry the signature.
///
/// The signer's default settings are those that domains expect: the path is encoded a second time,
/// no header contains the payload's hash, and the session token is signed. The signed headers
/// are host, date, token and content type. Headers that proxies change are not signed.
pub(crate) fn sign(
    request: Signable<'_>,
    key: &Key,
    region: &str,
    time: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    // The signer's own error could repeat the credentials.
    if !key.is_usable {
        return Err(credentials_error(
            "the credentials contain an empty part or a character that a header must not contain",
        ));
    }
    if !time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since < YEAR_10000) {
        let message = "the time to sign with is before 1970 or after 9999; correct this host's clock";
        return Err(Error::new(ErrorKind::ClockSkew, Outcome::NotSent, message));
    }
    let params = SigningParams::builder()
        .identity(&key.identity)
        .region(region)
        .name(SERVICE)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| credentials_error("the signing parameters are incomplete").with_source(error))?;
    let headers = request.content_type.map(|value| ("content-type", value));
    let signable =
        SignableRequest::new(request.method, request.uri, headers.into_iter(), SignableBody::Bytes(request.body))
            .map_err(|error| credentials_error("the request cannot be signed").with_source(error))?;
    let output = untraced(|| sign_request(signable, &params.into()))
        .map_err(|error| credentials_error("the request cannot be signed").with_source(error))?;
    let (instructions, _) = output.into_parts();
    let (headers, _) = instructions.into_parts();
    headers
        .into_iter()
        .map(|header| {
            let name = match header.name() {
                "authorization" => AUTHORIZATION,
                "x-amz-date" => DATE,
                "x-amz-security-token" => TOKEN,
                other => HeaderName::from_bytes(other.as_bytes())
                    .map_err(|_| credentials_error("the signer returned a header name that is not valid"))?,
            };
            // The key's own value is already a header value and marked as sensitive.
            if let Some(token) = key.token.as_ref().filter(|_| name == TOKEN) {
                return Ok((name, token.clone()));
            }
            let mut value = HeaderValue::from_str(header.value())
                .map_err(|_| credentials_error("the signature contains a character that a header must not contain"))?;
            value.set_sensitive(header.sensitive() || name == AUTHORIZATION);
            Ok((name, value))
        })
        .collect()
}

/// Hides the signer's trace events from the subscriber, because they contain the key's id.
fn untraced<T>(sign: impl FnOnce() -> T) -> T {
    // Setting any default would permanently stop `tracing` from passing events on to `log`. It does
    // so only where no subscriber was ever set.
    if get_default(Dispatch::is::<NoSubscriber>) { sign() } else { with_default(&Dispatch::none(), sign) }
}

fn credentials_error(message: &str) -> Error {
    Error::new(ErrorKind::Credentials, Outcome::NotSent, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Operation;

    #[test]
    fn shows_the_name_of_the_provider() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "IMDSv2");

        assert_eq!(Key::new(credentials).provider().as_deref(), Some("IMDSv2"));
    }

    /// The expected signatures were made with botocore, for the domain `search-movies-abc123` in
    /// eu-west-1.
    #[test]
    fn returns_the_same_signatures_as_another_implementation() {
        let host = "https://search-movies-abc123.eu-west-1.es.amazonaws.com";
        let register = r#"{"type":"s3","settings":{"bucket":"b","region":"eu-west-1","role_arn":"arn:aws:iam::123456789012:role/TheSnapshotRole"}}"#;
        let create = r#"{"indices":"logs-*","include_global_state":false}"#;
        let json = Some("application/json");
        let cases = [
            (
                "PUT",
                "/_snapshot/my-repo",
                register,
                json,
                "0989af0f65d2caad42d160d1b02445f8a6bf086da42a3ae2e3a5f5928a0e034b",
            ),
            (
                "PUT",
                "/_snapshot/my-repo/%3Csnap-%7Bnow%2Fd%7D%3E?wait_for_completion=false",
                create,
                json,
                "7749decdc25b9213e5c7466042bb7a41f33d354913d0db7021aac9db2b181a13",
            ),
            (
                "GET",
                "/_snapshot/my-repo/a,b*",
                "",
                None,
                "be360fdf4d84de3306199658ea8f9d25eef2675b9dcb6ca07b63096fe6163e82",
            ),
            (
                "GET",
                "/_snapshot/my-repo/a%2Cb%2A",
                "",
                None,
                "6ddd1ab72c4b1b5a1b2bc37c093047ab1b6968226ccd666807415d6081c57a89",
            ),
        ];
        let key =
            Key::new(Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "test"));
        // 2015-08-30T12:36:00Z
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        for (method, path, body, content_type, signature) in cases {
            let uri = format!("{host}{path}");
            let request =
                Signable { operation: Operation::Raw, method, uri: &uri, content_type, body: body.as_bytes() };

            let headers = sign(request, &key, "eu-west-1", time).unwrap();

            let authorization = headers.iter().find(|(name, _)| name == "authorization").unwrap().1.to_str().unwrap();
            assert!(authorization.ends_with(&format!("Signature={signature}")), "{method} {path}: {authorization}");
        }
    }

    #[test]
    fn refuses_a_time_that_a_signature_cannot_express() {
        let key = Key::new(Credentials::new("AKID", "secret", None, None, "test"));
        let request =
            Signable { operation: Operation::Raw, method: "GET", uri: "https://h/", content_type: None, body: b"" };
        for time in [SystemTime::UNIX_EPOCH - Duration::from_secs(1), SystemTime::UNIX_EPOCH + YEAR_10000] {
            let error = sign(request, &key, "eu-west-1", time).unwrap_err();

            assert_eq!((error.kind(), error.outcome()), (ErrorKind::ClockSkew, Outcome::NotSent));
        }
        let last = SystemTime::UNIX_EPOCH + YEAR_10000 - Duration::from_secs(1);
        assert!(sign(request, &key, "eu-west-1", last).is_ok());
    }

    #[test]
    fn refuses_credentials_that_a_header_cannot_carry_without_showing_them() {
        let key = Key::new(Credentials::new("AKID", "secret", Some("to\nken".to_owned()), None, "test"));
        let request =
            Signable { operation: Operation::Raw, method: "GET", uri: "https://h/", content_type: None, body: b"" };

        let error = sign(request, &key, "eu-west-1", SystemTime::UNIX_EPOCH).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(!format!("{error:?}").contains("ken"));
    }
}
