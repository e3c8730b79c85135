//! A contact's phone numbers and e-mail addresses: what is asked for, against what is there.
//!
//! Whether the actor may edit points at all is [`guard::refuse_masked`](super::guard::refuse_masked)'s; what
//! an address that comes does to the consent is [`carry`](super::carry)'s.

use std::collections::HashSet;

use yinyom_consent::Channel;
use yinyom_kernel::{InvalidInput, PointId, Text, Violations};
use yinyom_privacy::{Address, AddressError, Email, Phone};

/// Most points of a contact in one channel.
pub const MAX_POINTS: usize = 20;

/// One phone number or e-mail address of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub id: PointId,
    pub address: Address,
}

impl Point {
    /// What is shown of it under `sight`: the address, or the channel's mask. The only place that an address
    /// leaves the domain by.
    pub fn shown(&self, sight: super::Sight) -> String {
        if sight.visible {
            self.address.canonical().expose().clone()
        } else {
            self.address.mask().to_owned()
        }
    }
}

/// A point that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPoint {
    /// Which point of the contact; a new one if `None`.
    pub id: Option<PointId>,
    pub address: Address,
}

/// A point as a client wrote it. Not `Debug`: it holds an address.
#[derive(Clone, Copy)]
pub struct PointInput<'a> {
    /// Empty for a new one.
    pub id: &'a str,
    pub value: &'a str,
}

/// Which channel an address is of.
pub const fn channel_of(address: &Address) -> Channel {
    match address {
        Address::Phone(_) => Channel::Phone,
        Address::Email(_) => Channel::Email,
    }
}

/// The field that holds a channel's points.
pub const fn field_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Phone => "phones",
        Channel::Email => "emails",
    }
}

