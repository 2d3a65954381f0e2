"""In a container of our image: ids of chunks by our function, and by borg's, as JSON."""

from __future__ import annotations

import json
import random

from borgpull.borg.inside.idhash import id_hash_of


def main() -> None:
    from borg.crypto import key  # type: ignore[import-not-found]

    dice = random.Random(1)
    texts = [dice.randbytes(size) for size in (0, 1, 127, 128, 129, 5000, 3 << 20)]
    found = {}
    for kind in ("RepoKey", "KeyfileKey", "Blake2RepoKey", "Blake2AuthenticatedKey"):
        one = getattr(key, kind)(None)
        one.init_from_random_data()
        mine = id_hash_of(one)
        found[kind] = [one.id_hash(text) == mine(text) for text in texts]
        found[kind].append(one.id_hash(bytes(9)) == mine(memoryview(bytes(9))))
    plain = key.PlaintextKey(None)
    found["PlaintextKey"] = [plain.id_hash(text) == id_hash_of(plain)(text) for text in texts]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
