"""Files that let other programs run a job by a timetable: one module a form.

Each has `render(plan)`, which gives the text of each file by its name. The same plan always gives
the same bytes. What a job needs comes from `launchers.needs`, as for the docker launcher.
"""

from __future__ import annotations

from collections.abc import Callable

from borgpull.late import Late
from borgpull.renderers.plan import Plan

Files = dict[str, str]  # by name, which may have folders in it
RENDERERS: Late[Callable[[Plan], Files]] = Late(
    __package__,
    {
        "compose": "compose.render",
        "quadlet": "quadlet.render",
        "systemd": "systemd.render",
    },
)
