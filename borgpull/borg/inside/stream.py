"""`python3 -m borgpull.borg.inside.stream READ_FD WRITE_FD LANE_FD…`: `borg create` of a tree that
a helper on the client reads (`client/scripts/stream_read.py`).

It loads borg's code, and waits for lines of JSON on standard input. The first one has the rest of
its environment, and words. The second one has its orders: the command line of a `borg create`, the
roots of the listing, the named paths, and what the reader can do. If the words are those of a `borg
create`, it opens repository and cache before the orders. Then lines `borgpull_listed` have the list
of archives. All but the reading is stock borg: its options, locks, cache, keys, messages,
exit codes. When all has come, it says so by a line `borgpull_read` on standard error. Then the
archive waits for its name: a line of JSON. Without one, nothing is saved. A line `borgpull_saved`
has the archive's row in the repository's list.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from borgpull.borg.inside import blake2, brief, filescache, reads, selftest
from borgpull.borg.inside.answers import Run
from borgpull.borg.inside.blocks import depending
from borgpull.borg.inside.book import book
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.content import Chunks
from borgpull.borg.inside.failing import failing
from borgpull.borg.inside.known import Known
from borgpull.borg.inside.listed import row, tell_listed
from borgpull.borg.inside.matcher import of_patterns
from borgpull.borg.inside.newblocks import Writer
from borgpull.borg.inside.orders import beginning_of, name_of_archive, orders_of
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.promise import Promise
from borgpull.borg.inside.rate import Rate
from borgpull.borg.inside.readback import READ_BACK_LINE
from borgpull.borg.inside.readback import Reader as ReadBack
from borgpull.borg.inside.reread import Reread
from borgpull.borg.inside.starting import (
    be,
    parse_fast,
    run_to_its_end,
    taken_input,
    waits_for_locks_until_the_end_of,
)
from borgpull.borg.inside.sums import Sums
from borgpull.borg.inside.tell import Teller
from borgpull.borg.inside.told import (
    KEPT_PATHS,
    LANES_LINE,
    READ_LINE,
    READS_LINE,
    SAVED_LINE,
    SKIPPED_LINE,
)
from borgpull.borg.inside.unseen import Unseen

# Objects between two looks for garbage. Nearly all of ours stay, or are of no cycle.
GARBAGE = 100_000
# Seconds that a thread may go on while another one waits. In Python's own 5 ms, it could hash 5 MB.
SWITCH = 0.0005


def main() -> None:
    """Does not return, unless nobody gives an order."""
    gc.set_threshold(GARBAGE)
    sys.setswitchinterval(SWITCH)
    from borg import archiver  # type: ignore[import-not-found]

    blake2.use()
    channel = Channel(*map(int, sys.argv[1:]))
    control = taken_input()
    parse_fast(archiver)
    waits_for_locks_until_the_end_of(control)
    beginning = beginning_of(control)
    if beginning is None:
        return
    be(beginning.env)
    selftest.once(archiver, Path(beginning.marks))
    early = beginning.words
    orders = None
    if not early:
        orders = orders_of(control)
        if orders is None:
            return
    sys.argv = early if orders is None else orders["argv"]

    def create_of(own: Any, args: Any, repository: Any, **parts: Any) -> None:
        create(own, args, repository, channel, orders, control, **parts)

    operation = (archiver.Manifest.Operation.WRITE,)
    archiver.Archiver.do_create = archiver.with_repository(
        fake="dry_run", exclusive=True, compatibility=operation
    )(failing(create_of))
    os.chdir("/")  # paths are relative to it, as in archives of the other methods
    run_to_its_end(archiver.main)


def create(
    archiver: Any,
    args: Any,
    repository: Any,
    channel: Channel,
    orders: dict[str, Any] | None,
    control: TextIO,
    manifest: Any = None,
    key: Any = None,
) -> None:
    """As borg's do_create (borg 1.4.5, archiver.py). Raises BadFrame, Ended, borg's errors.

    Without `orders`, it waits for them once all is open.
    """
    from borg.cache import Cache  # type: ignore[import-not-found]

    if repository is None:
        assert orders is not None
        dry_run(archiver, args, channel, orders)
        return
    filescache.use()
    if orders is None:
        archiver.output_filter, archiver.output_list = args.output_filter, args.output_list
        tell_listed(Teller(archiver), manifest)
    with contextlib.ExitStack() as stack:
        options = {"progress": args.progress, "lock_wait": archiver.lock_wait, "iec": args.iec}
        options["cache_mode"] = args.files_cache_mode
        cache = stack.enter_context(Cache(repository, key, manifest, **options))
        known = Known(cache)
        if orders is None:
            orders = orders_of(control)
            if orders is None:
                return
            args = arguments(archiver, orders["argv"])
            key.compressor, cache.cache_mode = args.compression.compressor, args.files_cache_mode
        one = Work(archiver, args, repository, channel, orders, control, manifest, key)
        save(one, cache, known)


class Work(NamedTuple):
    """What borg has opened for an archive, and what is wanted."""

    archiver: Any
    args: Any
    repository: Any
    channel: Channel
    orders: dict[str, Any]
    control: TextIO
    manifest: Any
    key: Any


def save(work: Work, cache: Any, known: Known) -> None:
    """Make the archive. Raises as `create`."""
    archiver, args, repository, channel, orders, control, manifest, key = work
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(book(orders["manifest"], orders["roots"], known.sums))
        archive = new_archive(args, repository, key, manifest, cache)
        written = ReadBack(archive, orders["read_back"])
        saving = (archive, cache, Chunks(archive, key, cache, args, known.sums))
        run = prepared(archiver, args, channel, orders, saving)
        run.asked.known = known if orders["compares"] else None
        run.reread = rereading(orders["reread"], known.sums)
        run.manifest = made.manifest if made else None
        last = reads.last(cache, known.listing)
        run.reads.before = last.id
        run.fields.ctimes, run.fields.by_name = not args.noctime, not args.numeric_ids
        run.unseen = Unseen(orders["unseen"], ctimes=run.fields.ctimes)
        depends = depending(args, orders)
        if made is not None:
            run.writer = stack.enter_context(
                contextlib.closing(Writer(known.listing, known.blocks))
            )
            run.last = known.blocks if last.listing and known.blocks.fit(depends) else None
            run.since, run.last_odd = last.began, last.odd
            run.devices = brief.devices(last.view, orders["view"])
        run.run()
        if args.progress:
            archive.stats.show_progress(final=True)
        teller = Teller(archiver)
        tell_skipped(teller, run)
        for part in run.reads.parts():
            teller.line({"type": READS_LINE, **part})
        if made is not None:
            made.settle()
        teller.line(report(archive, run, channel))
        # It is compared with the client meanwhile.
        archive.items_buffer.flush(flush=True)
        written.look()
        archive.name, verified = name_of_archive(control)
        archive.save(comment=args.comment, timestamp=args.timestamp)
        teller.line({"type": READ_BACK_LINE, **asdict(written.told)})
        teller.line({"type": SAVED_LINE, **row(archive.name, repository, key)})
        known.save()
        leave(work, archive, known, run, depends if verified else None)
        if made is not None and verified:
            made.keep(archive)
        archiver.print_archive_stats(manifest, cache, archive, output_json=True, quick_stats=True)


def leave(work: Work, archive: Any, known: Known, run: Run, depends: dict[str, Any] | None) -> None:
    """Leave the listing to the next run. Without `depends`, the archive is in doubt: then its items
    are made anew.
    """
    listed = False
    if run.writer is not None and depends is not None:
        before = run.last.names if run.last is not None else ({}, {})
        listed = run.writer.save({**depends, "names": run.fields.told(before)})
    began = work.orders["began"] if run.odd.unplain <= brief.MOST_UNPLAIN else 0
    left = reads.Last(archive.fpr, listed, began, run.odd.told(), work.orders["view"])
    reads.keep(archive.cache, left, known.listing)


def arguments(archiver: Any, argv: list[str]) -> Any:
    """Of the command line that counts. Raises borg's errors."""
    sys.argv = argv  # the archive has it
    return archiver.get_args(argv, None)


