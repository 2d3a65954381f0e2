"""`python3 -m borgpull.borg.inside.stream READ_FD WRITE_FD`: `borg create` of a tree that a helper
on the client reads (`client/scripts/stream_read.py`).

It loads borg's code, and waits for its orders: a line of JSON on standard input, with the command
line of a `borg create`, the roots of the listing, the named paths, and what the reader can do. All
but the reading is stock borg: its options, locks, cache, keys, messages, exit codes. When all has
come, it says so by a line `borgpull_read` on standard error. Then the archive waits for its name: a
line of JSON. Without one, nothing is saved. A line `borgpull_saved` has the archive's row in the
repository's list.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from borgpull.borg.inside import filescache, sums
from borgpull.borg.inside.answers import Run
from borgpull.borg.inside.channel import Channel, Ended
from borgpull.borg.inside.content import Chunks
from borgpull.borg.inside.known import Known
from borgpull.borg.inside.manifest import book
from borgpull.borg.inside.places import Places, Wanted
from borgpull.borg.inside.promise import Promise
from borgpull.borg.inside.rate import Rate
from borgpull.borg.inside.reread import Reread
from borgpull.borg.inside.sums import Sums
from borgpull.borg.inside.tell import Teller
from borgpull.borg.inside.wire import BadFrame

# The borg whose insides this program knows. Another one must be tried first.
BORG = "1.4.5"
# Exit codes that borg does not have.
HOSTILE, CUT, OTHER_BORG = 200, 201, 202
READ_LINE, SAVED_LINE = "borgpull_read", "borgpull_saved"
SKIPPED_LINE = "borgpull_skipped"


def main() -> None:
    """Does not return."""
    import borg  # type: ignore[import-not-found]
    from borg import archiver
    from borg.helpers import Error  # type: ignore[import-not-found]

    class HostileClient(Error):  # type: ignore[misc]
        """{}"""

        exit_mcode = HOSTILE

    class StreamCut(Error):  # type: ignore[misc]
        """{}"""

        exit_mcode = CUT

    class OtherBorg(Error):  # type: ignore[misc]
        """stream knows borg {}, and this is borg {}"""

        exit_mcode = OTHER_BORG

    channel = Channel(int(sys.argv[1]), int(sys.argv[2]))
    control = taken_input()
    # borg tests itself at its start, for as long as it takes to load. The client is not there yet.
    archiver.selftest(logging.getLogger("borg.selftest"))  # ends this process if it fails
    archiver.selftest = lambda _logger: None
    text = control.readline()
    if not text:
        return
    orders = json.loads(text)

    def do_create(self: Any, args: Any, repository: Any, **parts: Any) -> None:
        if borg.__version__ != BORG:
            raise OtherBorg(BORG, borg.__version__)
        try:
            create(self, args, repository, channel, orders, control, **parts)
        except BadFrame as error:
            raise HostileClient(str(error)) from None
        except Ended as error:
            raise StreamCut(str(error)) from None

    operation = (archiver.Manifest.Operation.WRITE,)
    archiver.Archiver.do_create = archiver.with_repository(
        fake="dry_run", exclusive=True, compatibility=operation
    )(do_create)
    os.chdir("/")  # paths are relative to it, as in archives of the other methods
    sys.argv = orders["argv"]
    archiver.main()


def taken_input() -> TextIO:
    """The standard input. borg finds nothing there from now on: it may have questions."""
    control = open(os.dup(0), encoding="utf-8")  # noqa: SIM115 - as long as this process
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return control


def create(
    archiver: Any,
    args: Any,
    repository: Any,
    channel: Channel,
    orders: dict[str, Any],
    control: TextIO,
    manifest: Any = None,
    key: Any = None,
) -> None:
    """As borg's do_create (borg 1.4.5, archiver.py). Raises BadFrame, Ended, borg's errors."""
    from borg.cache import Cache  # type: ignore[import-not-found]

    archiver.output_filter, archiver.output_list = args.output_filter, args.output_list
    teller, promise = Teller(archiver), Promise(orders["named"])
    places = Places(orders["roots"], wanted(args.patterns))
    channel.rate = Rate(orders["rate"]) if orders["rate"] else None
    if args.dry_run:
        run = Run(channel, places, promise, teller, None)
        run.may_skip = orders["may_skip"]
        run.run()
        tell_skipped(teller, run)
        return
    filescache.use()
    with contextlib.ExitStack() as stack:
        options = {"progress": args.progress, "lock_wait": archiver.lock_wait, "iec": args.iec}
        options["cache_mode"] = args.files_cache_mode
        cache = stack.enter_context(Cache(repository, key, manifest, **options))
        known = Known(cache, Sums(Path(cache.path) / sums.NAME))
        made = stack.enter_context(book(orders["manifest"], orders["roots"], known.sums))
        archive = new_archive(args, repository, key, manifest, cache)
        saving = (archive, cache, Chunks(archive, key, cache, args, known.sums))
        run = Run(channel, places, promise, teller, saving)
        run.asked.known = known if orders["compares"] else None
        run.reread = rereading(orders["reread"], known.sums)
        run.manifest = made.manifest if made else None
        run.may_skip = orders["may_skip"]
        run.fields.ctimes, run.fields.by_name = not args.noctime, not args.numeric_ids
        run.run()
        if args.progress:
            archive.stats.show_progress(final=True)
        tell_skipped(teller, run)
        teller.line(report(archive, run, promise, channel))
        archive.name, verified = name_of_archive(control)
        archive.save(comment=args.comment, timestamp=args.timestamp)
        teller.line({"type": SAVED_LINE, **row(archive.name, repository, key)})
        known.save()
        if made is not None and verified:
            made.keep(archive)
        archiver.print_archive_stats(manifest, cache, archive, output_json=True, quick_stats=True)


def tell_skipped(teller: Teller, run: Run) -> None:
    for part in run.skipped.parts():
        teller.line({"type": SKIPPED_LINE, **asdict(part)})


def new_archive(args: Any, repository: Any, key: Any, manifest: Any, cache: Any) -> Any:
    """As borg's do_create makes it. Raises borg's errors."""
    from borg.archive import Archive  # type: ignore[import-not-found]
    from borg.helpers import utcnow

    return Archive(
        *(repository, key, manifest, args.location.archive),
        cache=cache,
        create=True,
        checkpoint_interval=args.checkpoint_interval,
        progress=args.progress,
        chunker_params=args.chunker_params,
        start=utcnow(),
        start_monotonic=time.monotonic(),
        log_json=args.log_json,
    )


def report(archive: Any, run: Run, promise: Promise, channel: Channel) -> dict[str, Any]:
    """What this run has read."""
    from borg.helpers import get_ec

    return {
        "type": READ_LINE,
        "name": archive.name,
        "code": get_ec(),
        "items": dict(run.items),
        "bytes": archive.stats.osize,
        "times": run.times,
        "named": {name: [kind, name in promise.content] for name, kind in promise.kinds.items()},
        "received": channel.received,
        "reread": run.reread.told() if run.reread is not None else None,
    }


def row(name: str, repository: Any, key: Any) -> dict[str, Any]:
    """The row of a saved archive, as `borg list` has it. Raises borg's errors.

    The list and the archive are read from the repository, and authenticated.
    """
    from borg.archive import Archive
    from borg.helpers import Manifest, OutputTimestamp

    manifest, _ = Manifest.load(repository, (Manifest.Operation.READ,), key=key)
    archive = Archive(repository, key, manifest, name)
    time = OutputTimestamp(manifest.archives[name].ts).to_json()
    return {"name": archive.name, "id": archive.fpr, "time": time}


def rereading(order: dict[str, Any] | None, known: Sums) -> Reread | None:
    if order is None:
        return None
    return Reread(bytes.fromhex(order["key"]), order["share"], order["run"], known)


def name_of_archive(control: TextIO) -> tuple[str, bool]:
    """Wait for it, and for whether the archive is verified. Raises Ended if none comes."""
    text = control.readline()
    if not text:
        raise Ended("nobody wants the archive")
    found = json.loads(text)
    return str(found["name"]), bool(found["verified"])


def wanted(patterns: Any) -> Wanted | None:
    """borg's own matcher; None if there are no patterns."""
    from borg.patterns import PatternMatcher  # type: ignore[import-not-found]

    if not patterns:
        return None
    matcher = PatternMatcher(fallback=True)
    matcher.add_inclexcl(patterns)
    match: Callable[[str], Any] = matcher.match

    def found(path: str) -> tuple[bool, bool]:
        saved = bool(match(path))
        return saved, saved or bool(matcher.recurse_dir)

    return found


if __name__ == "__main__":
    main()
