"""The user's checks: what did not run is no pass, whatever was expected."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from borgpull import asking
from borgpull.asking import Answer
from borgpull.drills import checks
from borgpull.events import silent
from borgpull.jobs import DrillCheck
from borgpull.outputs.drills import Checked

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes others")
NOT_RUN = "could not verify"


def ran(root: Path, **fields: object) -> Checked:
    usual: dict[str, object] = {"name": "one", "chroot": False}
    check = DrillCheck(**{**usual, **fields})  # type: ignore[arg-type]
    (done,) = checks.run_all(root, (check,), silent)
    return done


@pytest.mark.parametrize(
    ("run", "fields", "outcome"),
    [
        ("true", {}, "pass"),
        ("false", {}, "differs"),
        ("exit 3", {"expect": 3}, "pass"),
        ("true", {"expect": 3}, "differs"),
        ("echo ok", {"output": "^ok$"}, "pass"),
        ("echo ok >&2", {"output": "ok"}, "pass"),
        ("echo no", {"output": "ok"}, "differs"),
        ("no-such-program", {}, NOT_RUN),
        ("no-such-program", {"expect": 1}, NOT_RUN),
        ("/", {}, NOT_RUN),
        ("kill -9 $$", {}, NOT_RUN),
        ("sleep 60", {"timeout": 1}, NOT_RUN),
        ("cat /dev/zero", {}, NOT_RUN),
        ("true", {"user": "no-such-user"}, NOT_RUN),
        ("true", {"user": "no-such-user", "expect": 1}, NOT_RUN),
        ("true", {"user": "no-such-user", "expect": 127}, NOT_RUN),
        ("test $(id -u) = 65534", {"user": "65534"}, "pass"),
        ('test -z "$HOME_OF_THIS" && test $(pwd)', {}, "pass"),
    ],
)
def test_outcomes(
    run: str,
    fields: dict[str, object],
    outcome: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME_OF_THIS", "secret")
    done = ran(tmp_path, run=run, **fields)
    assert done["outcome"] == outcome, done
    assert bool(done["detail"]) == (outcome != "pass")


def test_it_is_told_where_the_tree_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the client")
    done = ran(tmp_path, run='cat "$BORGPULL_RESTORED/file"')
    assert (done["outcome"], done["output"]) == ("pass", "of the client")


@pytest.mark.parametrize("expect", [0, 1, 125, 126, 127])
def test_a_root_without_a_shell_runs_nothing(expect: int, tmp_path: Path) -> None:
    assert ran(tmp_path, run="true", chroot=True, expect=expect)["outcome"] == NOT_RUN


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With a shell."""
    busybox = shutil.which("busybox")
    kind = subprocess.run(["ldd", busybox or "/"], capture_output=True, check=False)
    if busybox is None or kind.returncode == 0:
        pytest.skip("there is no busybox without libraries")
    made = tmp_path / "root"
    for name in ("bin", "dev", "etc"):
        (made / name).mkdir(parents=True)
    shutil.copy2(busybox, made / "bin/busybox")
    for name in ("sh", "cat", "sleep", "echo", "id", "test"):
        (made / "bin" / name).symlink_to("busybox")
    return made


def test_it_runs_with_the_tree_as_its_root(root: Path) -> None:
    (root / "etc/name").write_text("client\n")
    done = ran(root, run="cat /etc/name", chroot=True, output="^client$")
    assert done["outcome"] == "pass", done
    assert ran(root, run="exit 2", chroot=True)["outcome"] == "differs"
    assert ran(root, run="true", chroot=True, user="nobody-there")["outcome"] == NOT_RUN


def test_what_a_check_has_started_ends_with_it(root: Path, tmp_path: Path) -> None:
    """Also if the way to the tree has a symlink in it."""
    link = tmp_path / "link"
    link.symlink_to(root)
    done = ran(link, run="sleep 1000 </dev/null >/dev/null 2>&1 & echo $!", chroot=True)
    assert done["outcome"] == "pass", done
    left = Path("/proc") / done["output"].strip()
    for _ in range(100):
        if not left.exists() or "Z" in (left / "stat").read_text().split()[2]:
            break
        time.sleep(0.01)
    else:
        pytest.fail("it goes on")


def test_usual_devices_are_made_where_they_lack(tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    checks.devices(tmp_path / "without")
    assert (tmp_path / "without/dev/null").is_char_device()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/zero").write_text("the client's")
    checks.devices(tmp_path)
    null = (tmp_path / "dev/null").stat()
    assert stat.S_ISCHR(null.st_mode)
    assert (null.st_rdev, null.st_mode & 0o777) == (os.makedev(1, 3), 0o666)
    assert (tmp_path / "dev/zero").read_text() == "the client's"


def test_a_symlink_leads_no_device_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root/dev").symlink_to(tmp_path / "elsewhere")
    checks.devices(tmp_path / "root")
    assert not list((tmp_path / "elsewhere").iterdir())


def elsewhere(root: Path, answer: Answer, **fields: object) -> Checked:
    """Of a check in an image, where the launcher gives this answer."""
    answered = asking.listen()
    check = DrillCheck(name="one", image="theirs", **fields)  # type: ignore[arg-type]
    (done,) = checks.run_all(root, (check,), lambda event: answered(answer.line(0)))
    return done


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(code=0, output="ok"), "pass"),
        (Answer(code=1, output="ok"), "differs"),
        (Answer(code=0, output="no"), "differs"),
        (Answer(code=127, output="ok"), NOT_RUN),
        (Answer(code=137, output="ok"), NOT_RUN),
        (Answer(why="late", output="ok"), NOT_RUN),
        (Answer(), NOT_RUN),
        (Answer(code=0, output="ok", left="a container"), "error"),
    ],
)
def test_what_came_of_another_container_is_judged_here(
    answer: Answer, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_answers", None)
    done = elsewhere(tmp_path, answer, run="true", output="^ok$")
    assert (done["outcome"], done["image"]) == (outcome, "theirs"), done
    assert bool(done["detail"]) == (outcome != "pass")


def test_without_a_launcher_no_image_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_answers", None)
    assert ran(tmp_path, run="true", image="theirs")["outcome"] == NOT_RUN


def test_another_user_gets_to_the_tree_and_only_meanwhile(tmp_path: Path) -> None:
    root = tmp_path / "scratch" / "private" / "tree"
    root.mkdir(parents=True)
    for folder in root.parents[:2]:
        folder.chmod(0o700)
    with checks.passable(root):
        assert [folder.stat().st_mode & 0o777 for folder in root.parents[:2]] == [0o711] * 2
    assert [folder.stat().st_mode & 0o777 for folder in root.parents[:2]] == [0o700] * 2
