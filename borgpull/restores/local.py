"""local: stock borg extract here, into a folder of the server, or a tar file (tarball.py)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.borg.extract import PROGRESS, Extracted
from borgpull.borg.spares import Spares
from borgpull.borg.tarnames import into_tar
from borgpull.client.shell import script
from borgpull.client.survey import AttributesByScript, ByScript
from borgpull.errors import BorgFailed
from borgpull.events import Emit
from borgpull.jobs import Restore
from borgpull.process import CommandError, Completed, run
from borgpull.restores import tarball
from borgpull.restores.base import CHDIR, MAX_SURVEY, SURVEY_SECONDS, Order, Site, Watch


@contextlib.contextmanager
def open_site(job: Restore, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """The folder, or tar file, as it is seen from here. Raises UsageError, TargetNotUsable."""
    if into_tar(job):
        with tarball.open_site(job, borg, folder, emit) as site:
            yield site
        return
    there = borg._replace(prefix=(*CHDIR, job.into))
    with Spares(there.prefix) as spares:
        if Path(job.into).is_dir():  # a borg loads its code there while the archive is listed
            there = there._replace(spares=spares)
            there.start_spares(1)
        yield _site(job, there, folder)


def _site(job: Restore, there: Borg, folder: Path) -> Site:
    program, patterns = folder / "survey", folder / "patterns"
    program.write_text(script("survey.sh"))

    def run_survey(word: str, data: bytes) -> Completed:
        argv = ["sh", str(program), word]
        try:
            return run(argv, stdin=data, timeout=SURVEY_SECONDS, check=False, max_output=MAX_SURVEY)
        except CommandError as error:
            raise BorgFailed(f"cannot look at {job.into}: {error}") from None

    def extract(order: Order, watch: Watch) -> Extracted:
        patterns.write_bytes(order.patterns)
        words = order.extract(PROGRESS, "--patterns-from", str(patterns))
        with there.running("extract", *words) as child:
            return watch(child)

    def run_attributes(data: bytes) -> Completed:
        argv = [sys.executable, "-I", "-c", script("attributes.py")]
        try:
            return run(argv, stdin=data, timeout=SURVEY_SECONDS, check=False)
        except CommandError as error:
            raise BorgFailed(f"cannot look at {job.into}: {error}") from None

    return Site(
        name=job.into,
        folder=job.into,
        alive=lambda: True,
        survey=ByScript(name=job.into, folder=job.into, run=run_survey),
        extract=extract,
        attributes=AttributesByScript(folder=job.into, run=run_attributes),
        holes=True,
    )