/// Reads the points of one channel: every one an address and no mask, none twice, 20 at most.
pub fn read_points(
    channel: Channel,
    given: &[PointInput<'_>],
) -> Result<Vec<WantedPoint>, InvalidInput> {
    let field = field_of(channel);
    let mut wrong = Violations::new();
    refuse_too_many(&mut wrong, field, given.len());
    let (mut ids, mut addresses) = (HashSet::new(), HashSet::new());
    let mut wanted = Vec::new();
    for (i, input) in given.iter().take(MAX_POINTS).enumerate() {
        let id = (!input.id.is_empty())
            .then(|| wrong.take(format!("{field}[{i}].id"), input.id.parse::<PointId>()))
            .flatten();
        if id.is_some_and(|id| !ids.insert(id)) {
            refuse_twice(&mut wrong, format!("{field}[{i}].id"), "DUPLICATE_ID");
        }
        let read = wrong.take(format!("{field}[{i}].value"), parse(channel, input.value));
        let Some(address) = read else { continue };
        if !addresses.insert(address.clone()) {
            refuse_twice(&mut wrong, format!("{field}[{i}].value"), "DUPLICATE_ADDRESS");
        }
        wanted.push(WantedPoint { id, address });
    }
    wrong.finish(Some(wanted))
}

/// Reads the addresses of one channel of an import's row; one that is written twice counts once.
pub fn read_addresses(channel: Channel, given: &[&str]) -> Result<Vec<Address>, InvalidInput> {
    let mut wrong = Violations::new();
    let addresses = read_those_that_are(&mut wrong, channel, given);
    wrong.finish(Some(addresses))
}

/// Like [`read_addresses`], of which a wrong one takes the others from nobody.
pub fn read_those_that_are(
    wrong: &mut Violations,
    channel: Channel,
    given: &[&str],
) -> Vec<Address> {
    let field = field_of(channel);
    refuse_too_many(wrong, field, given.len());
    let mut addresses = Vec::new();
    for (i, value) in given.iter().take(MAX_POINTS).enumerate() {
        if let Some(address) = wrong.take(format!("{field}[{i}]"), parse(channel, value))
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

/// What is to be done to the points of one channel. The ids and the addresses in it are each there once, so
/// its parts can be carried out in any order in which removals come first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointPlan {
    pub kept: Vec<PointId>,
    /// Points that get another address.
    pub changed: Vec<Point>,
    pub added: Vec<Address>,
    pub removed: Vec<PointId>,
}

impl PointPlan {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }

    /// The addresses that the channel did not have before.
    pub fn coming(&self) -> impl Iterator<Item = &Address> {
        self.changed.iter().map(|point| &point.address).chain(&self.added)
    }
}

/// Plans how the `existing` points of one channel become the `wanted` ones, as [`read_points`] gave them.
///
/// An address that is there already keeps its point, whichever id the client put beside it and however it was
/// written: the same addresses are no change. An id that the contact does not have is refused.
pub fn plan(
    channel: Channel,
    existing: &[Point],
    wanted: &[WantedPoint],
) -> Result<PointPlan, InvalidInput> {
    let field = field_of(channel);
    let mut wrong = Violations::new();
    let wants = |address: &Address| wanted.iter().any(|wanted| wanted.address == *address);
    let mut plan = PointPlan::default();
    plan.kept.extend(existing.iter().filter(|point| wants(&point.address)).map(|point| point.id));
    for (i, WantedPoint { id, address }) in wanted.iter().enumerate() {
        if id.is_some_and(|id| existing.iter().all(|point| point.id != id)) {
            wrong.push(
                format!("{field}[{i}].id"),
                "UNKNOWN_POINT",
                Text::new("must be a point of this contact.", "ต้องเป็นข้อมูลติดต่อของผู้ติดต่อรายนี้"),
            );
        }
        if existing.iter().any(|point| point.address == *address) {
            continue;
        }
        match id.filter(|id| !plan.kept.contains(id)) {
            Some(id) => plan.changed.push(Point { id, address: address.clone() }),
            None => plan.added.push(address.clone()),
        }
    }
    let stays = |id: &PointId| {
        plan.kept.contains(id) || plan.changed.iter().any(|changed| changed.id == *id)
    };
    plan.removed = existing.iter().map(|point| point.id).filter(|id| !stays(id)).collect();
    wrong.finish(Some(plan))
}

fn parse(channel: Channel, value: &str) -> Result<Address, AddressError> {
    match channel {
        Channel::Phone => Phone::parse(value).map(Address::Phone),
        Channel::Email => Email::parse(value).map(Address::Email),
    }
}

fn refuse_too_many(wrong: &mut Violations, field: &str, given: usize) {
    if given > MAX_POINTS {
        too_many(wrong, field);
    }
}

/// Notes a field with more addresses than a contact may have.
pub fn too_many(wrong: &mut Violations, field: &str) {
    wrong.push(
        field,
        "TOO_MANY",
        Text::new(
            format!("must have {MAX_POINTS} items at most."),
            format!("ต้องมีไม่เกิน {MAX_POINTS} รายการ"),
        ),
    );
}

fn refuse_twice(wrong: &mut Violations, field: String, reason: &'static str) {
    wrong.push(field, reason, Text::new("must be given once only.", "ต้องระบุเพียงครั้งเดียว"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use yinyom_kernel::Fault;
    use yinyom_privacy::{EMAIL_MASK, PHONE_MASK};

    use super::*;

    const PHONE: Channel = Channel::Phone;

    fn id(number: u128) -> PointId {
        uuid::Uuid::from_u128(number).into()
    }

    fn phone(last: u128) -> Address {
        Phone::parse(&format!("08123456{last:02}")).unwrap().into()
    }

    fn point(number: u128, last: u128) -> Point {
        Point { id: id(number), address: phone(last) }
    }

    fn wanted(number: Option<u128>, last: u128) -> WantedPoint {
        WantedPoint { id: number.map(id), address: phone(last) }
    }

    fn read(given: &[(&str, &str)]) -> Result<Vec<WantedPoint>, Vec<(String, &'static str)>> {
        let given: Vec<_> = given.iter().map(|(id, value)| PointInput { id, value }).collect();
        read_points(PHONE, &given).map_err(|invalid| {
            invalid.violations().iter().map(|v| (v.field.clone(), v.reason)).collect()
        })
    }

    #[test]
    fn every_wrong_point_is_named_at_once() {
        let one = id(1).to_string();
        let given =
            [(&*one, "081-234-5678"), ("X", "hello"), (&*one, "+66 81 234 5678"), ("", PHONE_MASK)];
        let expected = [
            ("phones[1].id", "INVALID_ID"),
            ("phones[1].value", "INVALID_PHONE"),
            ("phones[2].id", "DUPLICATE_ID"),
            ("phones[2].value", "DUPLICATE_ADDRESS"),
            ("phones[3].value", "MASKED_VALUE"),
        ];
        assert_eq!(read(&given).unwrap_err(), expected.map(|(f, r)| (f.to_owned(), r)));
    }

    #[test]
    fn a_mask_is_never_written_back() {
        for (channel, value) in [(PHONE, PHONE_MASK), (Channel::Email, EMAIL_MASK)] {
            let refused = read_points(channel, &[PointInput { id: "", value }]).unwrap_err();
            assert_eq!(refused.violations()[0].reason, "MASKED_VALUE");
            assert!(read_addresses(channel, &[value]).is_err());
        }
    }

    #[test]
    fn a_channel_has_twenty_points_at_most() {
        let numbers: Vec<_> = (0..21).map(|last| format!("08123456{last:02}")).collect();
        let given: Vec<_> = numbers.iter().map(|value| ("", value.as_str())).collect();
        assert_eq!(read(&given[..20]).unwrap().len(), 20);
        assert_eq!(read(&given).unwrap_err(), [("phones".to_owned(), "TOO_MANY")]);
    }

    #[test]
    fn a_row_that_writes_one_address_twice_has_it_once() {
        let read = read_addresses(PHONE, &["081-234-5601", "+66812345601", "0812345602"]);
        assert_eq!(read.unwrap(), [phone(1), phone(2)]);
    }

    #[test]
    fn what_is_left_out_is_removed_and_brings_nothing() {
        let plan = plan(PHONE, &[point(1, 1), point(2, 2)], &[wanted(Some(2), 2)]).unwrap();
        assert_eq!((&*plan.kept, &*plan.removed), (&[id(2)][..], &[id(1)][..]));
        assert_eq!(plan.coming().count(), 0);
    }

    #[test]
    fn the_same_number_in_another_format_changes_nothing() {
        for value in ["081-234-5601", "+66 81 234 5601", "๐๘๑๒๓๔๕๖๐๑", "0066812345601"]
        {
            let wanted = read(&[(&id(1).to_string(), value)]).unwrap();
            let plan = plan(PHONE, &[point(1, 1)], &wanted).unwrap();
            assert!(plan.is_empty() && plan.kept == [id(1)], "{value}");
        }
    }

    #[test]
    fn the_same_addresses_without_ids_or_with_swapped_ids_change_nothing() {
        let existing = [point(1, 1), point(2, 2)];
        for asked in [[wanted(None, 2), wanted(None, 1)], [wanted(Some(1), 2), wanted(Some(2), 1)]]
        {
            assert!(plan(PHONE, &existing, &asked).unwrap().is_empty());
        }
    }

    #[test]
    fn a_point_gets_another_address_and_a_new_one_is_added() {
        let asked = [wanted(Some(1), 3), wanted(None, 4)];
        let plan = plan(PHONE, &[point(1, 1)], &asked).unwrap();
        assert_eq!(
            (plan.changed.as_slice(), plan.added.as_slice()),
            (&[point(1, 3)][..], &[phone(4)][..])
        );
        assert!(plan.removed.is_empty());
        assert_eq!(plan.coming().collect::<Vec<_>>(), [&phone(3), &phone(4)]);
    }

    #[test]
    fn another_contacts_point_cannot_be_named() {
        let refused = plan(PHONE, &[point(1, 1)], &[wanted(None, 2), wanted(Some(9), 1)]);
        let refused = refused.unwrap_err();
        let violation = &refused.violations()[0];
        assert_eq!((violation.field.as_str(), violation.reason), ("phones[1].id", "UNKNOWN_POINT"));
    }

    proptest! {
        #[test]
        fn a_plan_ends_with_exactly_what_was_wanted(
            there in prop::collection::btree_set(0_u128..8, 0..6),
            asked in prop::collection::btree_map(0_u128..12, any::<bool>(), 0..6),
        ) {
            let there: Vec<_> = there.into_iter().collect();
            let existing: Vec<_> = there.iter().map(|last| point(100 + last, *last)).collect();
            // Ids in an order of their own, so that they meet other addresses than their own.
            let mut ids = there.iter().rev().map(|last| 100 + last);
            let asked: Vec<_> = asked
                .into_iter()
                .map(|(last, with_id)| wanted(with_id.then(|| ids.next()).flatten(), last))
                .collect();
            let plan = plan(PHONE, &existing, &asked).unwrap();

            let mut ids: Vec<_> = plan.kept.iter().chain(&plan.removed).copied().collect();
            ids.extend(plan.changed.iter().map(|point| point.id));
            ids.sort_unstable();
            prop_assert_eq!(ids, existing.iter().map(|point| point.id).collect::<Vec<_>>());

            let has = |address: &Address| existing.iter().any(|p| p.address == *address);
            prop_assert!(plan.coming().all(|address| !has(address)));
            let kept = existing.iter().filter(|p| plan.kept.contains(&p.id)).map(|p| &p.address);
            let end: HashSet<_> = kept.chain(plan.coming()).collect();
            prop_assert_eq!(end, asked.iter().map(|wanted| &wanted.address).collect());
        }
    }
}
