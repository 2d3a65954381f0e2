"""native: borg extract on the target, through one plain command of ssh, as `pipe` saves.

Nothing is lost that borg has stored. The target gets the passphrase of the repository, as borg
there decrypts; it can read the repository, and nothing else (`borg/readonly.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from borgpull import events
from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.client.borg import ClientBorg, choose
from borgpull.client.place import Place
from borgpull.client.serve import Handed
from borgpull.client.setup import Facts, as_root, script
from borgpull.errors import ClientUnsuitable
from borgpull.events import Emit
from borgpull.methods import onclient
from borgpull.model import JobSpec, Target
from borgpull.process import Completed
from borgpull.restores.base import CHDIR, SURVEY_SECONDS, Order, Site, Watch
from borgpull.ssh import config as ssh_config
from borgpull.ssh.session import connected

# The first whose extract cannot be led out of its folder (CVE-2026-62268; facts, section 3).
SAFE_BORG = (1, 4, 5)


@contextlib.contextmanager
def open_site(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """Ready the target. Raises the errors of ssh and the client, ClientUnsuitable."""
    assert job.target is not None
    config = ssh_config.write(folder, job.target, job.places, via=job.via)
    events.phase(emit, "connect", f"connecting to {job.target}")
    looking = replace(job, paths=())  # those are of the archive
    with (
        Handed() as handed,
        connected(config, folder) as session,
        onclient.placed(session, looking, onclient.identity(borg)) as place,
    ):
        require_free(place.facts, job.target)
        place.put("survey", script("survey.sh").encode())
        there = ClientBorg(
            place,
            program(place, job.client_borg, emit),
            borg,
            before=(*CHDIR, job.into),
        )

        def survey(word: str, data: bytes) -> Completed:
            words = (*as_root(job.sudo), "sh", f"{place.folder}/survey", word)
            return session.run(*words, stdin=data, timeout=SURVEY_SECONDS)

        def extract(order: Order, watch: Watch) -> Extracted:
            patterns = ["--patterns-from", f"{place.folder}/patterns"] if order.patterns else []
            if patterns:
                place.put("patterns", order.patterns)
            words = order.extract(*patterns)
            with there.joined(handed.serving(borg), "extract", *words) as child:
                return watch(child, handed)

        yield Site(
            name=f"{job.target}:{job.into}",
            folder=job.into,
            alive=session.alive,
            survey=survey,
            extract=extract,
        )


def require_free(facts: Facts, target: Target) -> None:
    """Raises ClientUnsuitable where our key can start one command only."""
    if facts.forced:
        raise ClientUnsuitable(
            f"the key for {target} is limited to a command of its own",
            hint="restore with another key: --ssh-key",
        )


def program(place: Place, named: str | None, emit: Emit) -> str:
    """The borg to extract with. Raises ClientUnsuitable."""
    facts = place.facts
    safe = facts.borg is not None and facts.borg >= SAFE_BORG
    if named is not None and not safe:
        events.warning(emit, f"{named} is older than 1.4.5: a crafted archive can lead it astray")
    if named is None and not safe:
        place.stream_runtime()
        return f"{place.folder}/runtime/borg"
    return choose(place, named)
