//! Names with the date in them, resolved here rather than by the server: the answer to a creation
//! does not say which name was chosen.

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
/// `<`, text with one or more `{…}`, `>`. Within the braces: `now`, then any number of `+2d`, `-1M`
/// (add) and `/d` (round down), with the units `y` `M` `w` `d` `h` `H` `m` `s`; then, if wanted,
/// `{format}` or `{format|zone}`. The format defaults to `yyyy.MM.dd`, the zone to UTC. A literal
/// brace outside is written `\{` or `\}`. Adding months ends on the last day of a shorter month;
/// weeks begin on Monday; rounding happens in the zone.
///
/// Formats: `y` and `u` (1 to 4 letters), `M` and `L` (1, 2), `Q` and `q` (1, 2), `d`, `H`, `h`,
/// `m`, `s` (1, 2), `D` (1, 3), `S` (1 to 9), `x` (1 to 3) and `Z` (1 to 3) for the offset, text
/// between `'`, `''` for an apostrophe. Zones: `Z`, `UTC`, `+9`, `+09`, `+0900`, `+09:00`, and
/// `Region/City` names in their exact spelling.
///
/// The name is chosen by [`resolve`](Self::resolve) and equals the one that Elasticsearch and
/// OpenSearch choose for the same moment. What cannot be promised to do so (weeks of the year,
/// which depend on the server's locale; named formats; years beyond four digits) and what never
/// gives a valid name (names of months and days: they are upper case) is refused when parsed.
///
/// ```
/// use std::time::{Duration, SystemTime};
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
    /// Years of two letters are cut to two digits, others filled up with zeros.
    Year(usize),
    /// A number of at least so many digits.
    Number(Number, usize),
    /// So many digits of the second's fraction, cut and not rounded.
    Fraction(usize),
    /// The offset as Java's `x`, `xx` and `xxx` write it.
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
    /// The name for a moment, which should be the corrected time of the request.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the date leaves the years 1 to 9999, or
    /// the name becomes invalid.
    pub fn resolve(&self, now: SystemTime) -> Result<SnapshotName, Error> {
        self.name_at(now).map(SnapshotName).map_err(|why| refused(&self.expression, &why))
    }

    fn name_at(&self, now: SystemTime) -> Result<String, Refusal> {
        // The server's clock counts milliseconds.
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
        check_snapshot(&name).map_err(|rule| format!("its name {} {rule}", quoted(&name)))?;
        Ok(name)
    }

    /// The expression as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.expression
    }
}

impl Step {
    fn apply(self, moment: Timestamp, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        let here = zone.to_datetime(moment);
        let there = match self {
            Self::Add(n, Unit::Hour) => return moment.checked_add(SignedDuration::from_hours(n.into())),
            Self::Add(n, Unit::Minute) => return moment.checked_add(SignedDuration::from_mins(n.into())),
            Self::Add(n, Unit::Second) => return moment.checked_add(SignedDuration::from_secs(n.into())),
            Self::Add(n, Unit::Year) => here.checked_add(Span::new().try_years(n)?)?,
            Self::Add(n, Unit::Month) => here.checked_add(Span::new().try_months(n)?)?,
            Self::Add(n, Unit::Week) => here.checked_add(Span::new().try_weeks(n)?)?,
            Self::Add(n, Unit::Day) => here.checked_add(Span::new().try_days(n)?)?,
            Self::Round(unit) => round_down(here, unit)?,
        };
        in_zone(there, zone, zone.to_offset(moment))
    }
}

fn round_down(here: DateTime, unit: Unit) -> Result<DateTime, jiff::Error> {
    let date = here.date();
    Ok(match unit {
        Unit::Year => date.first_of_year().to_datetime(Time::midnight()),
        Unit::Month => date.first_of_month().to_datetime(Time::midnight()),
        Unit::Week => {
            let past_monday = date.weekday().to_monday_zero_offset();
            date.checked_sub(Span::new().try_days(past_monday)?)?.to_datetime(Time::midnight())
        }
        Unit::Day => date.to_datetime(Time::midnight()),
        Unit::Hour => here.with().minute(0).second(0).subsec_nanosecond(0).build()?,
        Unit::Minute => here.with().second(0).subsec_nanosecond(0).build()?,
        Unit::Second => here.with().subsec_nanosecond(0).build()?,
    })
}

/// The moment of a local time. Where the clock was set back, the offset from before is kept if it
/// is one of the two, as the server's calendar does it; where it was set forward, the gap is added.
fn in_zone(local: DateTime, zone: &TimeZone, before: Offset) -> Result<Timestamp, jiff::Error> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Fold { after, .. } if after == before => after.to_timestamp(local),
        _ => ambiguous.compatible(),
    }
}

