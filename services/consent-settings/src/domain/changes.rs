//! What a change came to, field by field, as the audit record tells it: in words, and without anybody's name.

use yinyom_audit::{FieldChange, SettingsField};
use yinyom_consent::Role;
use yinyom_kernel::MemberId;
use yinyom_policy::{NotSetVisibility, Rules, SharedAddressPolicy};

use super::{Business, Member};

/// What became of a business; all of it is new if there is none `before`.
pub fn of_business(before: Option<&Business>, after: &Business) -> Vec<FieldChange> {
    use SettingsField as F;
    let mut changes = Changes::of(None);
    if before.is_some_and(|before| before.display_name != after.display_name) {
        changes.untold(F::BusinessDisplayName);
    }
    changes.field(F::Plan, before.map(|b| b.plan.name()), Some(after.plan.name()));
    let zone = |business: &Business| business.time_zone.name().to_owned();
    changes.field(F::TimeZone, before.map(zone), Some(zone(after)));
    changes.found
}

/// What became of the consent settings.
pub fn of_rules(before: Option<Rules>, after: Rules) -> Vec<FieldChange> {
    use SettingsField as F;
    let mut changes = Changes::of(None);
    let mut rule = |field, word: fn(Rules) -> &'static str| {
        changes.field(field, before.map(word), Some(word(after)));
    };
    rule(F::Enforcement, |rules| switch(rules.enforcement));
    rule(F::NotSetVisibility, |rules| match rules.not_set_visibility {
        NotSetVisibility::Show => "SHOW",
        NotSetVisibility::Mask => "MASK",
    });
    rule(F::MembersMayRegrant, |rules| switch(rules.members_may_regrant));
    rule(F::SharedAddressPolicy, |rules| match rules.shared_address_policy {
        SharedAddressPolicy::RecordOnly => "RECORD_ONLY",
        SharedAddressPolicy::MostRestrictive => "MOST_RESTRICTIVE",
    });
    let lifetime =
        |rules: Rules| rules.default_grant_lifetime.map(|of| format!("{}s", of.as_secs()));
    changes.field(F::DefaultGrantLifetime, before.and_then(lifetime), lifetime(after));
    changes.found
}

/// What became of a member, who is new if there is none `before`, and gone if there is none `after`.
pub fn of_member(before: Option<&Member>, after: Option<&Member>) -> Vec<FieldChange> {
    use SettingsField as F;
    let Some(member) = after.or(before).map(|member| member.id) else { return Vec::new() };
    let mut changes = Changes::of(Some(member));
    let role = |member: &Member| match member.role {
        Role::Owner => "OWNER",
        Role::Admin => "ADMIN",
        Role::User => "USER",
    };
    changes.field(F::Role, before.map(role), after.map(role));
    let has =
        |member: Option<&Member>, of: fn(&Member) -> bool| Some(switch(member.is_some_and(of)));
    let officer: fn(&Member) -> bool = |member| member.protection_officer;
    changes.field(F::ProtectionOfficer, has(before, officer), has(after, officer));
    let listed: fn(&Member) -> bool = |member| member.listed_at.is_some();
    changes.field(F::Listed, has(before, listed), has(after, listed));
    if before.zip(after).is_some_and(|(before, after)| before.display_name != after.display_name) {
        changes.untold(F::MemberDisplayName);
    }
    changes.found
}

/// Members who came to the viewer list or left it.
pub fn of_viewers(members: &[MemberId], listed: bool) -> Vec<FieldChange> {
    let change = |member: &MemberId| FieldChange {
        field: SettingsField::Listed,
        member: Some(*member),
        old: switch(!listed).to_owned(),
        new: switch(listed).to_owned(),
    };
    members.iter().map(change).collect()
}

const fn switch(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// Fields that differ.
struct Changes {
    member: Option<MemberId>,
    found: Vec<FieldChange>,
}

impl Changes {
    const fn of(member: Option<MemberId>) -> Self {
        Self { member, found: Vec::new() }
    }

    fn field<T: Into<String> + PartialEq>(
        &mut self,
        field: SettingsField,
        old: Option<T>,
        new: Option<T>,
    ) {
        if old != new {
            let word = |word: Option<T>| word.map(Into::into).unwrap_or_default();
            let (old, new) = (word(old), word(new));
            self.found.push(FieldChange { field, member: self.member, old, new });
        }
    }

    /// That it changed, and not from what to what.
    fn untold(&mut self, field: SettingsField) {
        let (old, new) = (String::new(), String::new());
        self.found.push(FieldChange { field, member: self.member, old, new });
    }
}

#[cfg(test)]
mod tests {
    use super::super::member::tests::member;
    use super::*;

    fn told(changes: &[FieldChange]) -> Vec<(SettingsField, &str, &str)> {
        changes.iter().map(|c| (c.field, c.old.as_str(), c.new.as_str())).collect()
    }

    #[test]
    fn a_member_who_comes_or_goes_is_told_by_what_they_could_do() {
        use SettingsField as F;
        let mut gone = member(Role::User);
        gone.protection_officer = true;
        gone.listed_at = Some(jiff::Timestamp::UNIX_EPOCH);
        let expected =
            [(F::Role, "USER", ""), (F::ProtectionOfficer, "ON", "OFF"), (F::Listed, "ON", "OFF")];
        assert_eq!(told(&of_member(Some(&gone), None)), expected);
        let new = member(Role::Admin);
        assert_eq!(told(&of_member(None, Some(&new))), [(F::Role, "", "ADMIN")]);
        assert_eq!(of_member(None, Some(&new))[0].member, Some(new.id));
        assert_eq!(of_member(Some(&new), Some(&new)), []);
    }

    #[test]
    fn a_name_is_not_told() {
        let before = member(Role::User);
        let after = Member { display_name: "สมชาย".to_owned().into(), ..before.clone() };
        let changes = of_member(Some(&before), Some(&after));
        assert_eq!(told(&changes), [(SettingsField::MemberDisplayName, "", "")]);
    }

    #[test]
    fn every_rule_is_told_and_only_those_that_changed() {
        use SettingsField as F;
        let after = Rules {
            members_may_regrant: true,
            default_grant_lifetime: Some(std::time::Duration::from_hours(24)),
            ..Rules::STRICTEST
        };
        let all = of_rules(Some(Rules::INITIAL), after);
        let expected = [
            (F::Enforcement, "OFF", "ON"),
            (F::NotSetVisibility, "SHOW", "MASK"),
            (F::MembersMayRegrant, "OFF", "ON"),
            (F::SharedAddressPolicy, "RECORD_ONLY", "MOST_RESTRICTIVE"),
            (F::DefaultGrantLifetime, "", "86400s"),
        ];
        assert_eq!(told(&all), expected);
        assert_eq!(of_rules(Some(Rules::INITIAL), Rules::INITIAL), []);
        assert_eq!(of_rules(None, Rules::INITIAL).len(), 4);
    }
}
