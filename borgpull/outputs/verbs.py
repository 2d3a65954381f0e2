"""The types of what each verb's lines hold: the rows of the modules of this room, in one dict."""

from __future__ import annotations

from borgpull.outputs import archives, backups, drills, hosts, kube, restores, retention
from borgpull.outputs.lines import Output

OUTPUTS: dict[str, Output] = {
    **backups.ROWS,
    **restores.ROWS,
    **drills.ROWS,
    **archives.ROWS,
    **retention.ROWS,
    **kube.ROWS,
    **hosts.ROWS,
}
