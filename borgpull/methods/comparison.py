"""The sshfs method's verification: is all that is on the client in the archive, and whole?"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import IO

from borgpull.borg.command import NO_SELFTEST, Borg, location
from borgpull.borg.create import Created
from borgpull.borg.items import EXACT
from borgpull.borg.messages import CHANGED
from borgpull.client import walk as walks
from borgpull.errors import ConnectionLost, NotVerified
from borgpull.jail import sshfs
from borgpull.jail.findings import CLOCK_SECONDS, Finding
from borgpull.jail.jail import Jail
from borgpull.jail.wanted import Plan
from borgpull.methods.arrivals import judge_names
from borgpull.methods.base import Verdict
from borgpull.process import CommandError, Running, pipe, running
from borgpull.ssh.config import SshConfig
from borgpull.ssh.session import ended

COMPARE = ("/usr/bin/python3", "-P", "-m", "borgpull.jail.compare")
REREAD = ("/usr/bin/python3", "-P", "-m", "borgpull.jail.reread")
END_SECONDS = 10


@dataclass(frozen=True)
class Verifier:
    """Compares a new archive with the client's tree, both ways."""

    borg: Borg
    jail: Jail
    config: SshConfig
    plan: Plan

    def __call__(self, done: Created) -> Verdict:
        """Find what is cut short, lost or changed. Raises ConnectionLost, NotVerified.

        The tree is mounted afresh each time: the kernel takes a file's early end for its new size,
        and sshfs answers from its cache for 20 s. A file whose size differs is read once more to
        its end.
        """
        try:
            found, counts = self._compare(done.name)
            differing = [item for item in found if "differs" in item]
            suspects = [item for item in differing if needs_reading(item)]
            again = self._reread(suspects) if suspects else []
        except (CommandError, ValueError, KeyError) as error:
            raise NotVerified(
                f"the archive could not be compared with the client: {error}"
            ) from None
        ahead = counts["skew"] or 0.0
        since = self.plan.started + ahead - CLOCK_SECONDS
        until = time.time() + ahead + CLOCK_SECONDS
        cut = {item["differs"] for item in again if is_cut(item, since, until)}
        changed = [item["differs"] for item in differing if item["differs"] not in cut]
        lost, came = judge_names(self.config, found, counts, since)
        return Verdict(
            done,
            cut=tuple(sorted(cut)),
            changed=tuple(dict.fromkeys([*changed, *told_by_borg(done)])),
            lost=tuple(lost),
            came=tuple(came),
            counts=counts["counts"],
            size=counts["bytes"],
            times=counts["times"],
            listings=counts["checked"],
        )

    def _compare(self, archive: str) -> tuple[list[Finding], Finding]:
        """Give `borg list` and the client's own walk to `compare`, on a fresh mount."""
        walk = walks.script(self.plan.starts, [*self.plan.left_out, *self.plan.allowed])
        exact = self.borg._replace(program=EXACT, extra_env={**self.borg.extra_env, **NO_SELFTEST})
        with (
            self._tree() as mount,
            _file([json.dumps(asdict(self.plan)).encode()]) as plan,
            _file([walk]) as script,
            pipe() as (rows, rows_in),
            pipe() as (names, names_in),
        ):
            fds = (plan.fileno(), names.fileno())
            command = [*COMPARE, "--plan", str(fds[0]), "--walk", str(fds[1])]
            shell = self.config.command("sh", "-s")
            with (
                exact.running("list", "--json-lines", location(archive), stdout=rows_in) as listing,
                running(shell, name="the client's find", stdin=script, stdout=names_in, grace=1),
                running(self._inside(command), name="compare", stdin=rows, pass_fds=fds) as child,
            ):
                for end in (rows, rows_in, names, names_in):
                    end.close()
                found = self._findings(child, mount)
                code = listing.wait(END_SECONDS)
        if code or not found or "counts" not in found[-1]:
            raise CommandError(["borg", "list"], code, "the list of the archive broke off")
        return found[:-1], found[-1]

    def _reread(self, suspects: Sequence[Finding]) -> list[Finding]:
        lines = [json.dumps(item).encode() + b"\n" for item in suspects]
        with (
            self._tree() as mount,
            _file(lines) as source,
            running(self._inside(REREAD), name="reread", stdin=source) as child,
        ):
            return self._findings(child, mount)

    def _tree(self) -> contextlib.AbstractContextManager[Running]:
        return sshfs.mounted(self.jail, self.config, self.jail.spec.second_tree, again=True)

    def _inside(self, command: Sequence[str]) -> list[str]:
        return [*self.jail.prefix(self.jail.spec.second_tree), *command]

    def _findings(self, child: Running, mount: Running) -> list[Finding]:
        """Read lines of JSON to the end. Raises ConnectionLost, CommandError, ValueError."""
        found: list[Finding] = []
        broken = ConnectionLost(f"the connection to {self.config.target} broke")
        for item in child.lines():
            if not mount.alive():
                raise broken
            if item is not None and item[0] == "stdout":
                found.append(json.loads(item[1]))
        code = child.wait(END_SECONDS)
        # Is it the client's fault, or has the connection just ended? Then sshfs ends in a moment.
        failed = code != 0 or any(item.get("unreadable") for item in found)
        if ended(mount.alive, soon=failed):
            raise broken
        if code:
            said = child.stderr().splitlines()[-1:]
            raise CommandError([child.name], code, "", said[0] if said else f"{child.name}: {code}")
        return found


def needs_reading(item: Finding) -> bool:
    """Does the file's size differ, so that it may have been cut short on its way?"""
    return item["now"] is not None and item["now"] != item["archived"]


def is_cut(item: Finding, since: float, until: float) -> bool:
    """Was this file cut short on its way, rather than changed on the client meanwhile?

    It was cut if it cannot be read to its end. It was also cut if it is longer than in the archive
    and has the same mtime, unless that lies within the run: SFTP's mtimes are whole seconds. The
    run lasted from `since` to `until` by the client's clock.
    """
    if item["now"] is None:
        return False  # deleted since
    if item.get("unreadable"):
        return True
    touched = item["mtime"] != item["now_mtime"] or since <= item["now_mtime"] / 1e9 <= until
    return bool(item["archived"] < item["now"] and not touched)


def told_by_borg(done: Created) -> list[str]:
    return [item.path for item in done.warnings if item.kind == CHANGED]


@contextlib.contextmanager
def _file(lines: Sequence[bytes]) -> Iterator[IO[bytes]]:
    """A file with that content, to be read from its beginning."""
    with tempfile.TemporaryFile() as file:
        file.writelines(lines)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        yield file
