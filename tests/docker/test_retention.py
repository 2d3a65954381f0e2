"""prune, check and status on real repositories: what stock borg would keep of the verified archives
stays, and whatever kills a prune, no archive is called vanished."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg.repository import may_count
from borgpull.drills.flip import flip_within
from borgpull.state import ledger
from tests.support import ends
from tests.support import lab as laboratory
from tests.support.lab import Completed, Lab
from tests.support.rounds import rounds

pytestmark = pytest.mark.docker

CLIENT = "web1"
RULES = ("--keep-last", "2", "--keep-hourly", "3", "--keep-daily", "7", "--keep-weekly", "4")
# Long ago, so that no archive is in the way of those.
LONG_AGO = ("--keep-within", "1H")
# Names that borg could take for something else.
ODD = ("-dash", "{now}", "sp ace")

# Runs borg once an archive, without its start: a second each otherwise.
_MANY = """
import json, os, sys
from borg import archiver
os.environ["BORG_PASSPHRASE"] = open("/run/secrets/passphrase").read().rstrip("\\n")
os.environ["BORG_BASE_DIR"] = "/tmp/many"
os.chdir("/etc")
for name, stamp in json.loads(sys.argv[1]):
    if os.fork() == 0:
        word = "::" + name.replace("{", "{{").replace("}", "}}")
        sys.argv = ["borg", "create", "--timestamp", stamp, word, "hostname"]
        archiver.main()
    assert os.wait()[1] == 0, name
"""

# Random lists and rules: what our program says is kept, and what `borg prune --list` says.
_SAME = """
import json, logging, os, random, re, sys, time
from argparse import Namespace
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from borg import archiver
from borg.helpers import PRUNING_PATTERNS, interval
from borg.logger import setup_logging
from borgpull.borg.inside import retention

class Info:
    def __init__(self, number, ts):
        self.name, self.id, self.ts = f"a{number}", number.to_bytes(32, "big"), ts

class Archives(list):
    def __iter__(self):
        return (info.name for info in list.__iter__(self))
    def list(self, **_):
        return sorted(reversed(self), key=lambda info: info.ts, reverse=True)

