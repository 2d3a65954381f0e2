"""After a backup: is each path that was named in the archive?"""

from __future__ import annotations

from borgpull import jobs
from borgpull.borg import named, patterns
from borgpull.borg.command import Borg
from borgpull.borg.create import Created
from borgpull.errors import NotSaved, PathMissing
from borgpull.methods import Source
from borgpull.trees.folders import lies_in


def require(job: jobs.Backup, borg: Borg, done: Created, source: Source) -> None:
    """Raises NotSaved, and PathMissing if a named path is a symlink; borg's errors."""
    # Nothing is to be learnt of a folder that was seen to be saved, and to be empty.
    if done.named.lacks(source.empty) and not done.named.settled:
        named.look(borg, done.name, done.named)
    if links := sorted(map(named.absolute, done.named.links)):
        raise PathMissing(
            f"a symlink on {job.access.target}: {', '.join(links)}",
            hint="only the link is saved; name what it points at (readlink -f there shows it)",
        )
    allowed = job.allow_unreadable
    lacks = [
        path
        for path in done.named.lacks(source.empty)
        if not any(lies_in(path, item) for item in allowed)
    ]
    if not lacks:
        return
    text = f"named, and not in the archive: {', '.join(lacks)}"
    raise NotSaved(text, hint=_why(job, source, lacks[0]))


def _why(job: jobs.Backup, source: Source, path: str) -> str | None:
    """The hint, if a pattern or a mount is the reason."""
    for pattern in job.exclude:
        if patterns.matches(pattern, path) or patterns.matches(pattern, f"{path.rstrip('/')}/x"):
            return f"--exclude {pattern} leaves it out, or all that is in it"
    for item in source.left_out:
        if lies_in(item["path"], path):
            return f"all that is in it is the mount {item['path']} ({item['fstype']}): name that"
    return None
