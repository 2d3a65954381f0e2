"""A CronJob a client, for as many as one cluster may have."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from borgpull.cli.rendered import Timing
from borgpull.errors import UsageError
from borgpull.renderers.timetable import Timetable
from tests.support.kubechecks import check
from tests.support.kubechecks.schemas import strict
from tests.support.manifests import fleet, objects
from tests.support.rounds import rounds

BORGPULL = Path(sys.executable).with_name("borgpull")
TEXT = """\
# two clients
pipe root@web1 /etc '/srv/my files'  # with a blank
pipe root@web2:2222
prune web1 --keep-daily 7
agent --connect-back node1:30022 root@web3
"""


def test_a_list_of_jobs(tmp_path: Path) -> None:
    found = objects(fleet(tmp_path, TEXT))
    assert check(found) == [] == strict(found)
    kinds = Counter(str(one["kind"]) for one in found)
    assert kinds["CronJob"] == 4
    assert kinds["PersistentVolumeClaim"] == 3, "a client's jobs share one"
    assert kinds["NetworkPolicy"] == 4, "one for each set of ports"
    assert kinds["ServiceAccount"] == 1


def test_a_client_more_changes_nothing_of_the_others(tmp_path: Path) -> None:
    before = fleet(tmp_path, TEXT, Timing(schedule="@daily"))
    after = fleet(tmp_path, "pipe root@web0\n" + TEXT, Timing(schedule="@daily"))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"base/kustomization.yaml"}


@pytest.mark.parametrize(
    "text",
    [
        "pipe root@web1\npipe root@web1 /etc\n",
        "agent --connect-back n:30022 root@a\nagent --connect-back n:30022 root@b\n",
    ],
)
def test_two_that_are_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="two jobs of the list"):
        fleet(tmp_path, text)


@pytest.mark.large
@pytest.mark.rounds
def test_a_large_fleet(tmp_path: Path) -> None:
    """On paper only: no cluster has had them. The time is the processor's, as others use it too."""
    number = rounds(few=300, many=10_000)
    jobs = tmp_path / "jobs"
    jobs.write_text("".join(f"pipe root@client-{at}.example.org /etc\n" for at in range(number)))
    argv = [str(BORGPULL), "render", "kube", "--name", "fl", "--jobs", str(jobs)]
    argv += ["--schedule", "@daily", "--window", "01:00-05:00"]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.monotonic()
    done = subprocess.run(argv, capture_output=True, check=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    texts = done.stdout.decode().split("---\n")
    crons = re.findall(r"^kind: CronJob\nmetadata:\n  name: (.*)$", done.stdout.decode(), re.M)
    starts = Counter(re.findall(r"^  schedule: (.*)$", done.stdout.decode(), re.M))
    peak, mean = max(starts.values()), number / 240
    seconds, megabytes = usage.ru_utime - before, usage.ru_maxrss / 1024
    told = (
        f"{number} clients: {seconds:.0f} s of the processor, {time.monotonic() - begin:.0f} s, "
        f"{megabytes:.0f} MB of memory, {len(done.stdout) / 1e6:.0f} MB of YAML; "
        f"{peak} starts in one minute, {mean:.0f} in the mean"
    )
    print(told)
    assert len(crons) == len(set(crons)) == sum(starts.values()) == number
    # 2.5 ms a client on one machine, 5 ms on another one: only what grows faster than the fleet is
    # a fault.
    assert seconds < 0.02 * number and megabytes < 500
    assert peak <= mean + 5 * mean**0.5
    assert set(starts) <= {f"{at % 60} {at // 60} * * *" for at in range(60, 300)}
    # The account, the policy, and then the claim and the CronJob of each client.
    assert len(texts) == 2 + 2 * number
    step = number // 50
    some = [*texts[:2], *(one for at in range(2, len(texts), step) for one in texts[at : at + 2])]
    found = [yaml.load(one, Loader=yaml.CSafeLoader) for one in some]
    assert check(found) == [] == strict(found[:6], "1.37")


def test_other_nicknames_spread_over_their_time(tmp_path: Path) -> None:
    names = [f"fl-pipe-client-{at}" for at in range(10_000)]
    daily = Counter(Timetable.parse("@daily", "UTC", name).cron for name in names)
    assert max(daily.values()) <= 3 * len(names) / 1440 and len(daily) > 1400
