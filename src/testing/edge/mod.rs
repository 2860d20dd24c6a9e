//! The front end of the domain: authentication, the access policy, and Amazon's refusals.

mod signature;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_types::base64;
use http::HeaderMap;
use serde_json::{Value, json};

use super::cluster::matches;
use super::text::random_text;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const PRINCIPAL: &str = "arn:aws:sts::123456789012:assumed-role/EC2RoleForESSnapshot/i-0123456789abcdef0";

/// Which requests a fake domain lets in. Default: [`SigV4`](Self::SigV4).
///
/// ```
/// use es_snapshot::testing::{FakeAuth, FakeDomain};
/// use es_snapshot::{Auth, ErrorKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let auth = FakeAuth::Basic { user: "admin".to_owned(), password: "Passw0rd!".to_owned() };
/// let domain = FakeDomain::builder().auth(auth).in_process().start().await;
///
/// let client = domain.client_builder().auth(Auth::basic("admin", "Passw0rd!")?).build()?;
/// assert!(client.repositories().await?.is_empty());
///
/// let client = domain.client_builder().auth(Auth::basic("admin", "wrong")?).build()?;
/// let error = client.repositories().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unauthenticated);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FakeAuth {
    /// Every request must be signed, as on a domain with an access policy that names IAM
    /// principals.
    SigV4,
    /// Unsigned requests are let in. If a request is signed, the signature must be right.
    ///
    /// The registration of an S3 repository must be signed, because it needs `iam:PassRole`.
    Open,
    /// Requests need this user and password, as with fine-grained access control, or a signature.
    ///
    /// The registration of an S3 repository must be signed, because it needs `iam:PassRole`.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) method: String,
    /// The path and query from the request line, unchanged.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Arrival {
    /// Returns all values of a header, joined as a signature joins them.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// Returns the IAM action that the request needs.
    fn action(&self) -> String {
        let mut letters = self.method.chars();
        let first = letters.next().map(String::from).unwrap_or_default();
        format!("es:ESHttp{first}{}", letters.as_str().to_lowercase())
    }
}

/// How a request was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Signed,
    Basic,
    Open,
}

/// A refusal of the front end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) status: u16,
    /// `None` for the plain text of the security plugin.
    pub(super) body: Option<Value>,
}

impl Denial {
    /// Returns a refusal of the signature check.
    fn signature(text: impl Into<String>) -> Self {
        Self { status: 403, body: Some(json!({ "message": text.into() })) }
    }

    /// Returns a refusal of the access policy or of the list of supported operations.
    fn policy(status: u16, text: impl Into<String>) -> Self {
        Self { status, body: Some(json!({ "Message": text.into() })) }
    }

    fn unauthorized() -> Self {
        Self { status: 401, body: None }
    }
}

/// Temporary credentials that the domain has issued.
#[derive(Clone)]
pub(super) struct Issued {
    pub(super) key: String,
    pub(super) secret: String,
    pub(super) token: String,
    /// On the monotonic clock, which steps of the wall clock do not affect.
    pub(super) expires: Duration,
}

/// The credentials of an account. The domains of the account share them.
#[derive(Clone, Default)]
pub(super) struct Account(Arc<Mutex<Vec<Issued>>>);

impl Account {
    fn issued(&self) -> MutexGuard<'_, Vec<Issued>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

/// The actions that a policy can deny.
const ACTIONS: [&str; 7] = [
    "es:ESHttpDelete",
    "es:ESHttpGet",
    "es:ESHttpHead",
    "es:ESHttpPatch",
    "es:ESHttpPost",
    "es:ESHttpPut",
    "iam:PassRole",
];

/// The configuration of the front end, and the credentials that it accepts.
pub(super) struct Edge {
    pub(super) auth: FakeAuth,
    pub(super) region: String,
    pub(super) pass_roles: BTreeSet<String>,
    denied: BTreeSet<String>,
    pub(super) forbidden: Vec<String>,
    pub(super) life: Duration,
    random: fastrand::Rng,
    pub(super) account: Account,
}

impl Edge {
    pub(super) fn new(
        auth: FakeAuth,
        region: String,
        pass_roles: BTreeSet<String>,
        life: Duration,
        random: fastrand::Rng,
    ) -> Self {
        Self {
            auth,
            region,
            pass_roles,
            denied: BTreeSet::new(),
            forbidden: Vec::new(),
            life,
            random,
            account: Account::default(),
        }
    }

    /// Denies an action or a pattern of actions. Returns whether any known action matches it.
    pub(super) fn deny(&mut self, action: &str) -> bool {
        let is_known = ACTIONS.iter().any(|known| matches(action, known));
        if is_known {
            self.denied.insert(action.to_owned());
        }
        is_known
    }

    fn is_denied(&self, action: &str) -> bool {
        self.denied.iter().any(|denied| matches(denied, action))
    }

