"""`python3 -m borgpull.readers.sftp READ_FD WRITE_FD [WALK_FD]`: the reader, on these ends of
`ssh -s sftp`.

The engine has the other ends of standard input and output. The question comes in the first line,
the plan in the second one, as for a helper (`client/scripts/stream_read.py`). Then come requests.
At the end, the client's own walk comes by WALK_FD, and findings go to standard error (`check.py`).
"""

from __future__ import annotations

import json
import sys

from borgpull.borg.inside import wire
from borgpull.client.scripts.stream_look import Output
from borgpull.jail.clientwalk import ClientWalk
from borgpull.readers.child import NOT_THERE, Input, bye, code_of, introduce
from borgpull.readers.sftp import check, question
from borgpull.readers.sftp.files import Files
from borgpull.readers.sftp.link import Link
from borgpull.readers.sftp.tree import Tree


def serve(link: Link, out: Output, source: Input, tree: Tree) -> None:
    """List, and read what is asked for, until the other side says that it is the end.

    Raises BadAnswer, Ended.
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
                bye(out, tree.listed, files.answered)
                return


def run(link: Link) -> None:
    """Raises BadAnswer, Ended."""
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
    if code_of(link.hello):
        sys.exit(NOT_THERE)
    sys.exit(code_of(lambda: run(link)))


if __name__ == "__main__":
    main()
