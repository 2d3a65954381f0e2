"""A job from the words of a command line that another program will type in a container."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from borgpull.cli.context import JobRead, read_only
from borgpull.cli.drilling import Drilling, size
from borgpull.cli.options import Launch, RungName, Through, Where
from borgpull.cli.parsing import NAME, options_of, reject_dash_hosts
from borgpull.cli.rendered import Certificates, Timing
from borgpull.drills import checkfile
from borgpull.errors import UsageError
from borgpull.jobs import Drill, DrillCheck, Job
from borgpull.launchers.needs import SCRATCH_FOLDER
from borgpull.places import Places
from borgpull.renderers.plan import REPORTS, Plan, check_file, require_checks_run
from borgpull.renderers.timetable import Timetable
from borgpull.sidecar import IN_SIDECAR
from borgpull.verbs import VERBS

# The words have no say in these: whoever renders decides it, or the container does.
OURS = ("launcher", "image", "network", "rung")


def read(words: Sequence[str]) -> Job:
    """The job of a command line. It is read by the command itself, as a container would read it.

    Raises UsageError, InvalidHost and whatever the command says of wrong words.
    """
    verb = words[0] if words else ""
    if verb not in VERBS or not VERBS[verb].unattended:
        able = ", ".join(name for name, row in VERBS.items() if row.unattended)
        raise UsageError(f"not a command to run unattended: {verb!r}", hint=f"one of {able}")
    if {"-h", "--help"} & set(options_of(words)):
        raise UsageError("these words ask for help, not for a job", hint="leave --help out")
    try:
        with read_only(), _as_in_a_container():
            _invoke(words)
    except JobRead as found:
        _require_ours(words, found.job, found.launch)
        # Where a drill restores to is for the host that runs it.
        return replace(found.job, scratch="") if isinstance(found.job, Drill) else found.job
    raise AssertionError(f"{verb} made no job")


def _invoke(words: Sequence[str]) -> None:
    reject_dash_hosts(list(words))
    command = _command(words[0])
    with command.make_context(f"{NAME} {words[0]}", list(words[1:])) as context:
        command.invoke(context)


@functools.cache
def _command(verb: str) -> Any:
    """A list of jobs asks for the same command thousands of times."""
    from borgpull.cli.app import made

    return made(verb)


def _require_ours(words: Sequence[str], job: Job, launch: Launch) -> None:
    usual = Launch()
    named = [name for name in OURS if getattr(launch, name) != getattr(usual, name)]
    if job.places != Places() or named or _named_for_a_drill(words, job):
        raise UsageError(
            "where things are, and how the container runs, is for the renderer to know",
            hint="name --repo, --image and the like before the --",
        )
    if not VERBS[job.verb].unattended:
        raise UsageError(f"not to be run unattended: {job.verb}")
    if "--exclude-from" in _options(words):
        raise UsageError("the container has no such file", hint="name each pattern by --exclude")
    for check in job.checks if isinstance(job, Drill) else ():
        _require_in_words(check, words)
        require_checks_run(job)


def _options(words: Sequence[str]) -> set[str]:
    return {word.partition("=")[0] for word in words}


def _named_for_a_drill(words: Sequence[str], job: Job) -> bool:
    """Where it restores to and reports to, and its memory."""
    if not isinstance(job, Drill):
        return False
    known = (job.scratch, job.memory) == (SCRATCH_FOLDER, None)
    return not known or "--report" in _options(words)


def _require_in_words(check: DrillCheck, words: Sequence[str]) -> None:
    """Raises UsageError for a check of a file."""
    text = f"{check.name}={check.run}"
    plain = check == DrillCheck(name=check.name, run=check.run)
    if not (plain and {text, f"--check={text}"} & set(words)):
        raise UsageError(
            "the container has no file of checks",
            hint="name the file before the --, or write --check NAME=COMMAND",
        )


@contextlib.contextmanager
def _as_in_a_container() -> Iterator[None]:
    """Without this user's variables and ~/.ssh/config: the container has none of them."""
    before = dict(os.environ)
    try:
        for name in [name for name in os.environ if name.startswith("BORGPULL_")]:
            del os.environ[name]
        os.environ[IN_SIDECAR] = "1"
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# Where renderers look for things if no option says so. These do not depend on who renders.
USUAL = Places(
    repo="/var/lib/borgpull/repo",
    state="/var/lib/borgpull/state",
    ssh_key="/etc/borgpull/ssh_key",
    known_hosts="",
    via_key="",
    passphrase="/etc/borgpull/passphrase",  # noqa: S106 - a path, not a secret
)


def when(timing: Timing, name: str) -> Timetable:
    """When what has this name runs. Raises UsageError."""
    return Timetable.parse(timing.schedule, timing.timezone, name, timing.window)


def plan(
    name: str,
    words: Sequence[str],
    timing: Timing,
    where: Where,
    through: Through,
    launch: Launch,
    certificates: Certificates | None = None,
    drilling: Drilling | None = None,
) -> Plan:
    """What is to run and when. Raises UsageError, and what `read` raises."""
    named = {
        "repo": where.repo,
        "state": where.state,
        "ssh_key": where.ssh_key,
        "known_hosts": where.known_hosts,
        "via_key": through.via_key,
        "passphrase": where.passphrase_file,
    }
    job = read(words)
    made = Plan(
        name=name,
        words=tuple(words),
        job=job,
        timetable=when(timing, name),
        places=replace(USUAL, **{key: text for key, text in named.items() if text is not None}),
        certificates=certificates.by_secret() if certificates else {},
        image=launch.image,
        network=launch.network,
        rung="sys-admin" if launch.rung is RungName.sys_admin else "userns",
    )
    return _on_its_host(made, job, drilling or Drilling()) if isinstance(job, Drill) else made


def _on_its_host(made: Plan, job: Drill, drilling: Drilling) -> Plan:
    """The plan of a drill with what that host gives its container.

    A file of checks is looked at if it is here, too. Raises UsageError.
    """
    words, files = list(made.words), list[str]()
    if drilling.check:
        require_checks_run(job)
    for word in drilling.check or ():
        if checkfile.named(word) is None:
            if os.access(word, os.R_OK):
                checkfile.text_for_a_container(word)
            files.append(word)
            word = check_file(len(files) - 1)
        words += ["--check", word]
    words += ["--report", REPORTS] if drilling.report else []
    memory = size(drilling.memory, "--memory")
    return replace(
        made,
        words=tuple(words),
        job=replace(job, scratch=drilling.scratch or "", memory=memory),
        reports=drilling.report or "",
        checks=tuple(files),
    )
