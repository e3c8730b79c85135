"""What no schema says of the manifests: that they fit each other, the program, the caller table, the rules and the docs.

    check.py RENDERED.yaml…     checks overlays, and leaves what Kubernetes itself defines in RENDERED-core.yaml
    check.py --texts            checks rules, their tests, the dashboard and the docs
    check.py --rule             prints the PrometheusRule of deploy/prometheus/rules.yaml
    check.py --queries          prints what the dashboard and the autoscaler ask, as rules that promtool can check
"""

import itertools
import json
import pathlib
import re
import sys

import jsonschema
import yaml
from reach import PORTS, Place, is_open, reached

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
SERVICES = {"consent-settings": 7071, "contact-directory": 7072, "consent-manager": 7073}
PACKAGES = {"yinyom.settings.": "consent-settings", "yinyom.directory.": "contact-directory", "yinyom.manager.": "consent-manager"}
# The design's, and no others.
ARROWS = {
    ("contact-directory", "consent-settings"),
    ("contact-directory", "consent-manager"),
    ("consent-settings", "consent-manager"),
    ("consent-manager", "consent-settings"),
}
METRICS = {
    "rpc_server_call_duration_seconds", "yinyom_values_masked_total", "yinyom_values_revealed_total",
    "yinyom_policy_lease_age_seconds", "yinyom_outbox_backlog", "yinyom_outbox_oldest_age_seconds",
    "yinyom_outbox_quarantined_streams", "yinyom_ledger_append_duration_seconds", "yinyom_ledger_lag_seconds",
    "yinyom_calls_shed_total",
}

problems = []


def problem(text):
    problems.append(text)


def name_of(document):
    return f"{document['kind']} {document['metadata']['name']}"


def variables():
    """Every variable that a flag has."""
    sources = [*ROOT.glob("services/*/src/**/*.rs"), *ROOT.glob("shared/*/src/**/*.rs")]
    return {name for source in sources for name in re.findall(r'env = "(YINYOM_\w+)"', source.read_text())}


def instruments():
    """Every name that something is measured by, as Prometheus has it but for unit and `total`."""
    sources = [*ROOT.glob("services/*/src/**/*.rs"), *ROOT.glob("shared/*/src/**/*.rs")]
    return {name.replace(".", "_") for source in sources for name in re.findall(r'"((?:rpc|yinyom)\.[a-z_.]+)"', source.read_text())}


