"""Three databases of a kind, as an operator makes, backs up, loses and restores them: the commands of deploy/README.md."""

import os
import re
import secrets
import shutil
import sqlite3
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from three import SERVICES


def both(directory):
    """A set of each kind, by its name."""
    return {"sqlite": lambda: Sqlite(directory), "postgres": Postgres}


class Sqlite:
    """A file for each service."""

    def __init__(self, directory):
        self.directory = directory / "volumes"
        self.directory.mkdir()

    def _file(self, service):
        return self.directory / service / f"{service}.db"

    def url(self, service):
        return f"sqlite:{self._file(service)}"

    def sql(self, service, statement):
        """The rows that a statement finds, of a database that nobody uses."""
        with sqlite3.connect(self._file(service)) as connection:
            rows = connection.execute(statement).fetchall()
        connection.close()
        return rows

    def back_up(self, into):
        """The volumes of services that were stopped."""
        shutil.copytree(self.directory, into)

    def destroy(self):
        shutil.rmtree(self.directory)

    def restore(self, saved):
        shutil.copytree(saved, self.directory)

    def raw(self):
        """Every byte of theirs, of journals, too."""
        return b"".join(file.read_bytes() for file in sorted(self.directory.rglob("*")) if file.is_file())

    def remove(self):
        pass


class Postgres:
    """A database for each service, with a role of its own, on the server of deploy/test-postgres."""

    def __init__(self):
        self.server = os.environ.get("YINYOM_TEST_POSTGRES_URL")
        if not self.server:
            pytest.fail("YINYOM_TEST_POSTGRES_URL is not set: run `make test-python`, which starts a PostgreSQL")
        self._programs = _programs()
        self.mark = secrets.token_hex(4)
        self._names = {service: f"{name.replace('-', '_')}_{self.mark}" for service, name in SERVICES.items()}
        self._passwords = {service: secrets.token_hex(16) for service in SERVICES}
        for service, name in self._names.items():
            self._psql(f"CREATE ROLE {name} LOGIN PASSWORD '{self._passwords[service]}' NOSUPERUSER NOBYPASSRLS")
            self._create(service)

    def url(self, service):
        server, name = urlsplit(self.server), self._names[service]
        return f"postgres://{name}:{self._passwords[service]}@{server.hostname}:{server.port}/{name}"

    def sql(self, service, statement):
        printed = self._psql(statement, self._names[service])
        return [tuple(line.split("|")) for line in printed.splitlines()]

    def back_up(self, into):
        """As a superuser: row-level security keeps the services' own roles from it."""
        into.mkdir()
        for service, name in self._names.items():
            self._run("pg_dump", "--format=custom", f"--file={into / service}.dump", f"--dbname={self._at(name)}")

    def destroy(self):
        for name in self._names.values():
            self._psql(f"DROP DATABASE {name} WITH (FORCE)")

    def restore(self, saved):
        for service, name in self._names.items():
            self._create(service)
            self._run("pg_restore", "--exit-on-error", f"--dbname={self._at(name)}", saved / f"{service}.dump")

    def raw(self):
        """Every byte of their files, once what is dead was swept away, as a server does in time; and of their dumps."""
        everything = b""
        for name in self._names.values():
            self._psql("VACUUM FULL", name)
            everything += self._run("pg_dump", f"--dbname={self._at(name)}")
        self._psql("CHECKPOINT")
        home = os.environ.get("YINYOM_TEST_POSTGRES_DIR")
        for name in self._names.values() if home else ():
            number = self._psql(f"SELECT oid FROM pg_database WHERE datname = '{name}'").strip()
            files = sorted(Path(home, "data/base", number).iterdir())
            everything += b"".join(file.read_bytes() for file in files if file.is_file())
        return everything

    def remove(self):
        for name in self._names.values():
            self._psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            self._psql(f"DROP ROLE {name}")

    def _create(self, service):
        name = self._names[service]
        self._psql(f"CREATE DATABASE {name} OWNER {name}")

    def _at(self, database):
        return urlsplit(self.server)._replace(path=f"/{database}").geturl()

    def _psql(self, statement, database="postgres"):
        flags = ["--quiet", "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        return self._run("psql", *flags, f"--command={statement}", self._at(database)).decode()

    def _run(self, program, *arguments):
        done = subprocess.run([self._programs / program, *arguments], capture_output=True, timeout=120)
        assert done.returncode == 0, f"{program}: {done.stderr.decode()}"
        return done.stdout


def _programs():
    """Where the server's own programs are: Debian keeps them out of PATH, and has a psql there that chooses for itself."""
    if home := os.environ.get("YINYOM_TEST_POSTGRES_DIR"):
        return Path(re.search(r"(\S+)/pg_ctl", Path(home, "control").read_text())[1])
    found = shutil.which("pg_dump")
    assert found, "pg_dump is not in PATH"
    return Path(found).resolve().parent
