"""Rules for one object: its names, and what is in it beside pods."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any

from tests.support.kubechecks.forms import (
    Found,
    is_key,
    is_label,
    is_subdomain,
    is_value,
    quantity,
)

MODES = {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"}
PROTOCOLS = {"TCP", "UDP", "SCTP"}
MOST_NOTES, MOST_DATA = 256 * 1024, 1024 * 1024


def names(document: dict[str, Any]) -> Found:
    name = document["metadata"]["name"]
    if not is_subdomain(name):
        yield f"no name of an object: {name!r}"
    if document["kind"] == "CronJob" and len(name) > 52:
        yield f"a CronJob's name has at most 52 characters, not {len(name)}"
    if document["kind"] == "Service" and not (is_label(name) and name[0].isalpha()):
        yield f"no name of a Service: {name!r}"


def metadata(document: dict[str, Any]) -> Found:
    """Labels and annotations, wherever in the object they are."""
    for found in _metadata(document):
        for key, value in found.get("labels", {}).items():
            if not (is_key(key) and is_value(value)):
                yield f"no label: {key}: {value!r}"
        notes = found.get("annotations", {})
        for key, value in notes.items():
            if not (is_key(key) and isinstance(value, str)):
                yield f"no annotation: {key}: {value!r}"
        if len(json.dumps(notes)) > MOST_NOTES:
            yield "annotations are longer than 256 KiB"


def _metadata(node: Any) -> list[dict[str, Any]]:
    if not isinstance(node, dict):
        return []
    own = [node["metadata"]] if isinstance(node.get("metadata"), dict) else []
    return own + [
        one for key, child in node.items() if key != "metadata" for one in _metadata(child)
    ]


def claims(document: dict[str, Any]) -> Found:
    if document["kind"] != "PersistentVolumeClaim":
        return
    spec = document["spec"]
    modes = spec.get("accessModes", [])
    if not modes or set(modes) - MODES:
        yield f"no access modes: {modes}"
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield "ReadWriteOncePod goes with no other mode"
    size = quantity(spec["resources"]["requests"].get("storage"))
    if not size or size < 1024**2:
        yield f"no size of a volume: {spec['resources']['requests']}"
    if not is_subdomain(spec.get("storageClassName", "x")):
        yield f"no storage class: {spec['storageClassName']!r}"


def policies(document: dict[str, Any]) -> Found:
    if document["kind"] != "NetworkPolicy":
        return
    spec = document["spec"]
    if not spec["podSelector"].get("matchLabels"):
        yield "the policy is for all pods of the namespace"
    kinds = spec.get("policyTypes", [])
    if sorted(kinds) != ["Egress", "Ingress"]:
        yield f"policyTypes are {kinds}: one way is open, or no way is known"
    for way, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(way, []):
            if not rule.get("ports"):
                yield f"{way} is open on all ports"
            yield from _ports(rule.get("ports", []), "port")
            for peer in rule.get(peers, []):
                yield from _network(peer.get("ipBlock", {}))


def _network(block: dict[str, Any]) -> Found:
    if "cidr" in block:
        try:
            ipaddress.ip_network(block["cidr"])
        except ValueError as error:
            yield str(error)


def _ports(ports: list[dict[str, Any]], *keys: str) -> Found:
    for port in ports:
        if port.get("protocol", "TCP") not in PROTOCOLS:
            yield f"no protocol: {port['protocol']!r}"
        for key in keys:
            if not (isinstance(port.get(key), int) and 0 < port[key] < 65536):
                yield f"no {key}: {port.get(key)!r}"


def services(document: dict[str, Any]) -> Found:
    if document["kind"] != "Service":
        return
    spec = document["spec"]
    if spec.get("type") not in ("ClusterIP", "NodePort", "LoadBalancer"):
        yield f"no type of a Service: {spec.get('type')!r}"
    yield from _ports(spec["ports"], "port", "targetPort")
    for port in spec["ports"]:
        if spec.get("type") == "NodePort" and not 30000 <= port.get("nodePort", 0) <= 32767:
            yield f"no port of a node: {port.get('nodePort')}"


def data(document: dict[str, Any]) -> Found:
    if document["kind"] == "Secret":
        yield "a Secret has no place in files"
    if document["kind"] == "ConfigMap":
        for key in document["data"]:
            if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key):
                yield f"no key: {key!r}"
        if len(json.dumps(document["data"])) > MOST_DATA:
            yield "a ConfigMap holds at most 1 MiB"


def accounts(document: dict[str, Any]) -> Found:
    if document["kind"] == "ServiceAccount":
        if document.get("automountServiceAccountToken") is not False:
            yield "the account's token gets into pods"
    elif document["kind"].endswith(("Role", "RoleBinding")):
        yield "the account has no need of rights"


RULES = (names, metadata, claims, policies, services, data, accounts)
