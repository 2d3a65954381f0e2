"""`python3 -m borgpull.borg.inside.witness READ_FD WRITE_FD`: the manifest of an archive that
another program makes meanwhile.

A reader lists the client (`client/scripts/stream_read.py`, or one of `readers/`), and hashes some
of its files. The sums of others are taken over from an earlier manifest. Once the archive has its
name, its items are compared with that. This program is stock `borg list` with another end. Orders
are lines of JSON on standard input, and answers go to standard output:

    the client, the manifest, the sample     ->  listed
    the command line of a `borg list`        ->  missing: what the client had, and it does not have;
                                                 files with another content than was known
    which of these the client still has      ->  kept
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from borgpull.borg.inside import looking
from borgpull.borg.inside.book import Book, book
from borgpull.borg.inside.channel import Channel, Ended
from borgpull.borg.inside.listing import Listing
from borgpull.borg.inside.matching import Matching
from borgpull.borg.inside.sums import Sums
from borgpull.borg.inside.wire import BadFrame

HOSTILE, CUT = 200, 201  # exit codes that borg does not have
MAX_MISSING = 1000  # paths


def tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def told() -> dict[str, Any]:
    """The next order. The process ends if there is none."""
    text = sys.stdin.readline()
    if not text:
        raise SystemExit(0)
    found: dict[str, Any] = json.loads(text)
    return found


def main() -> None:
    """Does not return."""
    from borg import archiver  # type: ignore[import-not-found]

    channel, orders = Channel(int(sys.argv[1]), int(sys.argv[2])), told()
    no_sums = Sums(Path(os.devnull))
    with book(orders["manifest"], orders["roots"], no_sums) as made:
        assert made is not None
        listing = Listing(channel, made.manifest, orders)
        try:
            listing.run()
        except BadFrame as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(HOSTILE) from None
        except Ended as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(CUT) from None
        tell(listed=len(listing.seen))
        order = told()

        def judged(_self: Any, args: Any, repository: Any, manifest: Any, key: Any) -> int:
            archive = archiver.Archive(repository, key, manifest, args.location.archive)
            judge(archive, listing, made, order)
            return 0

        archiver.Archiver._list_archive = judged
        sys.argv = order["argv"]
        looking.begin(sys.argv)
        archiver.main()


def judge(archive: Any, listing: Listing, made: Book, order: dict[str, Any]) -> None:
    """Compare an archive with the listing, and keep the manifest. Raises ValueError, OSError."""
    if archive.id.hex() != order["id"]:
        raise ValueError(f"{archive.name} is another archive by now")
    matching = Matching(listing, order["changed"])
    for item in archive.iter_items():
        matching.item(item)
    missing = matching.missing()
    paths = made.paths(missing[:MAX_MISSING])
    sample = listing.sample
    tell(
        missing=[os.fsencode(path).hex() for path in paths.values()],
        differs=matching.differs,
        rotten=[path.hex() for path in sample.differs] if sample is not None else [],
    )
    there = {bytes.fromhex(path) for path in told()["there"]}
    left = {number for number, path in paths.items() if os.fsencode(path) in there}
    left |= {*missing[MAX_MISSING:]} if left else set()
    for record in matching.records(left):
        made.manifest.record(*record)
    if matching.outside:
        made.manifest.outside(matching.outside)
    made.keep(archive)
    tell(kept=True, carried=matching.carried)


if __name__ == "__main__":
    main()