fn write_date(out: &mut String, moment: Timestamp, format: &[Field], zone: &TimeZone) -> Result<(), Refusal> {
    use fmt::Write as _;

    let here = zone.to_datetime(moment);
    let year = here.year();
    if year < 1 {
        return Err("the date is before the year 1".to_owned());
    }
    for field in format {
        // Writing to a String cannot fail.
        let _ = match field {
            Field::Text(text) => out.write_str(text),
            Field::Year(2) => write!(out, "{:02}", year % 100),
            Field::Year(width) => write!(out, "{year:0width$}"),
            Field::Number(number, width) => {
                let width = *width;
                write!(out, "{:0width$}", number.of(here))
            }
            Field::Fraction(digits) => {
                let digits = *digits;
                let fraction = format!("{:09}", here.subsec_nanosecond());
                write!(out, "{fraction:.digits$}")
            }
            Field::Offset(style) => write_offset(out, zone.to_offset(moment), *style),
        };
    }
    Ok(())
}

impl Number {
    fn of(self, here: DateTime) -> i16 {
        match self {
            Self::Quarter => i16::from((here.month() + 2) / 3),
            Self::Month => here.month().into(),
            Self::Day => here.day().into(),
            Self::DayOfYear => here.date().day_of_year(),
            Self::Hour => here.hour().into(),
            Self::HalfDayHour => i16::from((here.hour() + 11) % 12 + 1),
            Self::Minute => here.minute().into(),
            Self::Second => here.second().into(),
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

/// What is wrong with an expression.
type Refusal = String;

fn refused(expression: &str, why: &Refusal) -> Error {
    Error::invalid(format!("the date-math name {}: {why}", quoted(expression)))
}

fn out_of_range(error: &jiff::Error) -> Refusal {
    format!("the date is out of range: {error}")
}

fn parse_pieces(expression: &str) -> Result<Vec<Piece>, Refusal> {
    let inner = expression
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .ok_or("an expression stands between < and >")?;
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(brace @ ('{' | '}')) => text.push(brace),
                _ => return Err("a backslash stands only before a brace".to_owned()),
            },
            '{' => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(parse_date(&placeholder(&mut rest)?)?);
            }
            '}' => return Err("a } without its {".to_owned()),
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// What stands before the brace that ends a placeholder.
fn placeholder(rest: &mut Chars<'_>) -> Result<String, Refusal> {
    let mut body = String::new();
    let mut in_format = false;
    for c in rest {
        match c {
            '}' if !in_format => return Ok(body),
            '{' if in_format => return Err("a { within a format".to_owned()),
            '\\' => return Err("a backslash within a placeholder".to_owned()),
            '{' => in_format = true,
            '}' => in_format = false,
            _ => {}
        }
        body.push(c);
    }
    Err("a placeholder is not closed".to_owned())
}

fn parse_date(body: &str) -> Result<Piece, Refusal> {
    let (math, format, zone) = match body.split_once('{') {
        None => (body, "yyyy.MM.dd", None),
        Some((math, format)) => {
            let format = format.strip_suffix('}').ok_or("a format ends its placeholder")?;
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

fn parse_math(math: &str) -> Result<Vec<Step>, Refusal> {
    let steps = math.strip_prefix("now").ok_or("date math starts with now")?;
    let mut rest = steps.chars().peekable();
    let mut parsed = Vec::new();
    while let Some(operator) = rest.next() {
        let digits = take_while(&mut rest, |c| c.is_ascii_digit());
        let number: i32 = if digits.is_empty() {
            1
        } else {
            digits.parse().map_err(|_| format!("the number {digits} is too large"))?
        };
        let unit = match rest.next() {
            Some('y') => Unit::Year,
            Some('M') => Unit::Month,
            Some('w') => Unit::Week,
            Some('d') => Unit::Day,
            Some('h' | 'H') => Unit::Hour,
            Some('m') => Unit::Minute,
            Some('s') => Unit::Second,
            Some(other) => return Err(format!("{other:?} is no unit; those are y M w d h H m s")),
            None => return Err("a unit is missing at the end".to_owned()),
        };
        parsed.push(match operator {
            '+' => Step::Add(number, unit),
            '-' => Step::Add(-number, unit),
            '/' if number == 1 => Step::Round(unit),
            '/' => return Err("rounding goes to single units".to_owned()),
            other => return Err(format!("{other:?} is no operator; those are + - /")),
        });
    }
    Ok(parsed)
}

fn parse_format(format: &str) -> Result<Vec<Field>, Refusal> {
    if format.is_empty() {
        return Err("the format is empty".to_owned());
    }
    if format.starts_with('8') {
        return Err("a format must not start with 8, which the server drops".to_owned());
    }
    let mut rest = format.chars().peekable();
    let mut fields = Vec::new();
    while let Some(c) = rest.next() {
        fields.push(match c {
            '\'' => Field::Text(parse_literal(&mut rest)?),
            '[' | ']' | '#' => {
                return Err(format!("{c} has a meaning of its own in a format; put it between apostrophes"));
            }
            c if c.is_ascii_alphabetic() => parse_letters(c, 1 + take_while(&mut rest, |next| next == c).len())?,
            c => Field::Text(c.to_string()),
        });
    }
    Ok(fields)
}

/// The rest of a quoted text; nothing between two apostrophes is an apostrophe.
fn parse_literal(rest: &mut Peekable<Chars<'_>>) -> Result<String, Refusal> {
    let mut text = String::new();
    if rest.next_if_eq(&'\'').is_some() {
        return Ok("'".to_owned());
    }
    loop {
        match rest.next() {
            Some('\'') if rest.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') => return Ok(text),
            Some(c) => text.push(c),
            None => return Err("a quoted text in a format is not closed".to_owned()),
        }
    }
}

/// Named formats such as `basic_date` fail here as well: each of them has a letter that is none of
/// these.
fn parse_letters(letter: char, count: usize) -> Result<Field, Refusal> {
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
                "{} writes upper case, which a snapshot's name must not have",
                letter.to_string().repeat(count.min(9))
            ));
        }
        _ => return Err(format!("{} in a format is not supported", letter.to_string().repeat(count.min(9)))),
    })
}

