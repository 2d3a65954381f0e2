"""borg's `do_create` with the ends that only `stream` knows, as errors of borg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from borgpull.borg.inside.channel import Ended
from borgpull.borg.inside.readback import WrittenDamaged
from borgpull.borg.inside.told import CUT, DAMAGED, HOSTILE, OTHER_BORG
from borgpull.borg.inside.wire import BadFrame

# The borg whose insides this program knows. Another one must be tried first.
BORG = "1.4.5"


def failing(create: Callable[..., None]) -> Callable[..., None]:
    """In place of borg's do_create: `create`, with its own errors as those of borg."""
    import borg  # type: ignore[import-not-found]
    from borg.helpers import Error  # type: ignore[import-not-found]

    class HostileClient(Error):  # type: ignore[misc]
        """{}"""

        exit_mcode = HOSTILE

    class StreamCut(Error):  # type: ignore[misc]
        """{}"""

        exit_mcode = CUT

    class OtherBorg(Error):  # type: ignore[misc]
        """stream knows borg {}, and this is borg {}"""

        exit_mcode = OTHER_BORG

    class Damaged(Error):  # type: ignore[misc]
        """{}"""

        exit_mcode = DAMAGED

    def do_create(self: Any, args: Any, repository: Any, **parts: Any) -> None:
        if borg.__version__ != BORG:
            raise OtherBorg(BORG, borg.__version__)
        try:
            create(self, args, repository, **parts)
        except BadFrame as error:
            raise HostileClient(str(error)) from None
        except Ended as error:
            raise StreamCut(str(error)) from None
        except WrittenDamaged as error:
            raise Damaged(str(error)) from None

    return do_create
