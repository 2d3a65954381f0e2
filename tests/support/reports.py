"""Drills to report: a good one, bad ones, and one that a hostile client has named the files of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from borgpull.outputs.drills import Checked, Coverage, Finding, Past, Reported, Share

GB = 10**9
BEGUN = datetime(2026, 11, 28, 4, 30, tzinfo=UTC)
CONTROLS = ("byte", "mode", "owner", "xattr", "missing", "extra")
# Each would break out of a report that does not look.
HOSTILE = (
    "/srv/<script>window.pwned=1</script>",
    "/srv/\"><img src=x onerror='window.pwned=1'>",
    "/srv/]]>&amp;<!--",
    "/srv/a|b\\|c`d``e*_~[x](http://x.test)\\",
    "/srv/www.example.test/@somebody #1 https://x.test",
    "/srv/line\n## heading\r\n| a | b |",
    "/srv/not utf-8 \udcff\udcfe",
    "/srv/bell\a escape\x1b[31m nul\0 end",
    "/srv/right to left \u202e gpj.exe \u2028 \ufffe \U000e0001",
    "/srv/" + "deep/" * 800,
)


def share(files: int, size: int) -> Share:
    return {"files": files, "bytes": size}


def check(name: str, outcome: str = "pass", detail: str = "", output: str = "") -> Checked:
    told: Any = {
        "name": name,
        "command": "nginx -t",
        "user": "root",
        "image": None,
        "outcome": outcome,
        "seconds": 0.41,
        "detail": detail,
        "output": output,
    }
    return cast("Checked", told)


def coverage(percent: float) -> Coverage:
    done = int(percent * GB), int(percent * 4120)
    return {
        "days": 90,
        "proved": share(done[1], done[0]),
        "all": share(412_000, 100 * GB),
        "oldest_unproved": None if percent >= 100 else "2026-09-30T22:14:00+00:00",
    }


def past(days: int, outcome: str = "pass", **more: Any) -> Past:
    size = (74 - days * 0.3) * GB
    told: Any = {
        "number": 61 - days,
        "when": (BEGUN - timedelta(days=days)).isoformat(),
        "outcome": outcome,
        "archive": f"web1-{(BEGUN - timedelta(days=days)).date()}T0215",
        "how": "local",
        "sample": None,
        "restore_seconds": 900 + 7 * (60 - days) + 90 * (days % 3),
        "restored": share(300_000, int(size)),
        "proved": share(299_000, int(size * 0.999)),
        "unproved": share(1000, int(size * 0.001)),
        "coverage": coverage(min(40 + (60 - days) * 1.1, 99.4)),
        **more,
    }
    return cast("Past", told)


def report(**more: Any) -> Reported:
    """A drill that passed."""
    told: Any = {
        "format": 1,
        "client": "web1",
        "number": 61,
        "outcome": "pass",
        "reasons": [],
        "when": BEGUN.isoformat(),
        "seconds": 1688.2,
        "chosen": "random:30d",
        "archive": "web1-2026-11-28T0215",
        "archive_id": "7d1f" * 16,
        "archive_time": "2026-11-28T02:15:07+00:00",
        "age": 8093.0,
        "how": "local",
        "sample": None,
        "restore_seconds": 1342.7,
        "entries": 431_882,
        "restored": share(412_000, 74 * GB),
        "proved": share(411_988, 73_920_000_000),
        "unproved": share(12, 80_000_000),
        "unproved_why": {"changed": 12},
        "differs": {},
        "findings": [],
        "notes": ["a socket is not in the archive (3)"],
        "control": [{"kind": kind, "seen": True, "path": f"/etc/{kind}.conf"} for kind in CONTROLS],
        "checks": [
            check("nginx config", output="nginx: configuration file /etc/nginx.conf test is ok\n"),
            check("database"),
        ],
        "limits": [
            {"name": "max_age", "limit": 93600, "value": 8093.0, "ok": True},
            {"name": "max_restore_time", "limit": 5400, "value": 1342.7, "ok": True},
        ],
        "isolated": True,
        "coverage": coverage(99.4),
        "manifest": 118,
        "versions": {"borgpull": "0.1.0", "borg": "1.4.1"},
        "history": [past(days) for days in range(30, 0, -1)],
        "signature": "",
        "public_key": "",
        **more,
    }
    return cast("Reported", told)


def findings(paths: tuple[str, ...]) -> list[Finding]:
    kinds = ("content", "mode", "owner", "missing", "xattr", "time")
    return [
        {
            "path": path,
            "kind": kinds[number % len(kinds)],
            "expected": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "found": path[-40:],
        }
        for number, path in enumerate(paths)
    ]


def hostile(**more: Any) -> Reported:
    """A drill that differs, whose texts are all of a hostile client."""
    ways = "\n".join(HOSTILE)
    return report(
        outcome="differs",
        reasons=[f"not as the client had it: {path}" for path in HOSTILE],
        archive=HOSTILE[0],
        chosen=HOSTILE[1],
        differs={"content": len(HOSTILE), HOSTILE[3]: 1},
        findings=findings(HOSTILE),
        unproved_why={HOSTILE[0]: 3},
        notes=list(HOSTILE),
        control=[{"kind": HOSTILE[1], "seen": False, "path": HOSTILE[2]}],
        checks=[
            check(path, outcome, path, ways)
            for path, outcome in zip(
                HOSTILE, ("differs", "could not verify", "pass", "error") * 3, strict=False
            )
        ],
        versions={"borgpull": HOSTILE[0], HOSTILE[3]: HOSTILE[1]},
        history=[past(2, archive=HOSTILE[0], sample=HOSTILE[4])],
        **more,
    )
