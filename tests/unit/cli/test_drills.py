from __future__ import annotations

import pytest

from borgpull.cli.drilling import Drilling
from borgpull.cli.drills import wanted
from borgpull.cli.options import Launch, Where
from borgpull.errors import UsageError
from borgpull.jobs import Demo, Drill


def test_a_drill_is_of_a_client_and_the_demo_of_none() -> None:
    assert isinstance(wanted("web1", Drilling(), Where(), Launch()), Drill)
    made = wanted(None, Drilling(demo=True, how="tar"), Where(), Launch())
    assert (type(made), made.how, made.client) == (Demo, "tar", "")
    for client, drilling in (
        (None, Drilling()),
        ("web1", Drilling(demo=True)),
        (None, Drilling(demo=True, report="folder")),
    ):
        with pytest.raises(UsageError):
            wanted(client, drilling, Where(), Launch())
