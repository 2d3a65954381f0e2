"""`python3 -m borgpull.readers.shell KIND READ_FD WRITE_FD LIST_FD LISTING_FD`: the reader, on
the ends of two shells of the client: `shell_read.sh` and `shell_list.sh`.

The engine has the other ends of standard input and output. The words for find go by LISTING_FD.
"""

from __future__ import annotations

import json
import sys
from collections import deque

from borgpull.borg.inside import wire
from borgpull.client import shell
from borgpull.client.scripts.stream_look import Output
from borgpull.readers.child import NO_TOOLS, NOT_THERE, Input, bye, code_of, introduce
from borgpull.readers.shell import listing, question
from borgpull.readers.shell.files import Files
from borgpull.readers.shell.link import Link
from borgpull.readers.shell.listing import Listing
from borgpull.readers.shell.records import Record
from borgpull.readers.shell.tree import Tree

RECORDS = 1024  # that are told at once


def serve(link: Link, out: Output, source: Input, tree: Tree, found: Listing) -> None:
    """List, and read what is asked for, until the other side says that it is the end.

    Raises BadAnswer, Ended.
    """
    files = Files(link, out, tree)
    records: deque[Record] = deque()
    over = False
    while True:
        if records and tree.may_list:
            tree.take([records.popleft() for _ in range(min(RECORDS, len(records)))])
        if found.ended and not records and not over:
            over = True
            tree.end()
        out.flush()
        more = not found.ended and not records and tree.may_list
        if records and tree.may_list:
            continue
        ready = link.turn([0, *([found.fd] if more else [])])
        if found.fd in ready:
            records.extend(found.more())
        if 0 in ready and not _obey(source, files, tree):
            bye(out, tree.listed, files.answered)
            return
        if link.read_fd in ready and link.busy:
            link.take()


def _obey(source: Input, files: Files, tree: Tree) -> bool:
    """Note what is asked for; False at the end. find goes on in a folder that is given up."""
    for kind, number in source.requests():
        if kind == wire.READ:
            files.want(number)
        elif kind == wire.DONE:
            tree.finished(number)
        elif kind == wire.FINISH:
            return False
    return True


def run(kind: str, link: Link, list_fd: int, listing_fd: int) -> None:
    """Raises BadAnswer, Ended, WalkBroken."""
    source, out = Input(), Output()
    answer, names = question.ask(link, source.asked())
    orders = introduce(source, out, answer)
    if orders is None:
        return
    tree = Tree(link, out, names, orders.roots)
    text = shell.line(
        shell.script("shell_list.sh"), kind, *listing.words(orders.roots, orders.bars)
    )
    with open(listing_fd, "wb") as file:
        file.write(text)
    found = Listing(list_fd, kind)
    serve(link, out, source, tree, found)
    for finding in found.findings(orders.check.wanted, tree.lost):
        sys.stderr.write(json.dumps(finding) + "\n")


def main() -> None:
    kind, fds = sys.argv[1], [int(text) for text in sys.argv[2:]]
    link = Link(fds[0], fds[1])
    fits: list[bool] = []
    if code_of(lambda: fits.append(link.greeted())):
        sys.exit(NOT_THERE)
    if not fits[0]:
        sys.exit(NO_TOOLS)
    sys.exit(code_of(lambda: run(kind, link, fds[2], fds[3])))


if __name__ == "__main__":
    main()
