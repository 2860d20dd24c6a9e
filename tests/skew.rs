//! Signatures have the time of the domain's clock, which the client learns from responses, whatever
//! the clock of the host does.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use es_snapshot::client::RawRequest;
use es_snapshot::clock::Clock as _;
use es_snapshot::name::DateMathName;
use es_snapshot::testing::{ManualClock, response, transport_fn};
use es_snapshot::transport::Body;
use es_snapshot::{RetryPolicy, SnapshotClient};
use http::{Request, Response};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;

const START: i64 = 1_700_000_000;
/// A response that takes longer does not show the time of the domain precisely enough.
const MAX_TRUSTED: Duration = Duration::from_mins(1);

/// What happens in one exchange.
#[derive(Clone, Debug)]
struct Step {
    /// The steps of the host's clock before the request and while the response is in transit. In
    /// seconds.
    host: (i64, i64),
    /// How far the domain is ahead of a clock without steps. In milliseconds.
    ahead: i64,
    there: Duration,
    back: Duration,
    date: Date,
    age: bool,
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Date {
    Right,
    Absent,
    Garbage,
}

impl Step {
    fn took(&self) -> Duration {
        self.there + self.back
    }

    fn is_trusted(&self) -> bool {
        self.date == Date::Right && !self.age && self.took() <= MAX_TRUSTED
    }
}

/// A domain that responds as its step defines. Without a step, its response has no date.
#[derive(Clone, Debug)]
struct Domain {
    clock: ManualClock,
    ahead: Arc<Mutex<i64>>,
    step: Arc<Mutex<Option<Step>>>,
}

impl Domain {
    /// In milliseconds.
    fn time(&self) -> i64 {
        let elapsed = i64::try_from(self.clock.monotonic().as_millis()).unwrap();
        START * 1000 + elapsed + *self.ahead.lock().unwrap()
    }

