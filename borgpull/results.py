"""What a job did, and why it failed: its last event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from borgpull.errors import CheckFailed, Told
from borgpull.outputs.hosts import Check


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job failed: what the screen shows, and the exit code."""

    exit_code: int
    error: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: Told) -> Failure:
        """The failure that an error is."""
        return cls(
            exit_code=error.exit_code,
            error=type(error).__name__,
            message=error.message,
            hint=error.hint,
        )


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a job did. `data` depends on the verb: borgpull/outputs."""

    verb: str
    client: str = ""
    ok: bool = True
    failure: Failure | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return 0 if self.failure is None else self.failure.exit_code

    def checked(self, *checks: Check) -> Result:
        """The result with more checks of doctor before its own; it fails if any check failed."""
        found = [*checks, *self.data.get("checks", [])]
        failed = [check["name"] for check in found if check["ok"] is False]
        failure = None
        if failed:
            failure = Failure.of(CheckFailed(f"not in order: {', '.join(failed)}"))
        data = {**self.data, "checks": found}
        return replace(self, ok=not failed, failure=failure, data=data)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Result:
        known = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        if known.get("failure"):
            known["failure"] = Failure(**known["failure"])
        return cls(**known)
