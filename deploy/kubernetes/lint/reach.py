"""Who reaches whom by the NetworkPolicies of an overlay: evaluated, so that one that opens too much is seen whatever it says."""

import ipaddress
from typing import NamedTuple

PORTS = (53, 443, 4317, 5432, 6443, 7071, 7072, 7073, 8000, 8080, 9464)


class Place(NamedTuple):
    """A pod by its labels and those of its namespace, or an address outside."""

    name: str
    labels: dict = {}
    namespace: dict = {}
    address: str = ""


def matches(selector, labels):
    if "matchExpressions" in selector:
        raise ValueError("matchExpressions are not understood here")
    return selector.get("matchLabels", {}).items() <= labels.items()


def is_peer(peer, place, own_namespace):
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        inside = lambda cidr: place.address and ipaddress.ip_address(place.address) in ipaddress.ip_network(cidr)
        return bool(inside(block["cidr"])) and not any(map(inside, block.get("except", [])))
    if place.address:
        return False
    if "namespaceSelector" in peer:
        in_namespace = matches(peer["namespaceSelector"], place.namespace)
    else:
        in_namespace = place.namespace == own_namespace
    return in_namespace and matches(peer.get("podSelector", {}), place.labels)


def is_open(policies, direction, own, other, port):
    """Whether any policy of `own` lets the traffic with `other` pass. Where none is about it, Kubernetes lets all pass."""
    kind, peers = {"egress": ("Egress", "to"), "ingress": ("Ingress", "from")}[direction]
    about = [p["spec"] for p in policies if kind in p["spec"]["policyTypes"] and matches(p["spec"]["podSelector"], own.labels)]
    if not about:
        return True
    for rule in (rule for spec in about for rule in spec.get(direction, [])):
        ports = rule.get("ports")
        if ports and not any(p.get("port") in (None, port) for p in ports):
            continue
        if not rule.get(peers) or any(is_peer(peer, other, own.namespace) for peer in rule[peers]):
            return True
    return False


def reached(policies, places, namespace):
    """Every (who, whom, port) that is open, but for what is outside at both ends."""
    inside = lambda place: place.namespace == namespace
    return {
        (source.name, target.name, port)
        for source in places for target in places for port in PORTS
        if source is not target and (inside(source) or inside(target))
        and (not inside(source) or is_open(policies, "egress", source, target, port))
        and (not inside(target) or is_open(policies, "ingress", target, source, port))
    }
