"""An older release and this one, side by side on the same three databases of PostgreSQL: who migrates first, who starts beside
whom, and the tests of each, of the commit that it is from, against its own processes while the other's serve. See
deploy/side-by-side.

    beside.py OLD NEW SCRATCH     OLD and NEW are checkouts; OLD/yinyom and NEW/yinyom in SCRATCH are their programs
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from databases import Postgres
from shop import House, Shop
from three import SERVICES, DidNotStart, Three
from wire import Service

# Those that need nothing but ports and tokens. The others start a program of their own, or look into its files and logs.
TESTS = ["seed", "import", "health_reflection", "erasure", "files", "previews", "watch"]

ROLES = {"owner": "OWNER", "admin": "ADMIN"}

# What stands in the place of a program, for tests that would start one: it says where the services are that run already.
FACADE = """#!/usr/bin/env bash
set -euo pipefail
if [[ " $* " == *" --settings-port=0 "* ]]; then
    mkdir -p "$2"
    cp {data}/dev.json "$2/dev.new" && mv "$2/dev.new" "$2/dev.json"
    trap 'exit 0' TERM
    while :; do sleep 1 & wait $!; done
fi
arguments=()
while [ $# -gt 0 ]; do
    if [ "$1" = --data-dir ]; then shift 2; continue; fi
    arguments+=("$1"); shift
done
exec {binary} "${{arguments[@]}}" --data-dir {data}
"""


def say(text):
    print(f"side-by-side: {text}", flush=True)


class Release:
    """A checkout, its program, and its three services."""

    def __init__(self, name, checkout, scratch, databases, like=None):
        self.name, self.checkout, self.directory = name, checkout, scratch / f"{name}-{databases.mark}"
        if like:
            (self.directory / "data").mkdir(parents=True)
            (self.directory / "data/keys").symlink_to(like.directory / "data/keys")
        self.directory.mkdir(exist_ok=True)
        self.three = Three(scratch / name / "yinyom", self.directory, databases)

    def start(self, instead=None):
        """Starts the services. One that does not start for want of a migration that it knows is refused in its sentence, or this
        fails; `instead` of it, that program is started, as in the middle of a roll-out. Who was refused."""
        refused = {}
        while True:
            try:
                self.three.start()
                break
            except DidNotStart as ended:
                self.three.kill()
                sentences = [line.strip() for line in str(ended).splitlines() if "which this release does not know" in line]
                if not sentences or not instead or ended.service in refused:
                    raise
                refused[ended.service] = sentences[-1]
                self.three.binaries[ended.service] = instead
                say(f"  {ended.service} of the {self.name} release does not start: {sentences[-1]}")
        services = {name: Service(address) for name, address in self.three.facts["addresses"].items()}
        shop = Shop(House(self.three, services))
        people = [
            {"name": who, "role": ROLES.get(who, "USER"), "listed": who == "listed", "protection_officer": who == "officer",
             "member": person.name, "token": self.three.token(person.name)}
            for who, person in shop.people().items()
        ]
        for service in services.values():
            service.close()
        (self.three.data_dir / "dev.json").write_text(json.dumps(self.three.facts | {"people": people, "business": shop.name}))
        facade = self.directory / "yinyom"
        facade.write_text(FACADE.format(data=self.three.data_dir, binary=self.three.binary))
        facade.chmod(0o755)
        return refused

    def migrate(self):
        for service in SERVICES:
            done = self.three.run("migrate", service, YINYOM_DATABASE_URL=self.three.databases.url(service))
            assert done.returncode == 0, done.stderr
            say(f"  {done.stdout.splitlines()[-1]}")

    def test(self, when):
        """Its own tests, those that its commit has. Another release's service among its own has what its tests do not know."""
        names = [name for name in TESTS if name != "health_reflection" or not self.three.binaries]
        files = [f"tests/python/test_{name}.py" for name in names]
        files = [file for file in files if (self.checkout / file).exists()]
        environment = os.environ | {"YINYOM_BIN": str(self.directory / "yinyom"), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *files]
        done = subprocess.run(command, cwd=self.checkout, env=environment, capture_output=True, text=True)
        lines = done.stdout.strip().splitlines()
        (self.directory / f"tests {when}").write_text(done.stdout + done.stderr)
        say(f"  tests of the {self.name} release, {when}: {lines[-1] if lines else done.stderr}")
        for line in lines:
            if line.startswith(("FAILED", "ERROR")):
                say(f"    {line}")
        return done.returncode == 0


def whole(new):
    """The ledger's books agree, and nothing is stuck."""
    done = new.three.run("recount", YINYOM_DATABASE_URL=new.three.databases.url("manager"))
    say(f"  recount: {done.stdout.strip().splitlines()[-1] if done.stdout else done.stderr}")
    return done.returncode == 0


def returned(old, new, ok, when):
    """Starts the old release on the new schema, and tells how far it came."""
    refused = old.start(instead=new.three.binary)
    if len(refused) < len(SERVICES):
        others = f", its {' and '.join(refused)} of the new release" if refused else ""
        ok.append(old.test(f"{when}{others}"))


def old_first(old_at, new_at, scratch):
    databases = Postgres()
    say("the old release first")
    old = Release("old", old_at, scratch, databases)
    new = Release("new", new_at, scratch, databases, like=old)
    try:
        old.start()
        ok = [old.test("alone")]
        say("  the new release migrates; the old one serves on")
        new.migrate()
        ok.append(old.test("on the new schema"))
        new.start()
        ok += [new.test("beside the old one"), old.test("beside the new one"), whole(new)]
        say("  the old release is started anew")
        old.three.stop()
        returned(old, new, ok, "started anew beside the new one")
        ok.append(whole(new))
        new.three.stop()
        return all(ok)
    finally:
        old.three.kill()
        new.three.kill()
        databases.remove()


def new_first(old_at, new_at, scratch):
    databases = Postgres()
    say("the new release first")
    new = Release("new", new_at, scratch, databases)
    old = Release("old", old_at, scratch, databases, like=new)
    try:
        new.migrate()
        new.start()
        ok = []
        returned(old, new, ok, "beside the new one")
        ok += [new.test("beside the old one"), whole(new)]
        new.three.stop()
        return all(ok)
    finally:
        old.three.kill()
        new.three.kill()
        databases.remove()


if __name__ == "__main__":
    old_at, new_at, scratch = map(Path, sys.argv[1:])
    both = [order(old_at, new_at, scratch) for order in (old_first, new_first)]
    sys.exit(0 if all(both) else 1)
