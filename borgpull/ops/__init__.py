"""What a user can ask for: one module a verb, one function a job, all in one dict."""

from __future__ import annotations

from collections.abc import Callable

from borgpull.events import Emit
from borgpull.methods import METHODS
from borgpull.model import JobSpec, Result
from borgpull.ops import (
    acknowledge,
    backup,
    browse,
    doctor,
    repository,
    restore,
    search,
    serve,
    tidy,
    trust,
)

OPS: dict[str, Callable[[JobSpec, Emit], Result]] = {
    **dict.fromkeys(METHODS, backup.run),
    "serve": serve.run,
    "init": repository.init,
    "list": repository.list_archives,
    "info": repository.info,
    "borg": repository.borg,
    "acknowledge": acknowledge.run,
    "trust": trust.run,
    "doctor": doctor.diagnose,
    "tidy": tidy.run,
    "restore": restore.run,
    "browse": browse.run,
    "find": search.find,
    "diff": search.diff,
}