    fn respond(&self) -> Response<Body> {
        let Some(step) = self.step.lock().unwrap().take() else { return response(200, "{}") };

        self.clock.advance(step.there);
        *self.ahead.lock().unwrap() = step.ahead;
        let now = Timestamp::from_millisecond(self.time()).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        self.clock.step_wall(step.host.1);
        self.clock.advance(step.back);

        let mut response = Response::builder().status(step.status);
        match step.date {
            Date::Right => response = response.header("date", now),
            Date::Absent => {}
            Date::Garbage => response = response.header("date", "yesterday"),
        }
        if step.age {
            response = response.header("age", "0");
        }
        response.body(Body::from("{}")).unwrap()
    }
}

fn signed_date(request: &Request<Bytes>) -> &str {
    request.headers()["x-amz-date"].to_str().unwrap()
}

/// A signature that was made right after the response of a step.
#[derive(Debug)]
struct Next {
    step: Step,
    /// How far it is ahead of the clocks of the domain and the host. In milliseconds.
    from_domain: i64,
    from_host: i64,
}

fn run(steps: Vec<Step>) -> Vec<Next> {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(START.unsigned_abs()));
    let domain = Domain { clock: clock.clone(), ahead: Arc::default(), step: Arc::default() };
    let responding = domain.clone();
    let transport = transport_fn(move |_| Ok(responding.respond()));
    let client = SnapshotClient::builder("http://localhost:9200")
        .region("eu-west-1")
        .credentials(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .retry(RetryPolicy::never())
        .clock(clock.clone())
        .transport(transport.clone())
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let signed_by_a_call = || {
        let before = transport.requests().len();
        // A refusal also has a date.
        let _ = runtime.block_on(client.raw(RawRequest::get(["_snapshot"])));
        let sent = transport.requests().split_off(before);
        let date = DateTime::strptime("%Y%m%dT%H%M%SZ", signed_date(sent.last().unwrap())).unwrap();
        date.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second()
    };
    let next_after = |step: Step| {
        clock.step_wall(step.host.0);
        *domain.step.lock().unwrap() = Some(step.clone());
        signed_by_a_call();
        // The date is cut to the second. On average, half a second has passed since.
        let date = signed_by_a_call() * 1000 + 500;
        let host = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        Next { step, from_domain: date - domain.time(), from_host: date - i64::try_from(host).unwrap() }
    };
    steps.into_iter().map(next_after).collect()
}

fn step() -> impl Strategy<Value = Step> {
    const DAYS: i64 = 3 * 86_400;
    let some = |range| prop_oneof![15 => Just(0), 1 => range];
    let delay =
        || prop_oneof![4 => 0_u64..=500, 1 => 0_u64..=30_000, 1 => 30_001_u64..=60_000].prop_map(Duration::from_millis);
    let date = prop_oneof![6 => Just(Date::Right), 1 => Just(Date::Absent), 1 => Just(Date::Garbage)];
    let ahead = prop_oneof![2 => -6_000_i64..=6_000, 1 => -DAYS * 1_000..=DAYS * 1_000];
    let status = prop_oneof![Just(200_u16), Just(403), Just(503)];
    ((some(-DAYS..=DAYS), some(-DAYS..=DAYS)), ahead, delay(), delay(), date, prop::bool::weighted(0.2), status)
        .prop_map(|(host, ahead, there, back, date, age, status)| Step { host, ahead, there, back, date, age, status })
}

proptest! {
    #[test]
    fn a_signature_after_a_trusted_response_has_the_time_of_the_domain(steps in prop::collection::vec(step(), 1..8)) {
        for next in run(steps).into_iter().filter(|next| next.step.is_trusted()) {
            // Two seconds, and the duration of the exchange, because the domain read its clock
            // at an unknown moment of it.
            let most = 2_000 + next.step.took().as_millis();
            prop_assert!(u128::from(next.from_domain.unsigned_abs()) <= most, "{next:?}");
        }
    }

    #[test]
    fn a_response_that_is_old_slow_or_without_a_date_does_not_move_signatures(
        steps in prop::collection::vec(step(), 1..8),
    ) {
        let mut before = 0;
        for next in run(steps) {
            // Dates are cut to the second.
            let moved = (next.from_host - before).abs() > 1_000;
            prop_assert!(next.step.is_trusted() || !moved, "{next:?}, before it {before} ms ahead of the host");
            before = next.from_host;
        }
    }
}

/// Returns a signature after one slow response, which was dated at its end. The clock of the domain
/// is `ahead` seconds ahead of the host's.
fn after_a_slow_response(ahead: i64, took: Duration) -> Next {
    let slow = Step {
        host: (0, 0),
        ahead: ahead * 1000,
        there: took,
        back: Duration::ZERO,
        date: Date::Right,
        age: false,
        status: 200,
    };
    run(vec![slow]).remove(0)
}

#[test]
fn a_slow_response_does_not_shift_a_clock_that_is_right() {
    for seconds in [1, 10, 58] {
        let next = after_a_slow_response(0, Duration::from_secs(seconds));

        assert!(next.from_host.abs() <= 1_000, "{next:?}");
    }
}

#[test]
fn a_slow_first_response_corrects_a_clock_that_is_hours_off() {
    for hours in [-36, -1, 1, 36] {
        let next = after_a_slow_response(hours * 3600, Duration::from_secs(58));

        assert!(next.from_domain.abs() <= 2_000, "{next:?}");
    }
}

#[test]
fn a_slow_response_does_not_shift_a_clock_that_was_corrected() {
    let fast = |ahead| Step {
        host: (0, 0),
        ahead,
        there: Duration::from_millis(20),
        back: Duration::from_millis(20),
        date: Date::Right,
        age: false,
        status: 200,
    };
    for ahead in [-7_200_000, 7_200_000] {
        let slow = Step { there: Duration::from_secs(50), ..fast(ahead) };

        let next = run(vec![fast(ahead), slow]);

        assert!(next.iter().all(|next| next.from_domain.abs() <= 2_000), "{next:?}");
    }
}

#[test]
fn an_absurd_date_causes_no_panic_and_does_not_move_signatures() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(START.unsigned_abs()));
    let date = Arc::new(Mutex::new(""));
    let sent = Arc::clone(&date);
    let transport = transport_fn(move |_| {
        let date = *sent.lock().unwrap();
        Ok(Response::builder().header("date", date).header("retry-after", date).body(Body::from("{}")).unwrap())
    });
    let client = SnapshotClient::builder("http://localhost:9200")
        .region("eu-west-1")
        .credentials(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            Some(clock.wall() + Duration::from_secs(3600)),
            "test",
        ))
        .clock(clock.clone())
        .transport(transport.clone())
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let name: DateMathName = "<nightly-{now/d}>".parse().unwrap();
    for absurd in [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Wed, 14 Nov 2001 22:13:20 GMT",
        "Mon, 14 Nov 2044 22:13:20 GMT",
        "Thu, 30 Dec 9999 21:59:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        *date.lock().unwrap() = absurd;
        for _ in 0..2 {
            runtime.block_on(client.repositories()).unwrap();
        }

        assert!(signed_date(transport.requests().last().unwrap()).starts_with("20231114T2213"), "{absurd}");
        assert_eq!(client.repository("r").unwrap().resolve(name.clone()).unwrap().as_str(), "nightly-2023.11.14");
    }
    clock.advance(Duration::from_secs(27 * 3600));
    runtime.block_on(client.repositories()).unwrap();
}
