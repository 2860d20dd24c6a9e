//! Snapshot names that contain the date. The client resolves them, because the server's response to
//! a create does not contain the resulting name.

use std::fmt;
use std::iter::Peekable;
use std::str::{Chars, FromStr};
use std::time::{Duration, SystemTime};

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::{SnapshotName, check_snapshot};
use crate::error::{Error, quoted};

/// A snapshot name with date math, such as `<nightly-{now/d}>`.
///
/// [`resolve`](Self::resolve) returns the name that Elasticsearch and OpenSearch would choose for
/// the same moment. [`Repository::resolve`](crate::Repository::resolve) uses the domain's time. The
/// servers accept such names only when they
/// [create](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-create) a
/// snapshot, and their response does not contain the resulting name.
///
/// # Syntax
///
/// An expression consists of `<`, text with any number of placeholders, and `>`. In the text, `\{`
/// and `\}` are literal braces. A placeholder has the form `{now…}`, `{now…{format}}` or
/// `{now…{format|zone}}`. After `now`, any number of steps may follow:
///
/// | step | meaning |
/// | --- | --- |
/// | `+2d`, `-1M` | adds or subtracts that many units; without a number, one |
/// | `/d` | rounds down to the unit |
///
/// The units are `y`, `M`, `w`, `d`, `h` or `H`, `m` and `s`. If the resulting month does not have
/// the day, adding months or years gives its last day. Weeks begin on Monday. The zone applies to
/// all rounding, and to steps of days and longer units.
///
/// Default format: `yyyy.MM.dd`. A format consists of these letters, and of text:
///
/// | letters | meaning |
/// | --- | --- |
/// | `y` or `u`, 1 to 4 | year |
/// | `Q` or `q`, 1 or 2 | quarter |
/// | `M` or `L`, 1 or 2 | month |
/// | `D`, 1 or 3 | day of the year |
/// | `d`, 1 or 2 | day of the month |
/// | `H`, 1 or 2 | hour, 0 to 23 |
/// | `h`, 1 or 2 | hour, 1 to 12 |
/// | `m`, 1 or 2 | minute |
/// | `s`, 1 or 2 | second |
/// | `S`, 1 to 9 | fraction of the second |
/// | `x` or `Z`, 1 to 3 | offset from UTC |
/// | `'text'` | this text |
/// | `''` | an apostrophe |
///
/// Default zone: UTC. A zone is `Z`, `UTC`, an offset such as `+9`, `+09`, `+0900` or `+09:00`, or
/// a `Region/City` name such as `Asia/Tokyo` in its exact spelling.
///
/// # Refused expressions
///
/// Some expressions are refused when they are parsed:
///
/// * those that may resolve to another name than the server's: weeks of the year, which depend on
///   the server's locale; named formats; and years of more than four digits;
/// * those that never resolve to a valid name, such as names of months and days, which are upper
///   case.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use es_snapshot::name::DateMathName;
///
/// let name: DateMathName = "<nightly-{now/d{yyyy.MM.dd|+09:00}}>".parse()?;
/// let evening = SystemTime::UNIX_EPOCH + Duration::from_secs(1_714_579_200); // 2024-05-01T16:00:00Z
/// assert_eq!(name.resolve(evening)?.as_str(), "nightly-2024.05.02");
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DateMathName {
    expression: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Date { steps: Vec<Step>, format: Vec<Field>, zone: TimeZone },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Add(i32, Unit),
    Round(Unit),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
    Text(String),
    /// The number of letters. Two letters write the last two digits, others pad with zeros.
    Year(usize),
    /// A number, and its minimum number of digits.
    Number(Number, usize),
    /// The number of digits of the second's fraction, which is truncated.
    Fraction(usize),
    /// The number of letters `x`, with their meaning in Java's formats.
    Offset(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Quarter,
    Month,
    Day,
    DayOfYear,
    Hour,
    HalfDayHour,
    Minute,
    Second,
}

impl DateMathName {
    /// Returns the name for this moment.
    ///
    /// Pass the domain's time, which [`SnapshotClient::now`](crate::SnapshotClient::now) returns.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the date is not in the years 1 to 9999,
    /// or if the resulting name is not valid.
    pub fn resolve(&self, now: SystemTime) -> Result<SnapshotName, Error> {
        self.name_at(now).map(SnapshotName).map_err(|reason| invalid(&self.expression, &reason))
    }

    fn name_at(&self, now: SystemTime) -> Result<String, Reason> {
        // The server's clock has a resolution of milliseconds.
        let now = Timestamp::try_from(now)
            .and_then(|now| Timestamp::from_millisecond(now.as_millisecond()))
            .map_err(|error| out_of_range(&error))?;
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Date { steps, format, zone } => {
                    let moment = steps
                        .iter()
                        .try_fold(now, |moment, step| step.apply(moment, zone))
                        .map_err(|error| out_of_range(&error))?;
                    write_date(&mut name, moment, format, zone)?;
                }
            }
        }
        check_snapshot(&name).map_err(|rule| format!("the resulting name {} {rule}", quoted(&name)))?;
        Ok(name)
    }

    /// Returns the expression, as it was parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.expression
    }
}

