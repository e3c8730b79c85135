"""Before a switch: what it would hide and from whom, which addresses are shared, and what heeding others' refusals
would change."""

import pytest

from shop import Shop, get, shown
from wire import Refused, plain

PHONE, EMAIL = "+66812345678", "somchai@example.com"
PREVIEW = "directory.PreviewService/PreviewVisibility"
SHARED = "directory.SharedAddressService/ListSharedAddresses"
SUMMARY = "directory.SharedAddressService/GetSharedAddressSummary"
POLICY = "directory.SharedAddressService/PreviewSharedAddressPolicy"


@pytest.fixture(scope="module")
def family(house):
    """A business without enforcement, in which two contacts share a phone: one says no, the other yes."""
    shop = Shop(house)
    shop.mother = shop.contact(PHONE, EMAIL)
    shop.daughter = shop.contact("081 234 5678")
    shop.say(shop.mother, phone="DENIED")
    shop.say(shop.daughter, phone="GRANTED")
    return shop


def test_a_switch_is_previewed_as_it_then_turns_out(family):
    preview = plain(family.owner(PREVIEW, parent=family.name, enforcement_enabled=True))
    assert preview["hidden"] == {"phone_count": "1", "email_count": "0", "contact_count": "1"}
    assert set(preview["members"]) == {family.user.name, family.officer.name}
    family.switch(True)
    assert shown(get(family.user, family.mother)).phone != PHONE
    assert shown(get(family.user, family.daughter)).phone == PHONE
    assert shown(get(family.listed, family.mother)).phone == PHONE
    family.switch(False)


def test_a_conflict_is_listed_with_both_sides(family):
    listed = family.owner(SHARED, parent=family.name, only_conflicts=True)
    [address] = listed.shared_addresses
    assert (address.contact_count, address.granted_count, address.denied_count) == (2, 1, 1)
    assert {holder.contact for holder in address.holders} == {family.mother, family.daughter}
    assert {holder.point.value for holder in address.holders} == {PHONE}
    phone, email = family.owner(SUMMARY, parent=family.name).summaries
    assert (phone.shared_count, phone.conflict_count) == (1, 1)
    assert (email.shared_count, email.conflict_count) == (0, 0)


def test_another_policy_is_previewed(family):
    policy = "SHARED_ADDRESS_POLICY_MOST_RESTRICTIVE"
    phone, _ = family.owner(POLICY, parent=family.name, shared_address_policy=policy).effects
    assert (phone.denied_contact_count, phone.lost_contact_count) == (1, 1)


@pytest.mark.parametrize("method", [SHARED, SUMMARY, POLICY])
def test_who_may_not_see_addresses_is_not_told_which_are_alike(family, method):
    policy = {"shared_address_policy": 2} if method == POLICY else {}
    family.switch(True)
    for who in (family.user, family.officer):
        with pytest.raises(Refused) as refused:
            who(method, parent=family.name, **policy)
        assert refused.value.reason == "HIDDEN_ADDRESSES"
    family.listed(method, parent=family.name, **policy)
    family.switch(False)


def test_a_preview_of_a_switch_is_for_owner_and_admin(family):
    family.admin(PREVIEW, parent=family.name)
    for who in (family.listed, family.user, family.officer):
        with pytest.raises(Refused) as refused:
            who(PREVIEW, parent=family.name)
        assert refused.value.reason == "OWNER_OR_ADMIN_ONLY"


def test_a_business_says_for_how_long_grants_are_given(house):
    shop = Shop(house)
    shop.owner(
        "settings.ConsentSettingsService/UpdateConsentSettings",
        consent_settings={
            "name": f"{shop.name}/consentSettings",
            "default_grant_lifetime": {"seconds": 86_400},
        },
        update_mask={"paths": ["default_grant_lifetime"]},
    )
    said = shop.say(shop.contact(PHONE), phone="GRANTED").contact_consents
    phone = next(consent for consent in said.consents if consent.expire_time.seconds)
    assert phone.expire_time.seconds - phone.update_time.seconds == 86_400


@pytest.mark.parametrize("method", [PREVIEW, SHARED, SUMMARY, POLICY])
def test_another_business_is_none(house, family, method):
    policy = {"shared_address_policy": 2} if method == POLICY else {}
    stranger = Shop(house).owner
    heard = []
    for parent in (family.name, "businesses/0192f0c1-7b1e-7c3a-9d52-3f6f6b0a7e11"):
        with pytest.raises(Refused) as refused:
            stranger(method, parent=parent, **policy)
        heard.append((refused.value.code.name, refused.value.reason, refused.value.message))
    assert heard[0] == heard[1]
    assert heard[0][:2] == ("NOT_FOUND", "NOT_FOUND")
    with pytest.raises(Refused) as refused:
        house.nobody(method, parent=family.name, **policy)
    assert refused.value.code.name == "UNAUTHENTICATED"


def test_a_page_token_is_good_for_its_own_question_by_its_own_viewer_alone(family):
    for phone in ("+66811111111", "+66822222222"):
        family.contact(phone)
        family.contact(phone)
    first = family.owner(SHARED, parent=family.name, page_size=1)
    assert len(first.shared_addresses) == 1
    token = first.next_page_token
    rest = family.owner(SHARED, parent=family.name, page_size=20, page_token=token)
    assert len(rest.shared_addresses) == 2
    assert not rest.next_page_token
    for who, question in (
        (family.admin, {}),
        (family.owner, {"only_conflicts": True}),
        (family.owner, {"channel": "CHANNEL_PHONE"}),
    ):
        with pytest.raises(Refused) as refused:
            who(SHARED, parent=family.name, page_token=token, **question)
        assert refused.value.reason == "INVALID_PAGE_TOKEN"
