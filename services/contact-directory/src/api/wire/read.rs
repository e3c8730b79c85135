//! What many requests have: names, lists of names, field masks.

use std::str::FromStr;

use yinyom_kernel::{BusinessId, InvalidId, InvalidInput, Name, Text, Violations};

/// `businesses/{business}`.
pub fn business(field: &str, name: &str) -> Result<BusinessId, InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take(field, Name::parse_business(name));
    wrong.finish(business)
}

/// The name of one thing.
pub fn name<T: FromStr<Err = InvalidId>>(
    field: &str,
    of: Name,
    name: &str,
) -> Result<(BusinessId, T), InvalidInput> {
    let mut wrong = Violations::new();
    let read = wrong.take(field, of.parse(name));
    wrong.finish(read)
}

/// The name of one thing of `business`. Where the request's business could not be read, that is told
/// beside, and whose the thing must be is not known.
pub fn name_in<T: FromStr<Err = InvalidId>>(
    field: &str,
    of: Name,
    business: Option<BusinessId>,
    given: &str,
) -> Result<T, InvalidInput> {
    let (owner, id) = name(field, of, given)?;
    let mut wrong = Violations::new();
    if business.is_some_and(|business| business != owner) {
        other_business(&mut wrong, field);
    }
    wrong.finish(Some(id))
}

/// Like [`name_in`], or nothing.
pub fn optional_name<T: FromStr<Err = InvalidId>>(
    field: &str,
    of: Name,
    business: Option<BusinessId>,
    given: &str,
) -> Result<Option<T>, InvalidInput> {
    if given.is_empty() { Ok(None) } else { name_in(field, of, business, given).map(Some) }
}

/// The names of 1 to `max` things of `business`, all wrong ones told at once; `business` as in [`name_in`].
pub fn names<T: FromStr<Err = InvalidId>>(
    field: &str,
    of: Name,
    business: Option<BusinessId>,
    given: &[String],
    max: usize,
) -> Result<Vec<T>, InvalidInput> {
    let mut wrong = Violations::new();
    count(&mut wrong, field, given.len(), max);
    let mut ids = Vec::with_capacity(given.len().min(max));
    for (i, name) in given.iter().take(max).enumerate() {
        ids.extend(wrong.merge(name_in(&format!("{field}[{i}]"), of, business, name)));
    }
    wrong.finish(Some(ids))
}

/// Notes a list that is empty or too long.
pub fn count(wrong: &mut Violations, field: &str, len: usize, max: usize) {
    if len == 0 {
        wrong.missing(field);
    } else if len > max {
        wrong.push(
            field,
            "TOO_MANY",
            Text::new(format!("must have {max} items at most."), format!("ต้องมีไม่เกิน {max} รายการ")),
        );
    }
}

/// Notes a name of another business than the request's.
pub fn other_business(wrong: &mut Violations, field: impl Into<String>) {
    wrong.push(
        field,
        "OTHER_BUSINESS",
        Text::new("is of another business than the request.", "ไม่ได้อยู่ในธุรกิจเดียวกับคำขอ"),
    );
}

/// The paths of a field mask: some of `allowed`, at least one. Those that are known are read even where
/// others are not, so that what is wrong in their fields is told at the same time.
pub fn mask(
    wrong: &mut Violations,
    given: Option<&prost_types::FieldMask>,
    allowed: &[&'static str],
) -> Vec<&'static str> {
    let paths = given.map(|mask| &mask.paths[..]).unwrap_or_default();
    if paths.is_empty() {
        wrong.missing("update_mask");
    }
    let mut read = Vec::new();
    for (i, path) in paths.iter().enumerate() {
        match allowed.iter().find(|known| *known == path) {
            Some(known) => read.push(*known),
            None => wrong.push(
                format!("update_mask.paths[{i}]"),
                "UNKNOWN_PATH",
                Text::new(
                    format!("must be one of {}.", allowed.join(", ")),
                    format!("ต้องเป็นหนึ่งใน {}", allowed.join(", ")),
                ),
            ),
        }
    }
    read
}