setup_logging(level="error")
said = []
class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())
output = logging.getLogger("borg.output.list")
output.setLevel("INFO")
output.addHandler(Said())
archiver.Cache = lambda *args, **more: nullcontext()
source = random.Random(sys.argv[1])
kept_some = 0
for _ in range(400):
    os.environ["TZ"] = source.choice(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata"])
    time.tzset()
    now = datetime.now(UTC)
    span = source.choice([3600, 86400 * 3, 86400 * 70, 86400 * 3000])
    found = [now - timedelta(seconds=source.randrange(span)) for _ in range(source.randrange(40))]
    found += source.sample(found, len(found) // 4)  # of one time
    infos = Archives(Info(number, ts) for number, ts in enumerate(sorted(found)))
    numbers = {r: source.choice([-1, 0, 1, 2, 5]) for r in PRUNING_PATTERNS if source.random() < .4}
    within = source.choice([None, "2H", "3d", "1m"])
    if within is None and not any(numbers.values()):
        continue
    rules = dict.fromkeys(PRUNING_PATTERNS) | numbers
    args = Namespace(
        **rules, within=within and interval(within), prefix=None, glob_archives=None, iec=False,
        save_space=False, dry_run=True, output_list=True, stats=False, quick_stats=False,
    )
    said.clear()
    archiver.Archiver.lock_wait = 1
    stock = archiver.Archiver.do_prune
    while hasattr(stock, "__wrapped__"):
        stock = stock.__wrapped__
    stock(archiver.Archiver(), args, None, Namespace(archives=infos), None)
    lines = [re.match(r"Keeping archive \\(rule: (.*)\\): +(\\S+)", text) for text in said]
    theirs = {line[2]: line[1] for line in lines if line}
    rows = [[info.id.hex(), info.ts.isoformat()] for info in list.__iter__(infos)]
    ours = retention.kept({"archives": rows, "within": within, "numbers": numbers})
    named = {info.id.hex(): info.name for info in list.__iter__(infos)}
    ours = {named[key]: f"{rule} #{n}" for key, (rule, n) in ours.items()}
    assert ours == theirs, (ours, theirs, within, numbers)
    kept_some += 0 < len(ours) < len(rows)
print(kept_some)
"""


def python(lab: Lab, script: str, *words: str, repository: str = CLIENT) -> str:
    """A program beside stock borg, in its container."""
    argv = ["docker", "exec", "-e", f"BORG_REPO=/repo/{repository}", "-e", "BORG_SELFTEST=disabled"]
    argv += [lab._stock_borg(), "python3", "-P", "-c", script, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ours(lab: Lab, *words: str) -> Completed:
    return lab.sidecar(*words, rung="none")


def make(lab: Lab, client: str, archives: dict[str, datetime], *, adopt: bool = True) -> None:
    """Archives by borg, by hand, of a repository that is ours."""
    if not (lab.repo / client).exists():
        done = ours(lab, "init", client)
        assert done.rc == 0, done.stderr
    stamps = [[name, f"{when:%Y-%m-%dT%H:%M:%S}"] for name, when in archives.items()]
    python(lab, _MANY, json.dumps(stamps), repository=client)
    if adopt:
        words = [f"--adopt={name}" for name in archives if may_count(name)]
        done = ours(lab, "acknowledge", client, *words)
        assert done.rc == 0, done.stderr


def listed(lab: Lab, client: str) -> dict[str, str]:
    """The standing of each archive, the vanished ones among them."""
    data = ours(lab, "list", "--json", client).result["data"]
    there = {item["name"]: item["standing"] for item in data["archives"]}
    return there | {item["name"]: "vanished" for item in data["vanished"]}


def spread() -> dict[str, datetime]:
    """Every few hours, then days, then weeks, with odd names among them."""
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    hours = [*range(0, 10, 2), *range(10, 24 * 9, 21), *range(24 * 9, 24 * 60, 24 * 11)]
    names = [*ODD, *(f"n{number}" for number in range(len(hours)))]
    return dict(zip(names, (now - timedelta(hours=at) for at in hours), strict=False))


def files(*folders: Path) -> list[tuple[str, int, int]]:
    """All files, with size and mtime."""
    paths = [path for folder in folders for path in folder.rglob("*")]
    return sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths)


def last_good(lab: Lab, client: str) -> dict[str, Any]:
    path = lab.state / "clients" / client / "last-good.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def test_any_rules_keep_what_borg_would_keep(lab: Lab) -> None:
    seed = os.environ.get("BORGPULL_TEST_SEED", str(time.time_ns()))
    print(f"BORGPULL_TEST_SEED={seed}")
    assert int(python(lab, _SAME, seed)) > 50


def test_what_is_kept_what_goes_and_what_is_refused(lab: Lab) -> None:
    archives = spread()
    late = datetime.now(UTC)
    make(lab, CLIENT, {**archives, "x.unverified-1": late, "x.checkpoint": late})
    said = python(
        lab,
        "import os, subprocess as s\n"
        "os.environ['BORG_PASSPHRASE'] = open('/run/secrets/passphrase').read().rstrip('\\n')\n"
        "w = ['borg', 'prune', '--dry-run', '--list', *__import__('sys').argv[1:]]\n"
        "print(s.run(w, check=True, stderr=s.STDOUT, stdout=s.PIPE, text=True).stdout)",
        *RULES,
        "--glob-archives",
        "[!x]*",
    )
    stock = {
        name: rule or None
        for rule, name in re.findall(
            r"^(?:Would prune:|Keeping archive \(rule: (.*?)\):) +(\S.*?) +\w{3}, ", said, re.M
        )
    }
    assert stock.keys() == archives.keys(), said
    assert 0 < sum(rule is None for rule in stock.values()) < len(stock)

    before = files(lab.repo / CLIENT, lab.state)
    done = ours(lab, "prune", "--json", "--dry-run", CLIENT, *RULES)
    assert done.rc == 0, done.stdout + done.stderr
    told = {item["archive"]: item["kept_by"] for item in done.events if item["event"] == "item"}
    assert told == stock
    assert files(lab.repo / CLIENT, lab.state) == before
    gone = {name for name, rule in stock.items() if rule is None}
    assert set(done.result["data"]["removed"]) == gone

    make(lab, CLIENT, {"stranger": late}, adopt=False)
    done = ours(lab, "prune", CLIENT, *RULES)
    assert (done.rc, "stranger" in done.stderr) == (68, True), done.stderr
    done = ours(lab, "acknowledge", CLIENT, "--delete", "stranger")
    assert done.rc == 0, done.stderr
    assert last_good(lab, CLIENT) == {}

    done = ours(lab, "prune", CLIENT, *RULES)
    assert done.rc == 0, done.stderr
    assert (
        done.stdout.splitlines()[-1]
        == f"{len(gone)} archives removed, {len(told) - len(gone)} kept"
    )
    unverified = {"x.unverified-1": "unverified", "x.checkpoint": "unverified"}
    kept = dict.fromkeys(archives.keys() - gone, "verified")
    assert listed(lab, CLIENT) == kept | unverified
    assert last_good(lab, CLIENT).keys() == {"prune"}

    done = ours(lab, "prune", CLIENT, *LONG_AGO)  # whatever the rules say, the newest stays
    assert done.rc == 0, done.stderr
    assert listed(lab, CLIENT) == {"-dash": "verified"} | unverified
    lab.borg(CLIENT, "delete", "--", "::-dash")
    done = ours(lab, "prune", "--dry-run", CLIENT, *RULES)
    assert (done.rc, "nothing is removed or freed" in done.stderr) == (65, True), done.stderr
    done = ours(lab, "check", CLIENT)
    assert (done.rc, "the repository is whole" in done.stderr) == (65, True), done.stderr
    assert last_good(lab, CLIENT).keys() == {"prune"}


# In turn: in a prune, in its compact, and in a prune by SIGTERM.
KILLS = rounds(few=3, many=30)


@pytest.mark.rounds
@pytest.mark.timeout(300 + 30 * KILLS)
def test_killed_at_any_moment(lab: Lab) -> None:
    """Of the command, at random; the next one of any kind goes on, and so does the next prune."""
    seed = os.environ.get("BORGPULL_TEST_SEED", str(time.time_ns()))
    print(f"BORGPULL_TEST_SEED={seed}")
    source = random.Random(seed)
    client, number = "killed", 3 * KILLS + 4
    start = datetime.now(UTC) - timedelta(days=100)
    make(lab, client, {f"n{at:02}": start + timedelta(hours=at) for at in range(number)})
    container = lab._standing("none", (), network=False)
    left = number
    for round_ in range(KILLS):
        words = ["borgpull", "prune", "--json", "--keep-last", str(left - 3), client]
        argv = ["docker", "exec", container, *words]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            phase = "compact" if round_ % 3 == 1 else "prune"
            found = next((line for line in run.stdout if f'"name": "{phase}"' in line), None)
            assert found, "it never came to that"
            time.sleep(source.random() * 1.2)
            signum = signal.SIGTERM if round_ % 3 == 2 else signal.SIGKILL
            ends.kill_inside(container, "borgpull", signum=signum)
            run.stdout.read()
        what = f"round {round_}: {run.wait(60)}"
        assert run.returncode in (0, 128 + signum), what
        there = listed(lab, client)
        assert set(there.values()) == {"verified"}, what
        assert len(there) >= left - 3, what
        assert f"n{number - 1:02}" in there, what
        assert not ends.borg_locks(lab.repo / client), what
        left = len(there)
    done = ours(lab, "check", "--json", client)
    assert done.rc == 0, done.stdout + done.stderr
    data = {"verify_data": False, "archives": left, "verified": left}
    assert done.result["data"] == data
    done = ours(lab, "prune", "--json", "--keep-last", "3", client)
    assert done.rc == 0, done.stdout + done.stderr
    assert (len(done.result["data"]["removed"]), done.result["data"]["kept"]) == (left - 3, 3)
    assert set(listed(lab, client).values()) == {"verified"}
    assert last_good(lab, client).keys() == {"prune", "check"}


def test_a_damaged_segment_and_what_status_says(lab: Lab) -> None:
    client, now = "damaged", datetime.now(UTC)
    make(lab, client, {"a": now - timedelta(days=1), "b": now})
    assert ours(lab, "check", "--verify-data", client).rc == 0
    good = last_good(lab, client)
    flip_within(lab.repo / client)
    for words in ((), ("--verify-data",)):
        done = ours(lab, "check", "--json", client, *words)
        assert (done.rc, done.result["failure"]["error"]) == (56, "RepositoryDamaged"), done.stdout
        assert any(item["event"] == "warning" for item in done.events), done.stdout
    assert last_good(lab, client) == good
    flip_within(lab.repo / client)  # it is as before
    assert ours(lab, "check", client).rc == 0

    # Neither passphrase nor network, nor anything that can be written.
    limits = ("--max-check-age", "1h", "--max-prune-age", "1h")
    ledger.record(lab.state, client, {"archive": "a"}, {"id": "1", "time": now.isoformat()})
    shutil.copytree(lab.state / "clients" / client, lab.state / "clients" / "no-repository")
    alone = ("--network", "none", "--read-only", "-v", f"{lab.repo}:/repo:ro")
    argv = ["docker", "run", "--rm", "--label", lab.label, *alone, "-v", f"{lab.state}:/state:ro"]
    argv.append(laboratory.IMAGE)
    done_ = subprocess.run(
        [*argv, "status", *limits], capture_output=True, text=True, timeout=60, check=False
    )
    assert done_.returncode == 57, done_.stdout + done_.stderr
    rows = {line.split()[0]: line for line in done_.stdout.splitlines()}
    assert re.search(r"never !.* red$", rows[client]), done_.stdout
    assert rows["no-repository"].endswith("red, no repository"), done_.stdout
    done = ours(lab, "status", "--json", client, "--max-backup-age", "1h", "--max-check-age", "1h")
    assert (done.rc, done.result["data"]["clients"][0]["ok"]) == (0, True), done.stdout
