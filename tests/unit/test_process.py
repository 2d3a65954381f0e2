"""How programs are run."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from borgpull.process import CommandError, TooMuchOutput, run, running
from borgpull.streams import MAX_STDERR

SCRIPT = """
import os, sys
from borgpull import process
process.as_batch()
words = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
print(process.run(words, timeout=60).stdout.decode().strip(), os.SCHED_BATCH)
"""


def test_what_a_batch_process_starts_is_one_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    policy, batch = done.stdout.split()
    assert policy == batch


ENDLESS = [sys.executable, "-c", "while True: print('x' * 1000)"]
# In kilobytes (getrusage(2)).
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def test_a_command_may_not_say_more_than_it_may() -> None:
    with pytest.raises(TooMuchOutput, match="said more than 1000000 bytes"):
        run(ENDLESS, timeout=60, max_output=1_000_000)


def test_of_endless_errors_the_end_is_kept() -> None:
    program = "import sys; sys.stderr.write('x' * 5_000_000 + 'the end'); print('out')"
    done = run([sys.executable, "-c", program], timeout=60)
    assert (done.stdout, len(done.stderr)) == (b"out\n", MAX_STDERR)
    assert done.stderr.endswith("the end")


def test_large_input_goes_there_and_back() -> None:
    data = os.urandom(1 << 20) * 20
    assert run(["cat"], timeout=60, stdin=data).stdout == data
    assert run(["true"], timeout=60, stdin=data).returncode == 0, "it takes none of it"


def test_a_command_that_takes_too_long() -> None:
    with pytest.raises(CommandError, match=r"took over 2 s") as found:
        run(["sh", "-c", "echo why >&2; sleep 60"], timeout=2)
    assert found.value.stderr == "why\n"


def test_a_child_waits_for_who_reads_its_lines() -> None:
    """Its memory, and ours, does not grow with what it says."""
    program = f"""
import sys
from borgpull.process import running
{PEAK}
words = [sys.executable, "-c", "for _ in range(300): print('x' * 1000000)"]
with running(words, name="x") as child:
    number = sum(item is not None for item in child.lines())
{PEAK}
print(number)
"""
    done = run([sys.executable, "-c", program], timeout=120)
    before, after, lines = map(int, done.stdout.split())
    assert lines == 300
    assert after - before < 64 << 10


def test_a_child_whose_lines_nobody_reads_goes_on() -> None:
    program = "for _ in range(40): print('x' * 1000000)"
    with running([sys.executable, "-c", program], name="x") as child:
        assert child.wait(30) == 0
    with running(ENDLESS, name="x") as child:
        for _ in child.lines():
            break
    assert not child.alive()


def test_a_child_is_waited_for_no_longer_than_said() -> None:
    with running(["sh", "-c", "sleep 0.2; exit 7"], name="short") as child:
        assert child.wait(20) == 7
        assert child.wait(0) == 7
    with running(["sleep", "60"], name="long") as child:
        begun = time.monotonic()
        with pytest.raises(CommandError):
            child.wait(0.2)
        assert 0.2 <= time.monotonic() - begun < 10


def test_a_kernel_without_pidfds_only_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_pid: int) -> int:
        raise PermissionError  # as by an old seccomp profile

    monkeypatch.setattr(os, "pidfd_open", denied)
    with running(["sh", "-c", "sleep 0.2; exit 7"], name="short") as child:
        assert child.wait(20) == 7


def test_a_number_of_a_child_that_is_gone_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process may have it by now."""
    with running(["sh", "-c", "exit 7"], name="short") as child:
        while child.alive():
            time.sleep(0.01)
        monkeypatch.setattr(os, "pidfd_open", lambda _pid: pytest.fail("it was asked for"))
        assert child.wait(20) == 7
