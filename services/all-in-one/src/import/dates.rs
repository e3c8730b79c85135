//! Dates as people in Thailand write them: of the Buddhist or the Gregorian era, day first, with Thai
//! digits or the names of months, with or without a time.
//!
//! The era shows in the year: 2565 is Buddhist, 2022 is not. A year of two digits could be either, so
//! it is refused and not guessed.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use yinyom_kernel::Text;

use super::text::fold;

/// Between the eras.
const BUDDHIST: i16 = 543;

/// Years that a person can have said something in, on either side of today.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2199;

const MONTHS: [[&str; 4]; 12] = [
    ["มกราคม", "มค", "january", "jan"],
    ["กุมภาพันธ์", "กพ", "february", "feb"],
    ["มีนาคม", "มีค", "march", "mar"],
    ["เมษายน", "เมย", "april", "apr"],
    ["พฤษภาคม", "พค", "may", "may"],
    ["มิถุนายน", "มิย", "june", "jun"],
    ["กรกฎาคม", "กค", "july", "jul"],
    ["สิงหาคม", "สค", "august", "aug"],
    ["กันยายน", "กย", "september", "sep"],
    ["ตุลาคม", "ตค", "october", "oct"],
    ["พฤศจิกายน", "พย", "november", "nov"],
    ["ธันวาคม", "ธค", "december", "dec"],
];

/// Why a cell is not a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateProblem {
    /// Not in a form that is known.
    Form,
    /// The year has two digits: 65 is 2022 or 1965.
    ShortYear,
    /// No such day, as in 31/02/2566.
    NoSuchDay,
    /// Neither 1900 to 2199 nor the same in the Buddhist era.
    Year,
}

impl DateProblem {
    /// What a person reads.
    pub fn text(self) -> Text {
        match self {
            Self::Form => Text::new(
                "must be a date such as 21/11/2565, 21/11/2022 or 2022-11-21.",
                "ต้องเป็นวันที่ เช่น 21/11/2565, 21/11/2022 หรือ 2022-11-21",
            ),
            Self::ShortYear => Text::new("must have a year of four digits.", "ต้องระบุปีเป็นตัวเลขสี่หลัก"),
            Self::NoSuchDay => Text::new(
                "is no day of the calendar; the day comes before the month.",
                "ไม่มีวันนี้ในปฏิทิน (ต้องเขียนวันก่อนเดือน)",
            ),
            Self::Year => Text::new(
                "must have a year from 1900 to 2199 (พ.ศ. 2443 to 2742).",
                "ต้องเป็นปี พ.ศ. 2443 ถึง 2742 (ค.ศ. 1900 ถึง 2199)",
            ),
        }
    }
}

/// The instant of a cell: midnight in `zone` unless it has a time. An empty cell has none.
pub fn instant(cell: &str, zone: &TimeZone) -> Result<Option<Timestamp>, DateProblem> {
    let text = fold(cell);
    if text.is_empty() {
        return Ok(None);
    }
    let (date, rest) = numbers(&text).or_else(|| words(&text)).ok_or(DateProblem::Form)?;
    let (time, offset) = clock(rest)?;
    let date = date.read()?;
    let zone = offset.map_or_else(|| zone.clone(), TimeZone::fixed);
    let instant = zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible();
    instant.map(Some).map_err(|_| DateProblem::Year)
}

/// A date as it was written.
struct Written<'a> {
    day: &'a str,
    month: u32,
    year: &'a str,
}

impl Written<'_> {
    fn read(&self) -> Result<Date, DateProblem> {
        match self.year.len() {
            4 => {}
            1..=3 => return Err(DateProblem::ShortYear),
            _ => return Err(DateProblem::Form),
        }
        let year: i16 = self.year.parse().map_err(|_| DateProblem::Form)?;
        let year = [year, year - BUDDHIST]
            .into_iter()
            .find(|year| YEARS.contains(year))
            .ok_or(DateProblem::Year)?;
        if self.day.len() > 2 {
            return Err(DateProblem::Form);
        }
        let day = self.day.parse().map_err(|_| DateProblem::Form)?;
        let month = i8::try_from(self.month).map_err(|_| DateProblem::NoSuchDay)?;
        // The leap day is that of the Gregorian year: 29/02/2567 is a day, 29/02/2568 is not.
        Date::new(year, month, day).map_err(|_| DateProblem::NoSuchDay)
    }
}

