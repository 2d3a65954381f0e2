"""Files that had vanished when borg came to them: are they there again?

Many programs write a new file and give it the old name. borg may come just in between. The file is
then on the client before and after the backup, but not in the archive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from borgpull.process import Completed

# Names are sent and answered with a NUL after each. The shell is in the folder that they are
# relative to. It is plain POSIX, except for xargs -0, which GNU and busybox have.
_LOOK = 'for p; do if [ -e "$p" ] || [ -L "$p" ]; then printf "%s\\0" "$p"; fi; done'
SCRIPT = f"printf '\\nborgpull-begin\\n'; xargs -0 sh -c '{_LOOK}' sh"
MAX_ASKED = 10_000
# Characters that may stand for another byte, end a name, or occur in no name of a file.
_NEVER_ASKED = re.compile("[?\0\ud800-\udc7f\udd00-\udfff]")

# Runs a shell script with this standard input, where the names are looked up.
Shell = Callable[[str, bytes], Completed]


def there_again(shell: Shell, paths: Sequence[str]) -> list[str]:
    """The relative `paths` that are on the client. Raises as `shell`.

    borg prints a question mark for a byte that is no text, so such a name cannot be asked for. It
    counts as there. So do impossible names, and those beyond MAX_ASKED.
    """
    asked = [path for path in paths[:MAX_ASKED] if not _NEVER_ASKED.search(path)]
    answered = set()
    if asked:
        data = b"".join(path.encode(errors="surrogateescape") + b"\0" for path in asked)
        done = shell(SCRIPT, data)
        if done.returncode != 0:
            return list(paths)
        names = done.stdout.rpartition(b"borgpull-begin\n")[2].split(b"\0")
        answered = {name.decode(errors="surrogateescape") for name in names}
    known = set(asked)
    return [path for path in paths if path not in known or path in answered]