fn parse_zone(zone: &str) -> Result<TimeZone, Refusal> {
    if matches!(zone, "Z" | "UTC" | "GMT" | "UT") {
        return Ok(TimeZone::UTC);
    }
    let refused = || format!("{} is no zone; those are UTC, +09:00 and names such as Asia/Tokyo", quoted(zone));
    if let Some(digits) = zone.strip_prefix(['+', '-']) {
        let seconds = offset_seconds(digits).ok_or_else(refused)?;
        let signed = if zone.starts_with('-') { -seconds } else { seconds };
        return Offset::from_seconds(signed).map(TimeZone::fixed).map_err(|_| refused());
    }
    // The lookup knows no case and, on some systems, more folders than the server does.
    if !zone.contains('/') || zone.starts_with("posix/") || zone.starts_with("right/") {
        return Err(refused());
    }
    TimeZone::get(zone).ok().filter(|found| found.iana_name() == Some(zone)).ok_or_else(refused)
}

/// `9`, `09`, `0900` or `09:00`, up to 18 hours.
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
        // Only digits, signs and offsets differ from moment to moment: what gives no name in May 2024 is
        // not meant.
        let sample = SystemTime::UNIX_EPOCH + Duration::from_hours(476_256);
        let checked = parse_pieces(&expression).and_then(|pieces| {
            let name = Self { expression: expression.clone(), pieces };
            name.name_at(sample).map(|_| name)
        });
        checked.map_err(|why| refused(&expression, &why))
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

    /// Answers of Elasticsearch 7.10.2 and 8.19.5 and of OpenSearch 2.19.6, recorded.
    #[test]
    fn names_equal_those_the_servers_chose() {
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
    fn what_may_differ_from_the_server_or_never_gives_a_name_is_refused() {
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
    fn adding_a_month_ends_on_the_last_day_of_a_shorter_one() {
        assert_eq!(resolve("<{now+1M}>", "2024-01-31T10:00:00Z"), "2024.02.29");
        assert_eq!(resolve("<{now-1y}>", "2024-02-29T10:00:00Z"), "2023.02.28");
    }

    #[test]
    fn a_week_begins_on_monday() {
        assert_eq!(resolve("<{now/w}>", "2024-05-05T23:59:59Z"), "2024.04.29");
        assert_eq!(resolve("<{now/w}>", "2024-05-06T00:00:00Z"), "2024.05.06");
    }

    #[test]
    fn the_second_of_two_equal_hours_stays_the_second() {
        let expression = "<{now/h{HH-xxx|America/New_York}}>";
        assert_eq!(resolve(expression, "2026-11-01T05:30:00Z"), "01--04:00");
        assert_eq!(resolve(expression, "2026-11-01T06:30:00Z"), "01--05:00");
    }

    #[test]
    fn a_local_time_that_was_skipped_moves_forward() {
        assert_eq!(resolve("<{now+1d{dd-HH.mm|America/New_York}}>", "2026-03-07T07:30:00Z"), "08-03.30");
    }

    #[test]
    fn the_expression_is_what_is_shown_and_stored() {
        let name: DateMathName = "<a-{now/d}>".parse().unwrap();
        assert_eq!(name.to_string(), "<a-{now/d}>");
        assert_eq!(serde_json::from_str::<DateMathName>(&serde_json::to_string(&name).unwrap()).unwrap(), name);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(expression in r"<[a\\{}/+now|:dyMx'0-9.-]{0,24}>") {
            let _ = expression.parse::<DateMathName>();
        }

        #[test]
        fn what_was_parsed_resolves_at_any_time_of_this_century(
            math in "(/[yMwdhms]|[+-][0-9]{0,2}[yMwdhms]){0,4}",
            zone in proptest::sample::select(vec!["UTC", "+09:00", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"]),
            second in 946_684_800_u64..4_102_444_800,
        ) {
            let name: DateMathName = format!("<a-{{now{math}{{yyyy.MM.dd-HH.mm.ss-x|{zone}}}}}>").parse().unwrap();
            prop_assert!(name.resolve(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).is_ok());
        }
    }
}
