#![allow(clippy::unwrap_used)]

use jiff::civil::date;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn bangkok() -> TimeZone {
    TimeZone::get("Asia/Bangkok").unwrap()
}

fn read(cell: &str) -> Result<String, DateProblem> {
    instant(cell, &bangkok()).map(|at| at.map_or_else(String::new, |at| at.to_string()))
}

#[rstest]
#[case("21/11/2565")]
#[case("21/11/2022")]
#[case("2022-11-21")]
#[case("2565-11-21")]
#[case("๒๑/๑๑/๒๕๖๕")]
#[case(" 21-11-2565 ")]
#[case("21.11.2565")]
#[case("2022/11/21")]
#[case("21 พ.ย. 2565")]
#[case("๒๑ พฤศจิกายน พ.ศ. ๒๕๖๕")]
#[case("21 พฤศจิกายน 2565")]
#[case("21 Nov 2022")]
#[case("21-Nov-2022")]
#[case("21/11/2565 00:00")]
#[case("2022-11-21T00:00:00+07:00")]
#[case("2022-11-20T17:00:00Z")]
#[case("2022-11-20 17:00:00.000Z")]
fn one_day_in_many_spellings_is_one_instant(#[case] cell: &str) {
    assert_eq!(read(cell).as_deref(), Ok("2022-11-20T17:00:00Z"));
}

#[test]
fn a_date_without_a_time_is_midnight_where_the_business_is() {
    let utc = instant("21/11/2565", &TimeZone::UTC).unwrap().unwrap();
    assert_eq!(utc.to_string(), "2022-11-21T00:00:00Z");
    assert_eq!(read("21/11/2565 14:30 น.").as_deref(), Ok("2022-11-21T07:30:00Z"));
    assert_eq!(read("21/11/2565 14.30 น.").as_deref(), Ok("2022-11-21T07:30:00Z"));
}

#[test]
fn an_empty_cell_has_no_date() {
    assert_eq!(read("").as_deref(), Ok(""));
    assert_eq!(read(" \u{200B}").as_deref(), Ok(""));
}

#[rstest]
#[case("21/11/65", DateProblem::ShortYear)]
#[case("21 พ.ย. 65", DateProblem::ShortYear)]
#[case("21/11/022", DateProblem::ShortYear)]
#[case("31/02/2566", DateProblem::NoSuchDay)]
#[case("29/02/2568", DateProblem::NoSuchDay)]
#[case("2023-02-29", DateProblem::NoSuchDay)]
#[case("00/01/2565", DateProblem::NoSuchDay)]
#[case("08/28/2025", DateProblem::NoSuchDay)]
#[case("21/11/1565", DateProblem::Year)]
#[case("21/11/3565", DateProblem::Year)]
#[case("21/11/0000", DateProblem::Year)]
#[case("21/11/22565", DateProblem::Form)]
#[case("21/111/2565", DateProblem::Form)]
#[case("121/11/2565", DateProblem::Form)]
#[case("21/11-2565", DateProblem::Form)]
#[case("21/11", DateProblem::Form)]
#[case("21112565", DateProblem::Form)]
#[case("44886", DateProblem::Form)]
#[case("เมื่อวาน", DateProblem::Form)]
#[case("21 ก 2565", DateProblem::Form)]
#[case("21/11/2565x", DateProblem::Form)]
#[case("21/11/2565 25:00", DateProblem::Form)]
#[case("21/11/2565 2:30 PM", DateProblem::Form)]
#[case("21/11/2565 14:30 +99:00", DateProblem::Form)]
fn what_cannot_be_read_for_certain_is_refused(#[case] cell: &str, #[case] problem: DateProblem) {
    assert_eq!(read(cell), Err(problem));
}

#[test]
fn the_leap_day_is_that_of_the_gregorian_year() {
    assert_eq!(read("29/02/2567").as_deref(), Ok("2024-02-28T17:00:00Z"));
}

proptest! {
    #[test]
    fn no_cell_panics(cell in any::<String>()) {
        let _ = read(&cell);
    }

    #[test]
    fn nothing_that_looks_like_a_date_panics(cell in "[0-9๐-๙/.: tTzZ+-]{0,24}") {
        let _ = read(&cell);
    }

    #[test]
    fn the_eras_agree_on_every_day(days in 0_i64..109_000) {
        let day = date(1900, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let (y, m, d) = (day.year(), day.month(), day.day());
        let day = day.to_datetime(Time::midnight());
        let midnight = TimeZone::UTC.to_ambiguous_timestamp(day).compatible().unwrap();
        let spellings = [
            format!("{y:04}-{m:02}-{d:02}"),
            format!("{d}/{m}/{y}"),
            format!("{d:02}/{m:02}/{}", y + BUDDHIST),
            format!("{d} {} {}", MONTHS[usize::try_from(m).unwrap() - 1][0], y + BUDDHIST),
        ];
        for cell in spellings {
            prop_assert_eq!(instant(&cell, &TimeZone::UTC), Ok(Some(midnight)), "{}", cell);
        }
    }
}
