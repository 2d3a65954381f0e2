"""The ssh configuration of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from borgpull.ssh.config import has_aes

X86 = "processor\t: 0\nmodel name\t: an aes in a name\nflags\t\t: fpu {} sse2\n"
ARM = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd {} crc32\n"


@pytest.mark.parametrize("text", [X86, ARM])
def test_a_processor_with_aes(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text.format("aes"))
    assert has_aes(file)
    file.write_text(text.format("vaes"))
    assert not has_aes(file)
    assert not has_aes(tmp_path / "missing")
