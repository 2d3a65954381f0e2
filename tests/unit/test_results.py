"""Results to a dict and back."""

from __future__ import annotations

from borgpull.results import Failure, Result


def test_results_to_a_dict_and_back() -> None:
    failure = Failure(exit_code=30, error="UnknownHostKey", message="m", hint="h")
    for result in (
        Result(verb="list", data={"a": [1]}),
        Result(verb="x", ok=False, failure=failure),
    ):
        assert Result.from_dict(result.to_dict()) == result
    assert Result(verb="x", failure=failure).exit_code == 30
