"""native: borg extract on the target, through one plain command of ssh, as `pipe` saves.

Nothing is lost that borg has stored. borg decrypts on the target, so the target gets the passphrase
of the repository. It can read the repository, but not write it (`borg/inside/readonly.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from borgpull import events
from borgpull.addresses import Target
from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.borg.serve import Handed
from borgpull.client.borg import ClientBorg, choose
from borgpull.client.facts import Facts
from borgpull.client.folder import Place
from borgpull.client.shell import script
from borgpull.client.sudo import as_root
from borgpull.client.survey import AttributesByScript, ByScript
from borgpull.errors import ClientFull, ClientUnsuitable
from borgpull.events import Emit
from borgpull.jobs import Restore
from borgpull.methods import onclient
from borgpull.process import Completed
from borgpull.restores.base import CHDIR, MAX_SURVEY, SURVEY_SECONDS, Order, Site, Watch
from borgpull.ssh import route
from borgpull.ssh.session import connected

# The first borg whose extract cannot be led out of its folder (CVE-2026-62268; facts, section 3).
SAFE_BORG = (1, 4, 5)


@contextlib.contextmanager
def open_site(job: Restore, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """Ready the target. Raises the errors of ssh and the client, ClientUnsuitable."""
    access = job.there
    config = route.to_client(access, job.places, job.client, folder)
    events.phase(emit, "connect", f"connecting to {access.target}")
    with (
        Handed() as handed,
        connected(config, folder) as session,
        onclient.placed(session, access, onclient.identity(borg)) as place,
    ):
        require_free(place.facts, access.target)
        place.put("survey", script("survey.sh").encode())
        there = ClientBorg(
            place,
            program(place, access.client_borg, emit),
            borg,
            before=(*CHDIR, job.into),
        )

        def run_survey(word: str, data: bytes) -> Completed:
            words = (*as_root(access.sudo), "sh", f"{place.folder}/survey", word)
            return session.run(*words, stdin=data, timeout=SURVEY_SECONDS, max_output=MAX_SURVEY)

        def extract(order: Order, watch: Watch) -> Extracted:
            patterns = ["--patterns-from", f"{place.folder}/patterns"] if order.patterns else []
            if patterns:
                place.put("patterns", order.patterns)
            words = order.extract(*patterns)
            with there.joined(handed.serving(borg), "extract", *words) as child:
                return watch(child, handed)

        def run_attributes(data: bytes) -> Completed:
            place.put("attributes.py", script("attributes.py").encode())
            line = f"exec {python(place)} {place.folder}/attributes.py"
            return place.shell(line, data, SURVEY_SECONDS, MAX_SURVEY)

        name = f"{access.target}:{job.into}"
        yield Site(
            name=name,
            folder=job.into,
            alive=session.alive,
            survey=ByScript(name=name, folder=job.into, run=run_survey),
            extract=extract,
            attributes=AttributesByScript(folder=job.into, run=run_attributes),
            holes=True,
        )


def require_free(facts: Facts, target: Target) -> None:
    """Raises ClientUnsuitable if our key can start one command only."""
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


def python(place: Place) -> str:
    """The command of a Python there: that of our runtime or, if it does not run, the target's own.

    Raises ConnectionLost.
    """
    try:
        place.stream_runtime()
    except (ClientUnsuitable, ClientFull):
        return "python3"
    return f"sh {place.folder}/runtime/python"
