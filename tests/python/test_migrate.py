"""`yinyom migrate`, as an operator runs it before a roll-out: twice, at once, beside what serves; and schemas of later releases."""

import subprocess

import pytest

from conftest import _binary
from databases import both
from three import SERVICES, DidNotStart, Three, _serves


@pytest.fixture(params=["sqlite", "postgres"])
def three(request, tmp_path):
    databases = both(tmp_path)[request.param]()
    three = Three(_binary(), tmp_path, databases)
    yield three
    three.kill()
    databases.remove()


def migrate(three, service, **more):
    return three.run("migrate", service, YINYOM_DATABASE_URL=three.databases.url(service), **more)


def versions(three, service):
    return [int(number) for (number,) in three.databases.sql(service, "SELECT version FROM _sqlx_migrations ORDER BY version")]


def pretend(three, service, name):
    """A later release was here, and applied a migration of that name."""
    newest = versions(three, service)[-1] + 1
    three.databases.sql(service, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)"
                                 f" VALUES ({newest}, '{name}', TRUE, '', 0)")
    return newest


def test_it_says_what_it_did_and_may_run_twice_and_beside_what_serves(three):
    for service, name in SERVICES.items():
        done = migrate(three, service)
        assert done.returncode == 0, done.stderr
        *applied, summary = done.stdout.splitlines()
        there = versions(three, service)
        assert [line.split()[:3] for line in applied] == [[f"{name}:", "applied", str(number)] for number in there]
        assert summary == f"{name}: it was new and is at {there[-1]}: {len(there)} migrations"
    three.start()
    for service, name in SERVICES.items():
        again = migrate(three, service)
        assert (again.returncode, again.stdout.splitlines()[:-1]) == (0, []), again.stdout + again.stderr
        assert again.stdout.endswith("nothing was to be done\n")
        assert _serves(three.facts["addresses"][service])
    three.stop()


def test_several_at_once_apply_each_migration_once(three):
    url = three.databases.url("directory")
    command = [three.binary, "migrate", "directory", "--database-url", url]
    at_once = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    told = [process.communicate(timeout=60) for process in at_once]
    assert [process.returncode for process in at_once] == [0] * 4, told
    applied = [line for out, _ in told for line in out.splitlines() if " applied " in line]
    assert len(applied) == len(versions(three, "directory"))


def test_a_later_schema_is_refused_unless_it_says_that_it_only_adds(three):
    assert migrate(three, "settings").returncode == 0
    known = versions(three, "settings")[-1]
    newest = pretend(three, "settings", "expand greetings")
    beside = migrate(three, "settings")
    assert beside.returncode == 0, beside.stderr
    assert f"it is at {newest}, nothing was to be done; a later release has been here" in beside.stdout

    # A replica of the earlier release that dies in a roll-out comes back.
    three.start()
    three.stop()

    newest = pretend(three, "settings", "names without titles")
    with pytest.raises(DidNotStart, match=f"the database has migration {newest}, which this release does not know"):
        three.start()
    refused = migrate(three, "settings")
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        f"yinyom: the database has migration {newest}, which this release does not know (it knows {known} and earlier)"
    )
    assert "start the later release instead" in refused.stderr
    assert refused.stdout == ""


def test_the_address_may_be_in_a_file_and_is_not_quoted(three, tmp_path):
    file = tmp_path / "uri"
    file.write_text(three.databases.url("manager") + "\n")
    assert three.run("migrate", "manager", YINYOM_DATABASE_URL_FILE=file).returncode == 0
    both = migrate(three, "manager", YINYOM_DATABASE_URL_FILE=file)
    assert both.returncode == 2
    assert "cannot be used with" in both.stderr
    file.write_text("hunter2 hunter3\n")
    none = three.run("migrate", "manager", YINYOM_DATABASE_URL_FILE=file)
    assert none.returncode == 1
    assert "must hold a database's address, in one line" in none.stderr
    assert "hunter2" not in both.stderr + none.stderr
    neither = three.run("migrate", "manager")
    assert (neither.returncode, "--database-url" in neither.stderr) == (2, True)
