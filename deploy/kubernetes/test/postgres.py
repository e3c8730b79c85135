"""Three databases on the server of deploy/test-postgres, as the README tells an operator to make them: a plain role each, and
TLS with a certificate that is checked."""

import os
import pathlib
import re
import secrets
import shutil
import urllib.parse

from pods import run


class Postgres:
    def __init__(self, cluster):
        self.url, self.cluster = os.environ["YINYOM_TEST_POSTGRES_URL"], cluster
        directory = pathlib.Path(os.environ["YINYOM_TEST_POSTGRES_DIR"])
        self.bin = pathlib.Path(re.search(r"(\S+)/pg_ctl", (directory / "control").read_text())[1])
        hosts = [f"{service}-database-rw.yinyom" for service in cluster.services]
        cluster.names |= set(hosts)
        cluster.authority.issue(directory / "tls", {"dnsNames": hosts, "usages": ["server auth"]})
        owner = (directory / "data").stat()
        for file in [directory / "tls", *(directory / "tls").iterdir()]:
            os.chown(file, owner.st_uid, owner.st_gid)
        (directory / "tls/tls.key").chmod(0o600)
        with (directory / "data/postgresql.conf").open("a") as config:
            config.write(f"ssl = on\nssl_cert_file = '{directory}/tls/tls.crt'\nssl_key_file = '{directory}/tls/tls.key'\n")
        run(directory / "control", "restart")
        for service, host in zip(cluster.services, hosts):
            role, password = service.replace("-", "_"), secrets.token_hex(16)
            self.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{password}' NOSUPERUSER NOBYPASSRLS")
            self.create(service)
            port = urllib.parse.urlsplit(self.url).port
            cluster.secret(f"{service}-database-app", "uri", f"postgres://{role}:{password}@{host}:{port}/{role}".encode())
            ca = (cluster.authority.directory / "ca.crt").read_bytes()
            cluster.secret(f"{service}-database-ca", "ca.crt", ca)

    def sql(self, statement, database="postgres"):
        return run(self.bin / "psql", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", statement, self.at(database))

    def at(self, database):
        return urllib.parse.urlsplit(self.url)._replace(path=f"/{database}").geturl()

    def create(self, service):
        role = service.replace("-", "_")
        self.sql(f"CREATE DATABASE {role} OWNER {role}")

    def back_up(self, into):
        """As a superuser: row-level security keeps the services' own roles from it."""
        into.mkdir()
        for service in self.cluster.services:
            run(self.bin / "pg_dump", "--format=custom", "--file", into / service, self.at(service.replace("-", "_")))

    def destroy(self):
        for service in self.cluster.services:
            self.sql(f"DROP DATABASE {service.replace('-', '_')} WITH (FORCE)")

    def restore(self, saved):
        for service in self.cluster.services:
            self.create(service)
            run(self.bin / "pg_restore", "--exit-on-error", "--dbname", self.at(service.replace("-", "_")), saved / service)

    def encrypted(self):
        """Whether every connection of a service is."""
        rows = self.sql("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename <> 'postgres' AND client_port IS NOT NULL")
        return rows.strip() == "t"
