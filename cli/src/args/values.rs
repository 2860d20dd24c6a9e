//! Values of flags that are not plain texts.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use es_snapshot::Error;
use es_snapshot::name::{DateMathName, SnapshotName};

/// The name of a new snapshot, or date math that resolves to one.
#[derive(Clone, Debug)]
pub(crate) enum NewName {
    Literal(SnapshotName),
    DateMath(Box<DateMathName>),
}

impl FromStr for NewName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with('<') {
            return text.parse().map(|name| Self::DateMath(Box::new(name)));
        }
        text.parse().map(Self::Literal)
    }
}

/// A setting of the form `KEY=VALUE`. Numbers, `true` and `false` become JSON values of their type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyValue {
    pub(crate) key: String,
    pub(crate) value: serde_json::Value,
}

impl FromStr for KeyValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("expected KEY=VALUE")?;
        let typed = serde_json::from_str(value)
            .ok()
            .filter(|typed: &serde_json::Value| typed.is_boolean() || typed.is_number() || typed.is_null());
        Ok(Self { key: key.to_owned(), value: typed.unwrap_or_else(|| value.into()) })
    }
}

/// A setting of the form `KEY=FILE`, whose value is the content of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyFile {
    pub(crate) key: String,
    pub(crate) path: PathBuf,
}

impl FromStr for KeyFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, path) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("expected KEY=FILE")?;
        Ok(Self { key: key.to_owned(), path: path.into() })
    }
}

/// Returns the path of a file to write. `-` does not stand for standard output, which has the data.
pub(crate) fn file(text: &str) -> Result<PathBuf, String> {
    if text == "-" { Err("expected the path of a file".to_owned()) } else { Ok(text.into()) }
}

/// Parses a time such as `90s`, `15m`, `6h`, `30d` or `2w`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u64>().ok());
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(60 * 60),
        "d" => Some(24 * 60 * 60),
        "w" => Some(7 * 24 * 60 * 60),
        _ => None,
    };
    let seconds = number.zip(seconds).and_then(|(number, factor)| number.checked_mul(factor));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a number and a unit: `90s`, `15m`, `6h`, `30d`, `2w`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("6h", 21_600), ("30d", 2_592_000), ("2w", 1_209_600)] {
            assert_eq!(span(text).unwrap().as_secs(), seconds, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_number_and_a_unit() {
        for text in ["", "s", "5", "-5m", "1.5h", "5 m", "5mm", "99999999999999999999s", "9999999999999999999w", "é"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_setting_has_the_type_of_its_value() {
        let value = |text: &str| text.parse::<KeyValue>().unwrap().value;

        assert_eq!(value("index.number_of_replicas=0"), 0);
        assert_eq!(value("index.hidden=true"), true);
        assert_eq!(value("a=b=c"), "b=c");
        assert_eq!(value("a="), "");
        assert_eq!(value("a=[1]"), "[1]");
    }

    #[test]
    fn refuses_a_setting_without_a_key() {
        for text in ["", "a", "=b"] {
            assert!(text.parse::<KeyValue>().is_err(), "{text}");
        }
    }

    #[test]
    fn takes_a_name_in_angle_brackets_for_date_math() {
        assert!(matches!("<nightly-{now/d}>".parse(), Ok(NewName::DateMath(_))));
        assert!(matches!("monday".parse(), Ok(NewName::Literal(_))));
        assert!("Not Lower".parse::<NewName>().is_err());
    }
}
