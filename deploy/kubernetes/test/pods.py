"""Pods of manifests without a cluster: the kubelet's part (roots, volumes, variables, probes, the end), cert-manager's
(certificates as their resources say), and that of whoever issues tokens.

All pods share one loopback, so names lead there, and there is one replica of each. What a cluster alone can show is left out:
policies, scheduling, balancing.
"""

import base64
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time

import ecdsa

ISSUER = "https://identity.example"
ROOT = pathlib.Path(__file__).resolve().parents[3]
GRPCURL = ROOT / ".cache/python/bin/grpcurl"


class Failed(Exception):
    """A command did. Says with which words."""


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode:
        raise Failed(f"{pathlib.Path(command[0]).name} {command[-1]}: {done.stderr.strip()}")
    return done.stdout


class Authority:
    """cert-manager, as far as the certificates of the manifests go."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=yinyom",
            "-keyout", directory / "ca.key", "-out", directory / "ca.crt")

    def issue(self, into, spec):
        names = [f"DNS:{name}" for name in spec.get("dnsNames", [])] + [f"URI:{uri}" for uri in spec.get("uris", [])]
        usages = ",".join({"server auth": "serverAuth", "client auth": "clientAuth"}[u] for u in spec["usages"] if "auth" in u)
        extensions = self.directory / "extensions"
        extensions.write_text(
            f"subjectAltName=critical,{','.join(names)}\nextendedKeyUsage={usages}\nkeyUsage=digitalSignature\n"
            "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n"
        )
        into.mkdir(parents=True)
        request = self.directory / "request"
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/",
            "-keyout", into / "tls.key", "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.directory / "ca.crt", "-CAkey", self.directory / "ca.key",
            "-CAcreateserial", "-extfile", extensions, "-out", into / "tls.crt")
        shutil.copy(self.directory / "ca.crt", into)


class Tokens:
    """Whoever issues them: ES256."""

    def __init__(self):
        self.key = ecdsa.SigningKey.generate(curve=ecdsa.NIST256p)

    @staticmethod
    def text(part):
        return base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=").decode()

    def jwks(self):
        point = self.key.verifying_key.to_string()
        key = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": self.text(point[:32]), "y": self.text(point[32:])}
        return json.dumps({"keys": [key]})

    def token(self, subject, **claims):
        payload = {"iss": ISSUER, "aud": "yinyom", "sub": subject, "exp": int(time.time()) + 600, **claims}
        signed = f"{self.text({'alg': 'ES256', 'kid': '1', 'typ': 'JWT'})}.{self.text(payload)}"
        return f"{signed}.{self.text(self.key.sign(signed.encode(), hashfunc=hashlib.sha256))}"


class Pod:
    """One, as its Deployment or Job says."""

    def __init__(self, workload, cluster, scratch):
        self.name = workload["metadata"]["name"]
        spec = workload["spec"]["template"]["spec"]
        self.container, self.security = spec["containers"][0], spec["securityContext"]
        self.grace = spec.get("terminationGracePeriodSeconds", 30)
        # A Job may be run again.
        number = len(list(scratch.glob("roots/*")))
        self.root, self.log = scratch / f"roots/{number}", scratch / f"{self.name}-{number}.log"
        shutil.copytree(scratch / "image", self.root, copy_function=os.link)
        # A runtime makes what volumes are mounted on, and a kubelet this file.
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost " + " ".join(sorted(cluster.names)) + "\n")
        run("mount", "--bind", self.root, self.root)
        volumes = {volume["name"]: cluster.volume(self.name, volume, self.security) for volume in spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            place = self.root / mount["mountPath"].lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            run("mount", "--bind", volumes[mount["name"]], place)
            if mount.get("readOnly"):
                run("mount", "-o", "remount,bind,ro", place)
        run("mount", "-o", "remount,bind,ro", self.root)
        self.environment = cluster.environment(self.container)
        self.address = f"127.0.1.{number + 1}"

    @property
    def port(self):
        return self.container["ports"][0]["containerPort"]

    def start(self):
        security = self.container["securityContext"]
        assert security == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        user = f"--userspec={self.security['runAsUser']}:{self.security['runAsGroup']}"
        # Lines about calls that went well are below the level that the manifests ask for.
        environment = self.environment | {"YINYOM_LOG": "info,yinyom_rpc=debug"}
        if health := environment.get("YINYOM_HEALTH_LISTEN"):
            environment["YINYOM_HEALTH_LISTEN"] = health.replace("0.0.0.0", self.address)
        command = ["setpriv", "--no-new-privs", "--bounding-set=-all,+sys_chroot,+setuid,+setgid", "chroot", user, "--groups=",
                   str(self.root), "/usr/bin/yinyom", *self.container["args"]]
        self.process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **environment},
                                        stdout=self.log.open("ab"), stderr=subprocess.STDOUT)

    def probe(self, kind):
        probe = self.container[kind]
        ask = probe["grpc"]
        health = self.environment["YINYOM_HEALTH_LISTEN"].rsplit(":", 1)
        assert ask["port"] == int(health[1]), "a probe asks at another port"
        # Pods share one loopback here, so each has an address of its own.
        command = [GRPCURL, "-plaintext", "-max-time", probe.get("timeoutSeconds", 1),
                   "-import-path", pathlib.Path(__file__).parent, "-proto", "health.proto", "-d", json.dumps({"service": ask.get("service", "")}), f"{self.address}:{ask['port']}", "grpc.health.v1.Health/Check"]
        try:
            return json.loads(run(*command))["status"] == "SERVING"
        except Failed:
            return False

    def wait(self):
        probe = self.container["startupProbe"]
        for _ in range(probe["failureThreshold"] * 10):
            if self.process.poll() is not None:
                self.fail("ended when it should start")
            if self.probe("startupProbe") and self.probe("readinessProbe") and self.probe("livenessProbe"):
                return
            time.sleep(probe["periodSeconds"] / 10)
        self.fail("did not start in time")

    def complete(self):
        """A Job, to its end. What it said."""
        self.start()
        if self.process.wait(120) != 0:
            self.fail("failed")
        return self.log.read_text()

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(self.grace - self.container["lifecycle"]["preStop"]["sleep"]["seconds"])
        except subprocess.TimeoutExpired:
            self.fail(f"did not end in {self.grace} s")
        if status != 0:
            self.fail(f"ended with status {status}")

    def fail(self, what):
        sys.exit(f"pods-test: {self.name} {what}:\n" + "\n".join(self.log.read_text().splitlines()[-20:]))


class Cluster:
    """What the manifests refer to, and the files of it."""

    def __init__(self, documents, scratch):
        self.documents, self.scratch, self.tokens = documents, scratch, Tokens()
        self.authority = Authority(scratch / "authority")
        self.deployments = [d for d in documents if d["kind"] == "Deployment"]
        certificates = [d["spec"] for d in documents if d["kind"] == "Certificate" and not d["spec"].get("isCA")]
        self.names = {name for spec in certificates for name in spec["dnsNames"]}
        for spec in certificates:
            self.authority.issue(scratch / "secrets" / spec["secretName"], spec)
        uri = certificates[0]["uris"][0].rsplit("/", 1)[0] + "/caller"
        self.authority.issue(scratch / "caller", {"uris": [uri], "usages": ["client auth"]})
        self.services = [deployment["metadata"]["name"] for deployment in self.deployments]
        for service in self.services:
            self.secret(f"{service}-keys", "master.key", secrets.token_bytes(32))
            self.secret(f"{service}-token", "token", self.tokens.token(service).encode())
        self.secret("consent-manager-ledger", "ledger.pem", run("openssl", "genpkey", "-algorithm", "ed25519").encode())
        for document in documents:
            if document["kind"] == "ConfigMap":
                for key, value in document["data"].items():
                    self.write("configs", document["metadata"]["name"], key, value.encode())
        self.write("configs", "yinyom-jwks", "jwks.json", self.tokens.jwks().encode())

    def secret(self, name, key, value):
        self.write("secrets", name, key, value)

    def write(self, kind, name, key, value):
        place = self.scratch / kind / name / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(value)

    def volume(self, pod, volume, security):
        match volume:
            case {"secret": {"secretName": name, "defaultMode": mode}}:
                place = self.scratch / "secrets" / name
            case {"secret": {"secretName": name}}:
                place, mode = self.scratch / "secrets" / name, 0o644
            case {"configMap": {"name": name}}:
                place, mode = self.scratch / "configs" / name, 0o644
            case {"emptyDir": _} | {"persistentVolumeClaim": _}:
                place, mode = self.scratch / "volumes" / pod / volume["name"], None
                place.mkdir(parents=True, exist_ok=True)
        # Group is who reads: fsGroup.
        os.chown(place, 0, security["fsGroup"])
        place.chmod(0o2775 if mode is None else 0o755)
        for file in place.iterdir():
            os.chown(file, -1, security["fsGroup"])
            if mode is not None:
                file.chmod(mode)
        return place

    def environment(self, container):
        told = {}
        for source in container.get("envFrom", []):
            name = source["configMapRef"]["name"]
            told |= next(d for d in self.documents if d["kind"] == "ConfigMap" and d["metadata"]["name"] == name)["data"]
        # Secrets come as files.
        return told | {variable["name"]: variable["value"] for variable in container["env"]}

    def call(self, pod, token, method, **request):
        """As somebody whose client certificate is good."""
        files = self.scratch / "caller"
        command = [GRPCURL, "-cacert", files / "ca.crt", "-cert", files / "tls.crt", "-key", files / "tls.key", "-max-time", "10",
                   "-authority", f"{pod.name}.yinyom.svc", "-d", json.dumps(request)]
        if token:
            command += ["-H", f"authorization: Bearer {token}"]
        return json.loads(run(*command, f"127.0.0.1:{pod.port}", method))
