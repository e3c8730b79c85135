"""`yinyom bulk`: the same word of many, from the command line, and what became of each."""

import re
import uuid

import pytest

from shop import Shop, get, shown


@pytest.fixture(scope="module")
def people(house):
    """A business with a few contacts, and the command as its people run it."""
    shop = Shop(house)
    shop.switch(True)
    shop.contacts = [shop.contact(phone=f"08123456{n:02}") for n in range(12)]

    def run(who, *arguments):
        token = house.yinyom.token(who.name)
        done = house.yinyom.run("bulk", *arguments, "--business", shop.name, token=token)
        counts = dict(re.findall(r"^ *([A-Za-z_]+):? +(\d+)$", done.stdout, re.M))
        return done, {what: int(number) for what, number in counts.items()}

    shop.bulk = run
    return shop


def states(shop):
    return [shown(get(shop.owner, contact)).states for contact in shop.contacts]


def test_a_file_of_contacts_has_an_outcome_for_each(people, tmp_path):
    file = tmp_path / "contacts.txt"
    ids = [contact.rpartition("/")[2] for contact in people.contacts[:5]]
    file.write_text("\n".join([*ids, people.contacts[5], ids[0], str(uuid.uuid4())]))
    done, counts = people.bulk(people.user, "denied", "--channel", "phone", "--contacts", file)
    assert done.returncode == 2, done.stderr
    assert counts == {"contacts": 7, "recorded": 6, "refused": 1, "NOT_FOUND": 1}
    assert re.search(rf"^{people.name}/operations/", done.stderr, re.M), "it can be asked about"
    assert states(people) == [("DENIED", "NOT_SET")] * 6 + [("NOT_SET", "NOT_SET")] * 6


def test_nobody_lifts_a_mask_from_themself_by_many(people):
    grant = "granted", "--channel", "phone", "--all"
    done, counts = people.bulk(people.user, *grant)
    assert done.returncode == 2, done.stderr
    lifted = {"contacts": 12, "recorded": 6, "refused": 6, "CANNOT_LIFT_OWN_MASK": 6}
    assert counts == lifted
    done, counts = people.bulk(people.owner, *grant)
    assert (done.returncode, counts) == (0, {"contacts": 12, "recorded": 12, "refused": 0})
    assert states(people) == [("GRANTED", "NOT_SET")] * 12


def test_a_filter_is_looked_through_and_what_is_wrong_is_said(people):
    done, counts = people.bulk(
        people.owner, "denied", "--channel", "email,phone", "--in-state", "denied"
    )
    assert (done.returncode, counts["contacts"]) == (0, 0)
    for wrong in ([], ["--all", "--in-state", "granted"], ["--all", "--surface", "api"]):
        done, _ = people.bulk(people.owner, "denied", "--channel", "phone", *wrong)
        assert done.returncode in (1, 2) and "GRANTED" not in done.stdout, wrong
    assert states(people) == [("GRANTED", "NOT_SET")] * 12, "nobody was changed by that"