impl Step {
    fn apply(self, moment: Timestamp, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        let local = zone.to_datetime(moment);
        let moved = match self {
            Self::Add(n, Unit::Hour) => return moment.checked_add(SignedDuration::from_hours(n.into())),
            Self::Add(n, Unit::Minute) => return moment.checked_add(SignedDuration::from_mins(n.into())),
            Self::Add(n, Unit::Second) => return moment.checked_add(SignedDuration::from_secs(n.into())),
            Self::Add(n, Unit::Year) => local.checked_add(Span::new().try_years(n)?)?,
            Self::Add(n, Unit::Month) => local.checked_add(Span::new().try_months(n)?)?,
            Self::Add(n, Unit::Week) => local.checked_add(Span::new().try_weeks(n)?)?,
            Self::Add(n, Unit::Day) => local.checked_add(Span::new().try_days(n)?)?,
            Self::Round(unit) => round_down(local, unit)?,
        };
        in_zone(moved, zone, zone.to_offset(moment))
    }
}

fn round_down(local: DateTime, unit: Unit) -> Result<DateTime, jiff::Error> {
    let date = local.date();
    Ok(match unit {
        Unit::Year => date.first_of_year().to_datetime(Time::midnight()),
        Unit::Month => date.first_of_month().to_datetime(Time::midnight()),
        Unit::Week => {
            let days_since_monday = date.weekday().to_monday_zero_offset();
            date.checked_sub(Span::new().try_days(days_since_monday)?)?.to_datetime(Time::midnight())
        }
        Unit::Day => date.to_datetime(Time::midnight()),
        Unit::Hour => local.with().minute(0).second(0).subsec_nanosecond(0).build()?,
        Unit::Minute => local.with().second(0).subsec_nanosecond(0).build()?,
        Unit::Second => local.with().subsec_nanosecond(0).build()?,
    })
}

/// Returns the moment of a local time, as the server's calendar does.
///
/// A local time that occurs twice keeps the offset `before`, if that is one of the two. A local
/// time that does not occur is moved forward by the gap.
fn in_zone(local: DateTime, zone: &TimeZone, before: Offset) -> Result<Timestamp, jiff::Error> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Fold { after, .. } if after == before => after.to_timestamp(local),
        _ => ambiguous.compatible(),
    }
}

fn write_date(out: &mut String, moment: Timestamp, format: &[Field], zone: &TimeZone) -> Result<(), Reason> {
    use fmt::Write as _;

    let local = zone.to_datetime(moment);
    let year = local.year();
    if year < 1 {
        return Err("the date is before the year 1".to_owned());
    }
    for field in format {
        // Writing to a `String` cannot fail.
        let _ = match field {
            Field::Text(text) => out.write_str(text),
            Field::Year(2) => write!(out, "{:02}", year % 100),
            Field::Year(width) => write!(out, "{year:0width$}"),
            Field::Number(number, width) => {
                let width = *width;
                write!(out, "{:0width$}", number.of(local))
            }
            Field::Fraction(digits) => {
                let digits = *digits;
                let fraction = format!("{:09}", local.subsec_nanosecond());
                write!(out, "{fraction:.digits$}")
            }
            Field::Offset(style) => write_offset(out, zone.to_offset(moment), *style),
        };
    }
    Ok(())
}

