"""A text stays a text, whoever reads the YAML: kubectl and compose are written in Go."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from borgpull.renderers.compose import render
from borgpull.renderers.kube.text import base, document
from borgpull.renderers.yamltext import dump
from tests.support.manifests import built
from tests.support.rendered import planned

# Clients, paths and names may be called so.
TEXTS = (
    *("1e3", "12e45", "-1e3", "1E+5", ".5", ".5e3", "5.", "089", "0123", "0o17", "0O17", "0x1F"),
    *("0X1F", "0b1", "0B1", "1_000", "0x_1f", "1:30", "2001-1-1", "2001-01-01", "2001-1-1T1:2:3Z"),
    *("y", "Y", "n", "N", "yes", "No", "ON", "true", "null", "~", "", ".inf", "-.INF", ".nan"),
    *("- a", "a: b", "a #b", "'", '"', "*a", "&a", "!a", "%a", "@a", "`a", "\u00e9"),
    *("\U0001f600", " a ", "a\\n", "x" * 300, "a b " * 60),
)


def test_kubectl_reads_each_text_as_it_is(tmp_path: Path) -> None:
    data = {f"k{number}": text for number, text in enumerate(TEXTS)}
    meta = {"name": "x", "labels": {"1e3": "1e3", "y": "y"}}
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
    (read,) = built(base({"x": document(found)}), tmp_path)
    assert (read["metadata"], read["data"]) == (meta, data)


def test_python_reads_the_same() -> None:
    found = {text: [text] for text in (*TEXTS, "=", "<<")}
    assert yaml.safe_load(dump(found)) == found


def test_what_is_plain_stays_plain() -> None:
    plain = ["web1", "/etc", "10Gi", "100m", "15s", "30 2 * * *", "root@web1:2222", "--keep-daily"]
    assert dump(plain) == "".join(f"- {text}\n" for text in plain)


@pytest.mark.parametrize("name", ["1e3", "089"])
def test_compose_gets_texts_too(name: str) -> None:
    (text,) = render(planned(["prune", name, "--keep-daily", "1"], name=name)).values()
    assert f"\n    - '{name}'\n" in text
    assert f"\n  '{name}':\n" in text