class Overlay:
    def __init__(self, documents):
        self.documents = documents
        self.workloads = self.of("Deployment") + self.of("Job")

    def of(self, kind):
        return [document for document in self.documents if document["kind"] == kind]

    def named(self, kind, name):
        return next((d for d in self.of(kind) if re.fullmatch(f"{name}(-[a-z0-9]{{10}})?", d["metadata"]["name"])), None)

    def environment(self, workload):
        """What the container is told, by itself and by its ConfigMaps. None stands for a secret."""
        container = workload["spec"]["template"]["spec"]["containers"][0]
        told = {}
        for source in container.get("envFrom", []):
            config = next((c for c in self.of("ConfigMap") if c["metadata"]["name"] == source["configMapRef"]["name"]), None)
            if config is None:
                problem(f"{name_of(workload)}: there is no ConfigMap {source['configMapRef']['name']}")
                continue
            told |= config["data"]
        return told | {variable["name"]: variable.get("value") for variable in container.get("env", [])}

    def custom_resources(self, schemas):
        """Checks what has a schema here; gives the rest."""
        core = []
        for document in self.documents:
            group = document["apiVersion"]
            if "." not in group.split("/")[0] or ".k8s.io/" in group:
                core.append(document)
                continue
            schema = schemas.get(f"{group}/{document['kind']}")
            if schema is None:
                problem(f"{name_of(document)}: no schema of {group}/{document['kind']} in schemas.yaml")
                continue
            for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
                problem(f"{name_of(document)}: {'.'.join(map(str, error.absolute_path))}: {error.message}")
        return core

    def program(self):
        known = variables()
        for workload in self.workloads:
            for variable in self.environment(workload):
                if variable.startswith("YINYOM_") and variable not in known:
                    problem(f"{name_of(workload)}: no flag has the variable {variable}")
            pod = workload["spec"]["template"]["spec"]
            mounts = [mount["mountPath"] for mount in pod["containers"][0].get("volumeMounts", [])]
            for variable, value in self.environment(workload).items():
                if value and value.startswith("/") and not any(value.startswith(mount + "/") for mount in mounts):
                    problem(f"{name_of(workload)}: {variable} is {value}, where nothing is mounted")

    def life(self):
        """The kubelet waits for longer than the process can take."""
        config = (ROOT / "shared/rpc/src/config.rs").read_text()
        drain = int(re.search(r"drain_limit: Duration::from_secs\((\d+)\)", config)[1])
        last_words_and_spans = 1 + 5
        for deployment in self.of("Deployment"):
            pod = deployment["spec"]["template"]["spec"]
            before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            least = before + drain + last_words_and_spans
            if pod["terminationGracePeriodSeconds"] < least + 10:
                problem(f"{name_of(deployment)}: its end may take {least} s, and it is given {pod['terminationGracePeriodSeconds']}")

    def services(self):
        for deployment in self.of("Deployment"):
            name = deployment["metadata"]["name"]
            service = self.named("Service", name)
            told, port = self.environment(deployment), SERVICES[name]
            if service is None or service["spec"].get("clusterIP") != "None" or service["spec"]["ports"][0]["port"] != port:
                problem(f"{name}: its Service must be headless, on {port}")
            labels = deployment["spec"]["template"]["metadata"]["labels"]
            if service and not service["spec"]["selector"].items() <= labels.items():
                problem(f"{name}: its Service selects other pods")
            if told["YINYOM_LISTEN"] != f"0.0.0.0:{port}":
                problem(f"{name}: it listens on {told['YINYOM_LISTEN']}, and its Service is on {port}")

    def endpoints(self):
        """Who is told where whom is."""
        arrows = set()
        for deployment in self.of("Deployment"):
            for variable, value in self.environment(deployment).items():
                if variable.endswith("_ENDPOINT") and variable != "YINYOM_OTLP_ENDPOINT":
                    host, port = re.fullmatch(r"https://([a-z.-]+):(\d+)", value).groups()
                    callee = host.split(".")[0]
                    arrows.add((deployment["metadata"]["name"], callee))
                    if SERVICES.get(callee) != int(port):
                        problem(f"{name_of(deployment)}: {variable} is {value}")
        return arrows

    def places(self):
        """The pods, and whom there is beside them to talk to."""
        own = {"kubernetes.io/metadata.name": self.of("Deployment")[0]["metadata"]["namespace"]}
        callers = {"kubernetes.io/metadata.name": "crm", "yinyom.dev/callers": "true"}
        places = [Place(d["metadata"]["name"], d["spec"]["template"]["metadata"]["labels"], own) for d in self.of("Deployment")]
        places += [Place(f"caller of {s}", {f"yinyom.dev/calls-{s}": "true"}, callers) for s in SERVICES]
        places += [Place(c["metadata"]["name"], {"cnpg.io/cluster": c["metadata"]["name"]}, own) for c in self.of("Cluster")]
        named = lambda namespace: {"kubernetes.io/metadata.name": namespace}
        return own, places + [
            Place("nobody's label", {}, callers),
            Place("nobody's namespace", {f"yinyom.dev/calls-{s}": "true" for s in SERVICES}, named("elsewhere")),
            Place("a pod beside them", {}, own),
            Place("names", {"k8s-app": "kube-dns"}, named("kube-system")),
            Place("collector", {"app.kubernetes.io/name": "opentelemetry-collector"}, named("observability")),
            Place("beside the collector", {}, named("observability")),
            Place("prometheus", {"app.kubernetes.io/name": "prometheus"}, named("monitoring")),
            Place("operator of databases", {"app.kubernetes.io/name": "cloudnative-pg"}, named("cnpg-system")),
            Place("database outside", address="192.0.2.10"),
            Place("anywhere", address="198.51.100.1"),
        ]

    def reach(self):
        """Who reaches whom, against who should."""
        own, places = self.places()
        clusters = [cluster["metadata"]["name"] for cluster in self.of("Cluster")]
        pods = [place.name for place in places if place.namespace == own]
        expected = {(caller, callee, SERVICES[callee]) for caller, callee in ARROWS}
        expected |= {(f"caller of {service}", service, port) for service, port in SERVICES.items()}
        expected |= {(pod, "names", 53) for pod in pods} | {(service, "collector", 4317) for service in SERVICES}
        if self.of("PodMonitor"):
            expected |= {("prometheus", service, 9464) for service in SERVICES}
        for cluster in clusters:
            expected.add((cluster.removesuffix("-database"), cluster, 5432))
            expected |= {("operator of databases", cluster, port) for port in (5432, 8000)}
            # The API server, whose address no label knows.
            outside = [place.name for place in places if place.namespace != own]
            expected |= {(cluster, place, port) for place in outside for port in (443, 6443)}
        if self.named("NetworkPolicy", "database"):
            expected |= {(service, "database outside", 5432) for service in SERVICES}
        found = reached(self.of("NetworkPolicy"), places, own)
        for who, whom, port in sorted(found ^ expected):
            verb = "reaches" if (who, whom, port) in found else "does not reach"
            problem(f"policies: {who} {verb} {whom}, port {port}")
        # A door that is open on one side opens with the next mistake on the other.
        policies, services = self.of("NetworkPolicy"), [place for place in places if place.name in SERVICES]
        for source, target, port in itertools.product(services, services, PORTS):
            out = is_open(policies, "egress", source, target, port)
            if source != target and out != is_open(policies, "ingress", target, source, port):
                problem(f"policies: {source.name} → {target.name}, port {port}, is open on one side")

    def network(self, callers):
        table = {
            (service["name"], callee)
            for service in callers["services"] if service["name"] in SERVICES
            for rpc in service["rpcs"]
            for package, callee in PACKAGES.items() if rpc.startswith("/" + package)
        }
        for view, arrows in {"the endpoints": self.endpoints(), "the caller table": table}.items():
            for caller, callee in sorted(arrows ^ ARROWS):
                there = "has" if (caller, callee) in arrows else "lacks"
                problem(f"{view}: {there} {caller} → {callee}")

    def certificates(self, callers):
        listed = {service["name"]: service.get("spiffe_ids", []) for service in callers["services"]}
        namespace = self.of("Deployment")[0]["metadata"]["namespace"]
        for service in SERVICES:
            if len(listed.get(service, [])) != 1 or not listed[service][0].endswith(f"/ns/{namespace}/sa/{service}"):
                problem(f"callers.json: {service} must come from its own workload alone")
        hosts = {
            re.match(r"https://([^:]+)", value)[1]
            for deployment in self.of("Deployment")
            for variable, value in self.environment(deployment).items() if variable.endswith(("SETTINGS_ENDPOINT", "MANAGER_ENDPOINT"))
        }
        for certificate in self.of("Certificate"):
            service, spec = certificate["metadata"]["name"], certificate["spec"]
            if service not in SERVICES:
                continue
            if spec.get("uris") != listed.get(service):
                problem(f"{name_of(certificate)}: {spec.get('uris')} is not what the caller table has, {listed.get(service)}")
            if spec["secretName"] != f"{service}-tls":
                problem(f"{name_of(certificate)}: its secret is {spec['secretName']}")
            for host in hosts:
                if host.split(".")[0] == service and host not in spec["dnsNames"]:
                    problem(f"{name_of(certificate)}: is not good for {host}")

    def references(self):
        """Secrets are made by hand or by a component, and never here; the docs name each."""
        docs = (DEPLOY / "README.md").read_text()
        if self.of("Secret"):
            problem("a secret is in a manifest")
        for workload in self.workloads:
            pod = workload["spec"]["template"]["spec"]
            names = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
            names |= {v["valueFrom"]["secretKeyRef"]["name"] for v in pod["containers"][0]["env"] if "valueFrom" in v}
            for name in names:
                plain = re.sub("^(" + "|".join(SERVICES) + ")-", "SERVICE-", name)
                if f"`{plain}`" not in docs and f"`{name}`" not in docs:
                    problem(f"deploy/README.md does not say how to make the secret {name}")

    def exceptions(self):
        for document in self.documents:
            for key, value in document["metadata"].get("annotations", {}).items():
                if key.startswith("checkov.io/skip") and not re.fullmatch(r"CKV2?_K8S_\d+=.{30,}", value, re.DOTALL):
                    problem(f"{name_of(document)}: {key} does not say why")

    def rule(self):
        for rule in self.of("PrometheusRule"):
            if rule != prometheus_rule(rule["metadata"].get("labels")):
                problem("prometheus-rule.yaml is not deploy/prometheus/rules.yaml: run deploy/lint-kubernetes rule")


