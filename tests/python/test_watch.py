"""A campaign tool that listens to the ledger."""

import grpc
import pytest

from shop import Shop

WATCH = "manager.WatchService/WatchConsentChanges"
PHONE = "+66812345678"


def withdraw(shop, contact):
    shop.user(
        "directory.ConsentService/WithdrawConsent",
        contact=contact,
        channels=["CHANNEL_PHONE"],
        surface="SURFACE_CONTACTS",
    )


def test_a_withdrawal_is_heard_at_once_and_again_from_an_older_cursor(house):
    shop = Shop(house)
    contact = shop.contact(PHONE)
    shop.say(contact, phone="GRANTED")
    news = shop.officer.watch(WATCH, parent=shop.name, state="CONSENT_STATE_DENIED")
    begun = next(news)
    assert not begun.entries
    withdraw(shop, contact)
    heard = next(news)
    news.cancel()
    assert [entry.contact for entry in heard.entries] == [contact]
    again = shop.officer.watch(
        WATCH, parent=shop.name, state="CONSENT_STATE_DENIED", cursor=begun.cursor
    )
    assert not next(again).entries
    assert [entry.name for entry in next(again).entries] == [heard.entries[0].name]
    again.cancel()


def test_whoever_does_not_read_the_ledger_hears_nothing(house):
    shop = Shop(house)
    with pytest.raises(grpc.RpcError) as refused:
        next(shop.user.watch(WATCH, parent=shop.name))
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
