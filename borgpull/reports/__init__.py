"""Reports of a restore drill: one module a file, each with `render(report)`.

The same drill always gives the same bytes. Names and outputs in a drill come from a client, which
may be hostile: each module says how it makes them harmless.
"""

from __future__ import annotations

from collections.abc import Callable

from borgpull.late import Late
from borgpull.outputs.drills import Reported

# By the name of the file. What renders to nothing is not written.
REPORTS: Late[Callable[[Reported], bytes]] = Late(
    __package__,
    {
        "junit.xml": "junit.render",
        "summary.md": "summary.render",
        "drill.html": "page.render",
        "drill.json": "record.render",
        "drill.json.sig": "record.signature",
        "allowed_signers": "record.signers",
    },
)
