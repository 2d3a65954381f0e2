"""Pinning host keys: what several do at a time is all there afterwards."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from borgpull.addresses import Target
from borgpull.ssh import hostkeys


def test_nobody_writes_over_anothers_key(tmp_path: Path) -> None:
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
    subprocess.run(keygen, check=True, timeout=30)
    key = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    known = tmp_path / "state" / "known_hosts"

    def pin(number: int) -> None:
        line = f"host{number} {key}"
        hostkeys.pin(Target(host=f"host{number}"), [line], known, replace=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pin, range(24)))
    assert sorted(known.read_text().split("\n")[:-1]) == sorted(f"host{n} {key}" for n in range(24))
    assert [path.name for path in known.parent.iterdir()] == ["known_hosts"]
