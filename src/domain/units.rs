//! Durations and sizes as people write them: `"10m"`, `"24h"`, `"7d"`, `"10MiB"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text is neither a whole number of seconds nor a duration such as `10m` or `24h`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration: write whole seconds, or a form such as \"90s\", \"10m\", \"24h\", \"7d\"")]
pub struct InvalidDuration(pub String);

/// Reads `"3600"` (seconds), `"10m"`, `"1h 30m"`.
///
/// # Errors
/// When the text is neither.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|_| InvalidDuration(text.to_owned()))
}

/// A length of time in the configuration or in an admin call: `"10m"`, or whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Lasting(pub Duration);

impl Lasting {
    /// A number of seconds.
    #[must_use]
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// A number of milliseconds.
    #[must_use]
    pub const fn millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }
}

impl Serialize for Lasting {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Lasting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a duration such as \"10m\", or whole seconds")]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        match Written::deserialize(from)? {
            Written::Seconds(count) => Ok(Self::seconds(count)),
            Written::Text(text) => parse_duration(&text).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

/// A number of bytes in the configuration: `"10MiB"`, `"4GiB"`, or a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Size(pub u64);

impl Size {
    /// A number of mebibytes.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes, for sizing memory.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&bytesize::ByteSize(self.0).display().iec())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        bytesize::ByteSize::deserialize(from).map(|size| Self(size.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["", "-1", "ten", "10 parsecs"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_read_binary_units() {
        assert_eq!(serde_json::from_str::<Size>("\"10MiB\"").unwrap(), Size::mib(10));
        assert_eq!(serde_json::from_str::<Size>("4096").unwrap(), Size(4096));
    }
}