impl Number {
    fn of(self, local: DateTime) -> i16 {
        match self {
            Self::Quarter => i16::from((local.month() + 2) / 3),
            Self::Month => local.month().into(),
            Self::Day => local.day().into(),
            Self::DayOfYear => local.date().day_of_year(),
            Self::Hour => local.hour().into(),
            Self::HalfDayHour => i16::from((local.hour() + 11) % 12 + 1),
            Self::Minute => local.minute().into(),
            Self::Second => local.second().into(),
        }
    }
}

fn write_offset(out: &mut String, offset: Offset, style: usize) -> fmt::Result {
    use fmt::Write as _;

    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    write!(out, "{sign}{hours:02}")?;
    match style {
        1 if minutes == 0 => Ok(()),
        1 | 2 => write!(out, "{minutes:02}"),
        _ => write!(out, ":{minutes:02}"),
    }
}

/// Why an expression is not valid.
type Reason = String;

fn invalid(expression: &str, reason: &Reason) -> Error {
    Error::invalid(format!("the date-math name {}: {reason}", quoted(expression)))
}

fn out_of_range(error: &jiff::Error) -> Reason {
    format!("the date is out of range: {error}")
}

fn parse_pieces(expression: &str) -> Result<Vec<Piece>, Reason> {
    let inner = expression
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .ok_or("it must start with < and end with >")?;
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(brace @ ('{' | '}')) => text.push(brace),
                _ => return Err("a backslash is allowed only before a brace".to_owned()),
            },
            '{' => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(parse_date(&placeholder(&mut rest)?)?);
            }
            '}' => return Err("a } without a { before it".to_owned()),
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Returns the text of a placeholder, without its braces.
fn placeholder(rest: &mut Chars<'_>) -> Result<String, Reason> {
    let mut body = String::new();
    let mut in_format = false;
    for c in rest {
        match c {
            '}' if !in_format => return Ok(body),
            '{' if in_format => return Err("a format must not contain {".to_owned()),
            '\\' => return Err("a placeholder must not contain a backslash".to_owned()),
            '{' => in_format = true,
            '}' => in_format = false,
            _ => {}
        }
        body.push(c);
    }
    Err("a placeholder has no closing brace".to_owned())
}

fn parse_date(body: &str) -> Result<Piece, Reason> {
    let (math, format, zone) = match body.split_once('{') {
        None => (body, "yyyy.MM.dd", None),
        Some((math, format)) => {
            let format = format.strip_suffix('}').ok_or("a placeholder must end after its format")?;
            match format.split_once('|') {
                None => (math, format, None),
                Some((format, zone)) => (math, format, Some(zone)),
            }
        }
    };
    Ok(Piece::Date {
        steps: parse_math(math)?,
        format: parse_format(format)?,
        zone: zone.map_or(Ok(TimeZone::UTC), parse_zone)?,
    })
}

fn parse_math(math: &str) -> Result<Vec<Step>, Reason> {
    let steps = math.strip_prefix("now").ok_or("a placeholder must start with now")?;
    let mut rest = steps.chars().peekable();
    let mut parsed = Vec::new();
    while let Some(operator) = rest.next() {
        let digits = take_while(&mut rest, |c| c.is_ascii_digit());
        let number: i32 = if digits.is_empty() {
            1
        } else {
            digits.parse().map_err(|_| format!("the number {digits} is too large, expected at most {}", i32::MAX))?
        };
        let unit = match rest.next() {
            Some('y') => Unit::Year,
            Some('M') => Unit::Month,
            Some('w') => Unit::Week,
            Some('d') => Unit::Day,
            Some('h' | 'H') => Unit::Hour,
            Some('m') => Unit::Minute,
            Some('s') => Unit::Second,
            Some(other) => return Err(format!("unknown unit {other:?}, expected one of y, M, w, d, h, H, m, s")),
            None => return Err("a unit is missing at the end of the date math".to_owned()),
        };
        parsed.push(match operator {
            '+' => Step::Add(number, unit),
            '-' => Step::Add(-number, unit),
            '/' if number == 1 => Step::Round(unit),
            '/' => return Err("rounding takes a unit without a number, such as /d".to_owned()),
            other => return Err(format!("unknown operator {other:?}, expected one of +, -, /")),
        });
    }
    Ok(parsed)
}

