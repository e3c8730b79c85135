//! The time zone that a business's reports are cut by.

use std::fmt;

use jiff::tz::TimeZoneDatabase;
use yinyom_kernel::{Code, Fault, Text};

/// The IANA name of a time zone that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(String);

impl Zone {
    /// The zone called `name`; `Asia/Bangkok` if it is empty. The list of zones is built in, so
    /// that replicas on different machines take the same names. `asia/bangkok` becomes
    /// `Asia/Bangkok`.
    pub fn read(name: &str) -> Result<Self, UnknownZone> {
        if name.is_empty() {
            return Ok(Self::default());
        }
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| UnknownZone)?;
        match zone.iana_name() {
            Some(name) if !zone.is_unknown() => Ok(Self(name.to_owned())),
            _ => Err(UnknownZone),
        }
    }

    /// A zone that was read before, from the store.
    pub fn restore(name: String) -> Self {
        Self(name)
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self("Asia/Bangkok".to_owned())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// There is no such time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such time zone")]
pub struct UnknownZone;

impl Fault for UnknownZone {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "UNKNOWN_TIME_ZONE"
    }

    fn text(&self) -> Text {
        Text::new(
            "must be the IANA name of a time zone, such as Asia/Bangkok.",
            "ต้องเป็นชื่อเขตเวลาตาม IANA เช่น Asia/Bangkok",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_does_not_exist_is_refused() {
        for name in ["Asia/Nowhere", "+07:00", "../etc/localtime", "Etc/Unknown", " ", "\0"] {
            assert_eq!(Zone::read(name), Err(UnknownZone), "{name:?}");
        }
    }

    #[test]
    fn zones_have_one_spelling_and_a_default() {
        assert_eq!(Zone::read("asia/bangkok"), Ok(Zone::default()));
        assert_eq!(Zone::read(""), Ok(Zone::default()));
        assert_eq!(Zone::read("Europe/Berlin").as_ref().map(Zone::name), Ok("Europe/Berlin"));
    }
}
