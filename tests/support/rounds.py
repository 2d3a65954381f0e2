"""How often a test does what it does: few times by `make test`, many by `make soak`.

BORGPULL_TEST_ROUNDS is `few`, `many`, or a number for all such tests.
"""

from __future__ import annotations

import os

VARIABLE = "BORGPULL_TEST_ROUNDS"


def rounds(*, few: int, many: int) -> int:
    """Raises ValueError for what is neither a number of one at least nor one of the two words."""
    said = os.environ.get(VARIABLE) or "few"
    number = {"few": few, "many": many}.get(said) or int(said)
    if number < 1:
        raise ValueError(f"{VARIABLE}={said} is less than one round")
    return number
