"""`python3 -m borgpull.readers.sftp READ_FD WRITE_FD [WALK_FD]`: the reader, on these ends of
`ssh -s sftp`.

The engine has the other ends of standard input and output. The question comes in the first line,
the plan in the second one, as for a helper (`client/scripts/stream_read.py`). Then come requests.
At the end, the client's own walk comes by WALK_FD, and findings go to standard error (`check.py`).
"""

from __future__ import annotations

import json
import struct
import sys

from borgpull.borg.inside import wire
from borgpull.client.scripts.stream_look import BYE, Output
from borgpull.jail.clientwalk import ClientWalk, WalkBroken
from borgpull.readers.child import CUT, HOSTILE, NO_WALK, NOT_THERE, Ended, Input, introduce
from borgpull.readers.sftp import check, question
from borgpull.readers.sftp.files import Files
from borgpull.readers.sftp.link import Link
from borgpull.readers.sftp.packets import BadReply
from borgpull.readers.sftp.tree import Tree

CODES: dict[type[Exception], int] = {BadReply: HOSTILE, Ended: CUT, WalkBroken: NO_WALK}


def serve(link: Link, out: Output, source: Input, tree: Tree) -> None:
    """List, and read what is asked for, until the other side says that it is the end.

    Raises BadReply, Ended.
    """
    files = Files(link, out, tree)
    while True:
        files.step()
        if not files.within:
            tree.step()
        out.flush()
        if not link.turn(other=0):
            continue
        for kind, number in source.requests():
            if kind == wire.READ:
                files.want(number)
            elif kind == wire.DONE:
                tree.finished(number)
            elif kind == wire.PRUNE:
                tree.prune(number)
            else:
                out.add(BYE, struct.pack("<QQ", tree.listed, files.answered))
                out.flush()
                return


def run(link: Link) -> None:
    """Raises BadReply, Ended."""
    source, out = Input(), Output()
    answer, names = question.ask(link, source.asked())
    orders = introduce(source, out, answer)
    if orders is None:
        return
    tree = Tree(link, out, names, orders.roots, orders.bars)
    serve(link, out, source, tree)
    walk = ClientWalk(int(sys.argv[3]))
    for finding in check.findings(orders.check, tree.known, tree.deep, walk, link):
        sys.stderr.write(json.dumps(finding) + "\n")


def main() -> None:
    link = Link(int(sys.argv[1]), int(sys.argv[2]))
    try:
        link.hello()
    except (BadReply, Ended) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(NOT_THERE)
    try:
        run(link)
    except BrokenPipeError:
        sys.exit(CUT)
    except (BadReply, Ended, WalkBroken) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(CODES[type(error)])


if __name__ == "__main__":
    main()