/// `21/11/2565` or `2022-11-21`, and what follows.
fn numbers(text: &str) -> Option<(Written<'_>, &str)> {
    let (first, rest) = digits(text)?;
    let separator = rest.chars().next().filter(|c| matches!(c, '/' | '-' | '.'))?;
    let (second, rest) = digits(&rest[1..])?;
    let (third, rest) = digits(rest.strip_prefix(separator)?)?;
    let (day, year) = if first.len() == 4 { (third, first) } else { (first, third) };
    let month = if second.len() <= 2 { second.parse().ok()? } else { return None };
    Some((Written { day, month, year }, rest))
}

/// `21 พ.ย. 2565` or `21 November 2022`, and what follows.
fn words(text: &str) -> Option<(Written<'_>, &str)> {
    let (day, rest) = digits(text)?;
    let start = rest.find(|c: char| c.is_ascii_digit())?;
    let (name, rest) = rest.split_at(start);
    let (year, rest) = digits(rest)?;
    let name: String = name
        .chars()
        .filter(|c| !(c.is_whitespace() || matches!(c, '.' | '-' | '/' | ',')))
        .collect();
    let name = ["พศ", "คศ"].iter().find_map(|era| name.strip_suffix(era)).unwrap_or(&name);
    let month = MONTHS.iter().position(|names| names.iter().any(|known| fold(known) == name))?;
    Some((Written { day, month: u32::try_from(month).ok()? + 1, year }, rest))
}

/// `14:30`, `T14:30:05.5Z`, `14.30 น.`, or nothing.
fn clock(text: &str) -> Result<(Time, Option<Offset>), DateProblem> {
    if text.is_empty() {
        return Ok((Time::midnight(), None));
    }
    let text = text.strip_prefix(['t', ' ', ',', '\u{A0}']).ok_or(DateProblem::Form)?.trim();
    let (text, offset) = offset(text)?;
    let text = text.trim_end_matches(['น', '.', ' ']);
    let (hour, rest) = digits(text).ok_or(DateProblem::Form)?;
    let (minute, rest) = rest.strip_prefix([':', '.']).and_then(digits).ok_or(DateProblem::Form)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest).ok_or(DateProblem::Form)?,
        None => ("0", rest),
    };
    // Fractions of a second say nothing about consent.
    let fraction = rest.strip_prefix('.').unwrap_or(rest);
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DateProblem::Form);
    }
    let part = |text: &str| text.parse::<i8>().map_err(|_| DateProblem::Form);
    let time = Time::new(part(hour)?, part(minute)?, part(second)?, 0);
    Ok((time.map_err(|_| DateProblem::Form)?, offset))
}

/// A trailing `Z` or `+07:00`, if there is one.
fn offset(text: &str) -> Result<(&str, Option<Offset>), DateProblem> {
    if let Some(text) = text.strip_suffix('z') {
        return Ok((text, Some(Offset::UTC)));
    }
    let Some((text, sign, given)) = text
        .split_once('+')
        .map(|(text, given)| (text, 1, given))
        .or_else(|| text.split_once('-').map(|(text, given)| (text, -1, given)))
    else {
        return Ok((text, None));
    };
    let (hours, minutes) = given.split_once(':').unwrap_or((given, "0"));
    let part = |text: &str| text.parse::<i32>().ok().filter(|n| (0..=59).contains(n));
    let (Some(hours), Some(minutes)) = (part(hours), part(minutes)) else {
        return Err(DateProblem::Form);
    };
    let seconds = sign * (hours * 3600 + minutes * 60);
    Offset::from_seconds(seconds).map(|o| (text, Some(o))).map_err(|_| DateProblem::Form)
}

/// The digits that `text` starts with, and the rest.
fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
#[path = "dates_tests.rs"]
mod tests;
