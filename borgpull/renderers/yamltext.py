"""YAML that all readers take for the same: those of YAML 1.1, of 1.2, and Go's."""

from __future__ import annotations

import re
from typing import Any

import yaml

# PyYAML quotes what it would take for a number, a time or a truth itself. Readers in Go take more
# for one, as `1e3` and `089`; older ones take `y` for a truth.
_NO_TEXT_ELSEWHERE = re.compile(r"[-+]?\.?[0-9][0-9a-fobxtz_.:+-]*|[yn]", re.IGNORECASE)
_TEXT = "tag:yaml.org,2002:str"


class _Dumper(yaml.CSafeDumper):
    """Writes an object out wherever it stands: a reader knows no anchors."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "'" if _NO_TEXT_ELSEWHERE.fullmatch(text) else None
    return dumper.represent_scalar(_TEXT, text, style=style)


_Dumper.add_representer(str, _text)


def dump(found: Any) -> str:
    """The same bytes each time, in ASCII, with keys as they come."""
    text: str = yaml.dump(found, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=False)
    return text