fn parse_format(format: &str) -> Result<Vec<Field>, Reason> {
    if format.is_empty() {
        return Err("the format is empty, expected one such as yyyy.MM.dd".to_owned());
    }
    if format.starts_with('8') {
        return Err("a format must not start with 8, which the server removes".to_owned());
    }
    let mut rest = format.chars().peekable();
    let mut fields = Vec::new();
    while let Some(c) = rest.next() {
        fields.push(match c {
            '\'' => Field::Text(parse_literal(&mut rest)?),
            '[' | ']' | '#' => {
                return Err(format!("`{c}` is reserved in a format; put it between apostrophes"));
            }
            c if c.is_ascii_alphabetic() => parse_letters(c, 1 + take_while(&mut rest, |next| next == c).len())?,
            c => Field::Text(c.to_string()),
        });
    }
    Ok(fields)
}

/// Parses a quoted text after its first apostrophe. Two apostrophes are a literal one.
fn parse_literal(rest: &mut Peekable<Chars<'_>>) -> Result<String, Reason> {
    let mut text = String::new();
    if rest.next_if_eq(&'\'').is_some() {
        return Ok("'".to_owned());
    }
    loop {
        match rest.next() {
            Some('\'') if rest.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') => return Ok(text),
            Some(c) => text.push(c),
            None => return Err("a quoted text in a format has no closing apostrophe".to_owned()),
        }
    }
}

/// Parses a run of one letter. Each named format, such as `basic_date`, fails here too, because it
/// contains a letter that is not supported.
fn parse_letters(letter: char, count: usize) -> Result<Field, Reason> {
    Ok(match (letter, count) {
        ('y' | 'u', 1..=4) => Field::Year(count),
        ('Q' | 'q', 1..=2) => Field::Number(Number::Quarter, count),
        ('M' | 'L', 1..=2) => Field::Number(Number::Month, count),
        ('d', 1..=2) => Field::Number(Number::Day, count),
        ('D', 1 | 3) => Field::Number(Number::DayOfYear, count),
        ('H', 1..=2) => Field::Number(Number::Hour, count),
        ('h', 1..=2) => Field::Number(Number::HalfDayHour, count),
        ('m', 1..=2) => Field::Number(Number::Minute, count),
        ('s', 1..=2) => Field::Number(Number::Second, count),
        ('S', 1..=9) => Field::Fraction(count),
        ('x', 1..=3) => Field::Offset(count),
        ('Z', 1..=3) => Field::Offset(2),
        ('M' | 'L' | 'E' | 'a', _) => {
            return Err(format!(
                "`{}` in a format writes upper case, which a snapshot name must not contain",
                letter.to_string().repeat(count.min(9))
            ));
        }
        _ => return Err(format!("`{}` in a format is not supported", letter.to_string().repeat(count.min(9)))),
    })
}

fn parse_zone(zone: &str) -> Result<TimeZone, Reason> {
    if matches!(zone, "Z" | "UTC" | "GMT" | "UT") {
        return Ok(TimeZone::UTC);
    }
    let unknown = || {
        format!("unknown zone {}, expected UTC, an offset such as +09:00, or a name such as Asia/Tokyo", quoted(zone))
    };
    if let Some(digits) = zone.strip_prefix(['+', '-']) {
        let seconds = offset_seconds(digits).ok_or_else(unknown)?;
        let signed = if zone.starts_with('-') { -seconds } else { seconds };
        return Offset::from_seconds(signed).map(TimeZone::fixed).map_err(|_| unknown());
    }
    // The lookup ignores case. On some systems it also finds folders that the server does not have.
    if !zone.contains('/') || zone.starts_with("posix/") || zone.starts_with("right/") {
        return Err(unknown());
    }
    TimeZone::get(zone).ok().filter(|found| found.iana_name() == Some(zone)).ok_or_else(unknown)
}

/// Parses `9`, `09`, `0900` or `09:00`, up to 18 hours.
fn offset_seconds(digits: &str) -> Option<i32> {
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some((hours, minutes)), 5) => (hours, minutes),
        (None, 1..=2) => (digits, "0"),
        (None, 4) => digits.split_at_checked(2)?,
        _ => return None,
    };
    let number = |text: &str| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse::<i32>().ok()).flatten();
    let seconds = number(hours)? * 3600 + number(minutes).filter(|minutes| *minutes < 60)? * 60;
    (seconds <= 18 * 3600).then_some(seconds)
}

