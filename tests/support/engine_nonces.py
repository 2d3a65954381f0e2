"""In a container of our image: the nonces of all that an engine has written, after checkpoints and
readings back. It prints them as JSON."""

from __future__ import annotations

import json
import random

from tests.support.engine_alone import (
    BASE,
    TOP,
    Engine,
    borg,
    bye,
    listed,
    row,
    stat,
    whole,
)
from tests.support.evil_helper import FILE, rows

# So many chunks are new that few are read back: hardly ever the last one.
FILES = 8000
_HEAD = 41  # bytes of an envelope before its ciphertext; the last 8 are the nonce
_BLOCK = 16


def nonces() -> list[tuple[int, int]]:
    """The first nonce of each object in the repository, and the one after its last."""
    from borg.repository import TAG_PUT, Repository  # type: ignore[import-not-found]

    found = []
    with Repository(f"{BASE}/repo", exclusive=True) as repository:
        for segment, _ in repository.io.segment_iterator():
            for tag, *_, data in repository.io.iter_objects(segment, include_data=True):
                if tag == TAG_PUT:
                    first = int.from_bytes(data[_HEAD - 8 : _HEAD], "big")
                    blocks = -(-(len(data) - _HEAD) // _BLOCK)
                    found.append((first, first + blocks))
    return sorted(found)


def main() -> None:
    dice = random.Random(2)
    sts = [stat(FILE, 400, ino=20 + number) for number in range(FILES)]
    names = [row(1, b"%d" % number, st) for number, st in enumerate(sts)]
    answers = [whole(number, st, dice.randbytes(400)) for number, st in enumerate(sts, 1)]
    half = FILES // 2
    frames: list[bytes | float] = [rows(TOP)]
    frames += [rows(*names[at : at + 200]) for at in range(0, FILES, 200)] + [listed(FILES + 1)]
    frames += [b"".join(answers[:half]), 2.0, *answers[half:], bye(FILES + 1, FILES)]
    code, _ = Engine("x", frames, "--checkpoint-interval", "1").end()
    print(json.dumps({"code": code, "nonces": nonces()}))


if __name__ == "__main__":
    BASE.mkdir()
    borg("init", "--encryption", "repokey-blake2")
    main()
