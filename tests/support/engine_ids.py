"""In a container of our image: ids of chunks and what is encrypted, by borg and by us, as JSON."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

from borgpull.borg.inside import blake2, sodium
from borgpull.borg.inside.blake2 import ENOUGH, HASHES, WORTH
from borgpull.borg.inside.idhash import id_hash_of
from borgpull.borg.inside.sending import read

SIZES = (0, 1, 127, 128, 129, WORTH - 1, WORTH, 5000, 3 << 20)


def main() -> None:
    from borg.crypto import key, low_level  # type: ignore[import-not-found]

    dice = random.Random(1)
    texts = [dice.randbytes(size) for size in SIZES]
    cipher = low_level.AES256_CTR_BLAKE2b(dice.randbytes(128), dice.randbytes(32))

    def encrypted() -> list[bytes]:
        return [cipher.encrypt(text, header=b"\4", iv=bytes(16)) for text in texts]

    stock, keys = encrypted(), dict[str, Any]()
    for kind in ("RepoKey", "KeyfileKey", "Blake2RepoKey", "Blake2AuthenticatedKey"):
        keys[kind] = getattr(key, kind)(None)
        keys[kind].init_from_random_data()
    keys["PlaintextKey"] = key.PlaintextKey(None)
    ids = {kind: [one.id_hash(text) for text in texts] for kind, one in keys.items()}

    def compared() -> list[bool]:
        found = [encrypted() == stock, [cipher.decrypt(text) for text in stock] == texts]
        for kind, one in keys.items():
            mine = id_hash_of(one)
            found += [[mine(text) for text in texts] == ids[kind]]
            found += [[one.id_hash(text) for text in texts] == ids[kind]]
            if one is not keys["PlaintextKey"]:
                found += [[mine(memoryview(text)) for text in texts] == ids[kind]]
        return found

    HASHES._left = 1 << 40  # it is Python's turn
    found = {"by Python": compared()}
    HASHES._left = ENOUGH
    blake2.use()
    setattr(sodium, "is_faster", lambda *_: True)  # noqa: B010 - whatever processor this is
    # A restore reads as many bytes.
    chunks = [SimpleNamespace(id=number, size=ENOUGH // 4) for number in range(4)]
    fetched = SimpleNamespace(fetch_many=lambda *_, **__: iter([bytes(ENOUGH // 4)] * 4))
    assert len(list(read(SimpleNamespace(pipeline=fetched), chunks))) == len(chunks)
    found["is loaded"] = [HASHES.library is not None]
    found["by the library"] = compared()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