fn take_while(rest: &mut Peekable<Chars<'_>>, wanted: impl Fn(char) -> bool) -> String {
    std::iter::from_fn(|| rest.next_if(|c| wanted(*c))).collect()
}

impl TryFrom<String> for DateMathName {
    type Error = Error;

    fn try_from(expression: String) -> Result<Self, Error> {
        // Only digits, signs and offsets depend on the moment. So an expression that has no valid
        // name in May 2024 is refused.
        let sample = SystemTime::UNIX_EPOCH + Duration::from_hours(476_256);
        let checked = parse_pieces(&expression).and_then(|pieces| {
            let name = Self { expression: expression.clone(), pieces };
            name.name_at(sample).map(|_| name)
        });
        checked.map_err(|reason| invalid(&expression, &reason))
    }
}

impl TryFrom<&str> for DateMathName {
    type Error = Error;

    fn try_from(expression: &str) -> Result<Self, Error> {
        expression.to_owned().try_into()
    }
}

impl FromStr for DateMathName {
    type Err = Error;

    fn from_str(expression: &str) -> Result<Self, Error> {
        expression.to_owned().try_into()
    }
}

impl From<DateMathName> for String {
    fn from(name: DateMathName) -> Self {
        name.expression
    }
}

impl fmt::Display for DateMathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.expression)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(expression: &str, now: &str) -> String {
        let now: Timestamp = now.parse().unwrap();
        expression.parse::<DateMathName>().unwrap().resolve(now.into()).unwrap().to_string()
    }

    /// The expected names are recorded from Elasticsearch 7.10.2 and 8.19.5 and OpenSearch 2.19.6.
    #[test]
    fn resolves_to_the_names_that_servers_chose() {
        let cases = [
            ("<a-{now/d}>", "a-2026.11.25"),
            ("<a-{now/d{yyyy.MM.dd|+09:00}}>", "a-2026.11.26"),
            ("<a-{now/d{yyyy.MM.dd|+0900}}>", "a-2026.11.26"),
            ("<z-{now/d{yyyy.MM.dd|+9}}>", "z-2026.11.26"),
            ("<aa-{now/d{yyyy.MM.dd|+18:00}}>", "aa-2026.11.26"),
            ("<a-{now/M-1d{yyyy-MM-dd}}>", "a-2026-10-31"),
            ("<a-{now/w}>", "a-2026.11.23"),
            ("<a-{now/M{uu-M-d-D-DDD-Q-QQ}}>", "a-26-11-1-305-305-4-04"),
            ("<a-{now/H{yyyy.MM.dd-HH.mm.ss.SSS|Asia/Kolkata}}>", "a-2026.11.26-01.00.00.000"),
            (r"<a\{x\}-{now/y}>", "a{x}-2026.01.01"),
            ("<b-{now/s{HHmmss'x'''x-xx-Z|Asia/Kolkata}}>", "b-010336x'+0530-+0530-+0530"),
            ("<c-{now/h{h-xxx|America/New_York}}>", "c-2--05:00"),
            ("<f>", "f"),
            ("<g-{now{yyyyMMdd}}-{now-1d{yyyyMMdd}}>", "g-20261125-20261124"),
            ("<h-{now/d{yyy-y}}>", "h-2026-2026"),
            ("<i-{now{x|Z}}>", "i-+00"),
            ("<o-{now/d+12h{HH}}>", "o-12"),
            ("<s-{now-100M/y{yyyy.MM}}>", "s-2018.01"),
            ("<u:{now{yyyy}}>", "u:2026"),
            ("<v-{now+d}>", "v-2026.11.26"),
            ("<y-{now{S-SS-SSSSSS}}>", "y-5-50-506000"),
        ];
        for (expression, name) in cases {
            assert_eq!(resolve(expression, "2026-11-25T19:33:36.506Z"), name, "{expression}");
        }
    }

    #[test]
    fn refuses_expressions_that_may_differ_from_the_server_or_never_give_a_name() {
        let expressions = [
            "a",
            "<a",
            "<>",
            "<{now}",
            "<a-{now>",
            "<a-}>",
            "<a-{now/d}>-{now}",
            "<{}>",
            "<{ now }>",
            "<{tomorrow}>",
            "<{now+1d2h}>",
            "<{now/2d}>",
            "<{now+}>",
            "<{now/}>",
            "<{now/q}>",
            "<{now+99999999999d}>",
            "<{now*2d}>",
            "<{2024-01-01||/d}>",
            "<A-{now}>",
            "<a,b>",
            "<a b>",
            "<_a>",
            "<-{now}>",
            r"<a\b>",
            r"<a\>",
            r"<{now{yyyy\}}}>",
            "<{now{}}>",
            "<{now{|UTC}}>",
            "<{now{yyyy|}}>",
            "<{now{8yyyy}}>",
            "<{now{YYYY.ww}}>",
            "<{now{basic_date}}>",
            "<{now{date}}>",
            "<{now{hour}}>",
            "<{now{yyyyy}}>",
            "<{now{DD}}>",
            "<{now{MMM}}>",
            "<{now{EEE}}>",
            "<{now{ha}}>",
            "<{now{X}}>",
            "<{now{yyyy'T'HH}}>",
            "<{now{'}}>",
            "<{now{[yyyy]}}>",
            "<{now{yy{MM}}}>",
            "<{now{yyyy}x}>",
            "<{now{yyyy|asia/tokyo}}>",
            "<{now{yyyy|Japan}}>",
            "<{now{yyyy|Mars/Olympus}}>",
            "<{now{yyyy|+19:00}}>",
            "<{now{yyyy|+9:00}}>",
            "<{now{yyyy|+09:60}}>",
            "<{now{yyyy|++9}}>",
            "<{now{yyyy|+0ü}}>",
            "<{now-3000y}>",
            "<{now+9000y}>",
            "<{now{yyyy/MM}}>",
        ];
        for expression in expressions {
            assert!(expression.parse::<DateMathName>().is_err(), "{expression}");
        }
    }

    #[test]
    fn ends_on_the_last_day_of_a_shorter_month_after_adding_one() {
        assert_eq!(resolve("<{now+1M}>", "2024-01-31T10:00:00Z"), "2024.02.29");
        assert_eq!(resolve("<{now-1y}>", "2024-02-29T10:00:00Z"), "2023.02.28");
    }

    #[test]
    fn begins_weeks_on_monday() {
        assert_eq!(resolve("<{now/w}>", "2024-05-05T23:59:59Z"), "2024.04.29");
        assert_eq!(resolve("<{now/w}>", "2024-05-06T00:00:00Z"), "2024.05.06");
    }

    #[test]
    fn keeps_the_offset_of_an_hour_that_occurs_twice() {
        let expression = "<{now/h{HH-xxx|America/New_York}}>";
        assert_eq!(resolve(expression, "2026-11-01T05:30:00Z"), "01--04:00");
        assert_eq!(resolve(expression, "2026-11-01T06:30:00Z"), "01--05:00");
    }

    #[test]
    fn moves_a_skipped_local_time_forward() {
        assert_eq!(resolve("<{now+1d{dd-HH.mm|America/New_York}}>", "2026-03-07T07:30:00Z"), "08-03.30");
    }

    #[test]
    fn displays_and_serialises_the_expression() {
        let name: DateMathName = "<a-{now/d}>".parse().unwrap();
        assert_eq!(name.to_string(), "<a-{now/d}>");
        assert_eq!(serde_json::from_str::<DateMathName>(&serde_json::to_string(&name).unwrap()).unwrap(), name);
    }

    proptest! {
        #[test]
        fn does_not_panic_while_parsing(expression in r"<[a\\{}/+now|:dyMx'0-9.-]{0,24}>") {
            let _ = expression.parse::<DateMathName>();
        }

        #[test]
        fn resolves_every_parsed_name_at_any_time_of_this_century(
            math in "(/[yMwdhms]|[+-][0-9]{0,2}[yMwdhms]){0,4}",
            zone in proptest::sample::select(vec!["UTC", "+09:00", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"]),
            second in 946_684_800_u64..4_102_444_800,
        ) {
            let name: DateMathName = format!("<a-{{now{math}{{yyyy.MM.dd-HH.mm.ss-x|{zone}}}}}>").parse().unwrap();
            prop_assert!(name.resolve(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).is_ok());
        }
    }
}