def prometheus_rule(labels=None):
    metadata = {"name": "yinyom", "namespace": "yinyom"} | ({"labels": labels} if labels else {})
    spec = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata, "spec": spec}


def queries():
    dashboard = json.loads((DEPLOY / "grafana/yinyom.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    adapter = yaml.safe_load((DEPLOY / "kubernetes/components/autoscaling/prometheus-adapter.yaml").read_text())
    placeholders = {"<<.GroupBy>>": "pod", "<<.LabelMatchers>>": 'pod="a"'}
    for rule in adapter["rules"]["custom"]:
        asked.append(rule["seriesQuery"])
        query = rule["metricsQuery"].replace("<<.Series>>", rule["seriesQuery"].split("{")[0])
        asked.append(re.sub("<<.*?>>", lambda found: placeholders[found[0]], query))
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(asked)]
    return {"groups": [{"name": "queries", "rules": rules}]}


def check_overlay(rendered):
    overlay = Overlay([document for document in yaml.safe_load_all(rendered.read_text()) if document])
    schemas = yaml.safe_load((pathlib.Path(__file__).parent / "schemas.yaml").read_text())
    rest = overlay.custom_resources(schemas)
    rendered.with_name(f"{rendered.stem}-core.yaml").write_text(yaml.safe_dump_all(rest))
    overlay.program()
    overlay.references()
    overlay.exceptions()
    overlay.rule()
    if overlay.of("Deployment"):
        callers = json.loads(overlay.named("ConfigMap", "yinyom-callers")["data"]["callers.json"])
        overlay.life()
        overlay.services()
        overlay.network(callers)
        overlay.reach()
        overlay.certificates(callers)


def check_texts():
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
    rules = [rule for group in rules["groups"] for rule in group["rules"]]
    docs = (DEPLOY / "README.md").read_text()
    headings = {line.lstrip("# ").strip().lower() for line in docs.splitlines() if line.startswith("#")}
    tests = [case for file in (DEPLOY / "prometheus").glob("*_test.yaml") for case in yaml.safe_load(file.read_text())["tests"]]
    tests = [case for test in tests for case in test.get("alert_rule_test", [])]
    for rule in rules:
        if "alert" not in rule:
            continue
        name = rule["alert"]
        if rule["annotations"].get("runbook_url") != f"deploy/README.md#{name.lower()}" or name.lower() not in headings:
            problem(f"{name}: has no part in deploy/README.md")
        if rule["labels"].get("severity") not in {"page", "ticket"}:
            problem(f"{name}: says of nobody whether to wake them")
        if not any(case["alertname"] == name and case.get("exp_alerts") for case in tests):
            problem(f"{name}: no test raises it")
    dashboard = json.loads((DEPLOY / "grafana/yinyom.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    for expression in expressions + [rule["expr"] for rule in rules]:
        for metric in re.findall(r"\b(?:rpc|yinyom)_[a-z0-9_]+\b(?=[{\[) ]|$)", expression):
            if re.sub("_(bucket|count|sum)$", "", metric) not in METRICS and metric not in {"rpc_method", "rpc_response_status_code"}:
                problem(f"nobody has agreed on the metric {metric}")
        for record in re.findall(r"\byinyom:[a-z0-9_:]+", expression):
            if record not in recorded:
                problem(f"no rule records {record}")
    measured = instruments()
    for metric in METRICS:
        if re.sub("_(total|seconds)$", "", metric) not in measured:
            problem(f"nothing is measured by the name of {metric}")
        if not any(metric in expression for expression in expressions):
            problem(f"the dashboard does not show {metric}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--texts"]:
            check_texts()
        case ["--rule"]:
            print("# Made from deploy/prometheus/rules.yaml by `deploy/lint-kubernetes rule`.")
            print(yaml.safe_dump(prometheus_rule(), sort_keys=False, width=120), end="")
        case ["--queries"]:
            print(yaml.safe_dump(queries()))
        case []:
            sys.exit(__doc__)
        case paths:
            for path in map(pathlib.Path, paths):
                before, problems = problems, []
                check_overlay(path)
                problems = before + [f"{path.stem}: {text}" for text in problems]
    for line in problems:
        print(f"check: {line}", file=sys.stderr)
    sys.exit(bool(problems))