def prepared(
    archiver: Any, args: Any, channel: Channel, orders: dict[str, Any], saving: Any
) -> Run:
    archiver.output_filter, archiver.output_list = args.output_filter, args.output_list
    places = Places(orders["roots"], of_patterns(args.patterns))
    teller = Teller(archiver)
    channel.rate = Rate(orders["rate"]) if orders["rate"] else None
    channel.lanes.ask = lambda call: teller.line({"type": LANES_LINE, "call": call})
    run = Run(channel, places, Promise(orders["named"]), teller, saving)
    run.may_skip = orders["may_skip"]
    return run


def dry_run(archiver: Any, args: Any, channel: Channel, orders: dict[str, Any]) -> None:
    run = prepared(archiver, args, channel, orders, None)
    run.run()
    tell_skipped(Teller(archiver), run)


def tell_skipped(teller: Teller, run: Run) -> None:
    for part in run.skipped.parts():
        teller.line({"type": SKIPPED_LINE, **asdict(part)})


def new_archive(args: Any, repository: Any, key: Any, manifest: Any, cache: Any) -> Any:
    """As borg's do_create makes it. Raises borg's errors."""
    from borg.archive import Archive  # type: ignore[import-not-found]
    from borg.helpers import utcnow  # type: ignore[import-not-found]

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


def report(archive: Any, run: Run, channel: Channel) -> dict[str, Any]:
    """What this run has read."""
    from borg.helpers import get_ec

    promise = run.promise

    return {
        "type": READ_LINE,
        "name": archive.name,
        "code": get_ec(),
        "items": dict(run.items),
        "statuses": dict(run.statuses),
        "read": [one.path for one in run.reads.files[:KEPT_PATHS]],
        "bytes": archive.stats.osize,
        "times": run.times,
        "named": {name: [kind, name in promise.content] for name, kind in promise.kinds.items()},
        "received": channel.received,
        "reread": run.reread.told() if run.reread is not None else None,
    }


def rereading(order: dict[str, Any] | None, known: Sums) -> Reread | None:
    if order is None:
        return None
    return Reread(bytes.fromhex(order["key"]), order["share"], order["run"], known)


if __name__ == "__main__":
    main()