    /// Returns the newest credentials, or new ones if those are in the last fifth of their life.
    pub(super) fn current(&mut self, monotonic: Duration) -> Issued {
        let newest = self.account.issued().last().cloned();
        let is_fresh =
            |newest: &Issued| newest.expires.saturating_sub(monotonic) >= self.life / 5 && newest.expires > monotonic;
        newest.filter(is_fresh).unwrap_or_else(|| self.rotate(monotonic))
    }

    /// Issues new credentials. Older ones stay valid until they expire.
    pub(super) fn rotate(&mut self, monotonic: Duration) -> Issued {
        let new = Issued {
            key: format!("ASIA{}", random_text(&mut self.random, 16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
            secret: random_text(&mut self.random, 40, BASE64),
            token: format!("{}==", random_text(&mut self.random, 240, BASE64)),
            expires: monotonic.saturating_add(self.life),
        };
        self.account.issued().push(new.clone());
        new
    }

    /// Makes all credentials that were issued so far expire now.
    pub(super) fn revoke(&mut self, monotonic: Duration) {
        for issued in self.account.issued().iter_mut() {
            issued.expires = issued.expires.min(monotonic);
        }
    }

    /// Authenticates a request, and checks that the policy allows it.
    pub(super) fn authorize(&self, arrival: &Arrival, now: SystemTime, monotonic: Duration) -> Result<Access, Denial> {
        let access = self.authenticate(arrival, now, monotonic)?;
        if self.forbidden.iter().any(|prefix| arrival.target.starts_with(prefix)) {
            return Err(Denial::policy(401, format!("Your request: '{}' is not allowed.", arrival.target)));
        }
        self.check_pass_role(arrival, access)?;
        Ok(access)
    }

    fn authenticate(&self, arrival: &Arrival, now: SystemTime, monotonic: Duration) -> Result<Access, Denial> {
        let action = arrival.action();
        let Some(authorization) = arrival.header("authorization") else {
            return match self.auth {
                FakeAuth::Open => Ok(Access::Open),
                FakeAuth::Basic { .. } => Err(Denial::unauthorized()),
                FakeAuth::SigV4 => Err(Denial::policy(
                    403,
                    format!(
                        "User: anonymous is not authorized to perform: {action} because no resource-based policy allows the {action} action"
                    ),
                )),
            };
        };
        if authorization.starts_with(ALGORITHM) {
            self.check_signature(arrival, &authorization, now, monotonic)?;
            if self.is_denied(&action) {
                return Err(Denial::policy(
                    403,
                    format!(
                        "User: {PRINCIPAL} is not authorized to perform: {action} with an explicit deny in an identity-based policy"
                    ),
                ));
            }
            return Ok(Access::Signed);
        }
        if authorization.starts_with("Basic ") {
            return match &self.auth {
                FakeAuth::Basic { user, password } if authorization == basic(user, password) => Ok(Access::Basic),
                FakeAuth::Basic { .. } => Err(Denial::unauthorized()),
                FakeAuth::SigV4 | FakeAuth::Open => Err(Denial::signature(format!(
                    "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
                     Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a \
                     'X-Amz-Date' or a 'Date' header. Authorization={authorization}"
                ))),
            };
        }
        let scheme = authorization.split_whitespace().next().unwrap_or_default();
        let excerpt: String = authorization.chars().take(40).collect();
        Err(Denial::signature(format!(
            "'{scheme}' not a valid key=value pair (missing equal-sign) in Authorization header: '{excerpt}'."
        )))
    }

    /// Checks the role in the registration of an S3 repository, which the caller passes to the
    /// domain.
    fn check_pass_role(&self, arrival: &Arrival, access: Access) -> Result<(), Denial> {
        let path = arrival.target.split('?').next().unwrap_or_default();
        let registers = matches!(arrival.method.as_str(), "PUT" | "POST")
            && path.strip_prefix("/_snapshot/").is_some_and(|name| {
                let name = name.strip_suffix('/').unwrap_or(name);
                !name.is_empty() && !name.contains('/')
            });
        let body: Value = serde_json::from_slice(&arrival.body).unwrap_or_default();
        if !registers || body.get("type").and_then(Value::as_str) != Some("s3") {
            return Ok(());
        }
        let role = body.pointer("/settings/role_arn").and_then(Value::as_str).unwrap_or_default();
        if role.is_empty() {
            return Err(Denial::policy(401, "settings.role_arn is needed for snapshot registration."));
        }
        let user = if access == Access::Signed { PRINCIPAL } else { "anonymous" };
        if access != Access::Signed || !self.pass_roles.contains(role) || self.is_denied("iam:PassRole") {
            return Err(Denial::policy(
                403,
                format!("User: {user} is not authorized to perform: iam:PassRole on resource: {role}"),
            ));
        }
        Ok(())
    }
}

/// The characters of secrets and tokens.
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the header of basic authentication.
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::encode(format!("{user}:{password}")))
}
