"""The five commands that a start prints, run as they stand by a client that knows only reflection."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shop import EMAIL_MASK, PHONE_MASK
from wire import Caller, eventually

PHONE = "+66812345678"
EMAIL = "somchai@example.com"


@pytest.fixture(scope="module")
def story(yinyom):
    """Runs command number 1 to 5."""
    tools = Path(sys.executable).parent
    assert (tools / "grpcurl").exists(), "grpcurl is missing: run `make tools`"
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"

    def run(number):
        command = yinyom.facts["commands"][number - 1]
        done = subprocess.run(
            command,
            shell=True,
            env=os.environ | {"PATH": path},
            capture_output=True,
            encoding="utf-8",
            timeout=30,
        )
        assert done.returncode == 0, f"command {number}: {done.stderr}"
        return json.loads(done.stdout)

    return run


def shown(answer):
    contact = answer["contact"]
    return [(point["value"], point["reason"]) for point in contact["phones"] + contact["emails"]]


def refusals(summary):
    return {channel["channel"]: int(channel["denied"]) for channel in summary["channels"]}


def test_a_start_prints_the_commands_that_scripts_find_in_dev_json(yinyom):
    printed = yinyom.said.read_text().splitlines()
    commands = yinyom.facts["commands"]
    assert len(commands) == 5
    assert [line for line in printed if line.startswith("grpcurl ")] == commands


def test_a_start_prints_the_three_addresses_and_a_token_for_each_person(yinyom):
    said = yinyom.said.read_text()
    for address in yinyom.facts["addresses"].values():
        assert address in said
    people = {(p["role"], p["listed"]) for p in yinyom.facts["people"]}
    assert people >= {("OWNER", False), ("ADMIN", False), ("USER", True), ("USER", False)}
    for person in yinyom.facts["people"]:
        assert person["name"] in said and person["token"] in said


def test_the_story_goes_as_it_is_told(yinyom, house, story):
    owner = Caller(house.services, yinyom.facts["people"][0]["token"])

    def denied_emails():
        summary = owner(
            "manager.ReportService/GetConsentSummary", parent=yinyom.facts["business"]
        )
        return summary.channels[1].denied

    before = denied_emails()
    assert shown(story(1)) == [
        (PHONE, "VISIBILITY_REASON_PRIVILEGED"),
        (EMAIL, "VISIBILITY_REASON_PRIVILEGED"),
    ], "the owner sees both"
    assert shown(story(2)) == [
        (PHONE_MASK, "VISIBILITY_REASON_DENIED"),
        (EMAIL, "VISIBILITY_REASON_GRANTED"),
    ], "the user sees a mask for the phone number that was refused"

    said = story(3)["contactConsents"]["consents"]
    assert {c["channel"]: c["state"] for c in said} == {
        "CHANNEL_PHONE": "CONSENT_STATE_DENIED",
        "CHANNEL_EMAIL": "CONSENT_STATE_DENIED",
    }, "the customer says no to e-mail too"

    assert shown(story(4)) == [
        (PHONE_MASK, "VISIBILITY_REASON_DENIED"),
        (EMAIL_MASK, "VISIBILITY_REASON_DENIED"),
    ], "the user sees two masks"
    eventually(
        lambda: refusals(story(5)), lambda denied: denied["CHANNEL_EMAIL"] == before + 1
    )
    assert shown(story(1))[0][0] == PHONE and shown(story(1))[1][0] == EMAIL
