"""local: stock borg extract here, into a folder of the server, or a tar file (tarball.py)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.borg.extract import PROGRESS, Extracted
from borgpull.borg.tarnames import into_tar
from borgpull.client.setup import script
from borgpull.errors import BorgFailed
from borgpull.events import Emit
from borgpull.model import JobSpec
from borgpull.process import CommandError, Completed, run
from borgpull.restores import tarball
from borgpull.restores.base import CHDIR, SURVEY_SECONDS, Order, Site, Watch


@contextlib.contextmanager
def open_site(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """The folder, or tar file, as it is seen from here. Raises UsageError, TargetNotUsable."""
    if into_tar(job):
        with tarball.open_site(job, borg, folder, emit) as site:
            yield site
        return
    program, patterns = folder / "survey", folder / "patterns"
    program.write_text(script("survey.sh"))
    there = replace(borg, prefix=(*CHDIR, job.into))

    def survey(word: str, data: bytes) -> Completed:
        argv = ["sh", str(program), word]
        try:
            return run(argv, stdin=data, timeout=SURVEY_SECONDS, check=False)
        except CommandError as error:
            raise BorgFailed(f"cannot look at {job.into}: {error}") from None

    def extract(order: Order, watch: Watch) -> Extracted:
        patterns.write_bytes(order.patterns)
        words = order.extract(PROGRESS, "--patterns-from", str(patterns))
        with there.running("extract", *words) as child:
            return watch(child)

    yield Site(name=job.into, folder=job.into, alive=lambda: True, survey=survey, extract=extract)
