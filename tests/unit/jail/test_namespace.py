"""A container that sees a part of the ids only, as in a pod's user namespace."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """\
from borgpull.errors import NoMountPrivilege
from borgpull.jail.namespace import require_all_ids
try:
    require_all_ids()
except NoMountPrivilege as error:
    print(error.exit_code, error.message, error.hint)
"""


def test_owners_that_it_does_not_see_are_not_lost() -> None:
    argv = ["unshare", "--user", "--map-root-user", sys.executable, "-c", CODE]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip("this machine lets nobody have a user namespace")
    assert done.stdout.startswith("51 this container does not see all uids")
    assert "65534" in done.stdout and "hostUsers" in done.stdout
