"""What was named is in the archive, or the run says what is not: by both kinds of methods."""

from __future__ import annotations

import pytest

from tests.support.lab import Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
KEEP = True  # our programs on the client: what is left there is not looked at here

MAKE = r"""
mkdir -p /srv/n/etc/app /srv/n/full /srv/n/hollow /srv/n/o/u /srv/n/links
echo a >/srv/n/etc/app/a.conf; ln /srv/n/etc/app/a.conf /srv/n/etc/app/b.conf
ln /srv/n/etc/app/a.conf /srv/n/links/c.conf
echo full >/srv/n/full/file; echo u >/srv/n/o/u/one; ln /srv/n/o/u/one /srv/n/o/u/two
mkdir /srv/n/socks; cd /srv/n/socks; ssh-agent -D -a sock >/dev/null & pid=$!
until [ -S /srv/n/socks/sock ]; do sleep 0.1; done; kill -KILL $pid
ln -s full /srv/n/link; ln -s nowhere /srv/n/dangling
echo in >/srv/n/o/ram/in; echo other >/srv/n/o/ram/other
cd /srv/n/mix; odd=$(printf 'caf\351'); mkdir dead "$odd" caf_
mount -t tmpfs ram "$odd"
for folder in ram ram/a ram/b/disk/tmp "$odd"; do mkdir -p "$folder"; echo x >"$folder/out"; done
echo x >caf_/kept; echo x >ram/b/disk/kept; ln ram/b/disk/kept ram/b/disk/again
exec 3<>/dev/fuse # whose mount is dead as soon as nobody has it open
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 dead dead
mkdir -p /srv/n/twice/disk; mount --bind ram/b/disk /srv/n/twice/disk
"""
# A disk below a tmpfs, a tmpfs on it, another one; and what it takes to mount.
OPTIONS = (
    *("--tmpfs", "/srv/n/mix/ram", "-v", "/srv/n/mix/ram/b/disk"),
    *("--tmpfs", "/srv/n/mix/ram/b/disk/tmp", "--tmpfs", "/srv/n/o/ram"),
    *("--cap-add", "SYS_ADMIN", "--device", "/dev/fuse", "--security-opt", "apparmor=unconfined"),
)


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    made = lab.client("borgpull-borg12-client", SEED="0", options=OPTIONS)  # with a Python
    made.exec("sh", "-c", MAKE)
    return made


def run(lab: Lab, client: Client, method: str, *words: str) -> Completed:
    return lab.sidecar(method, "--json", "--init", client.address, *words)


def saved(lab: Lab, client: Client, done: Completed) -> list[str]:
    assert done.rc == 0, done.stdout[-2000:] + done.stderr
    archive = done.result["data"]["archive"]
    text = lab.borg(client.name, "list", "--format", "{path}{NUL}", f"::{archive}")
    return [name.removeprefix("srv/n/") for name in text.split("\0") if name]


def assert_told(done: Completed, code: int, *words: str) -> None:
    assert done.rc == code, done.stdout[-2000:] + done.stderr
    failure = done.result["failure"]
    said = f"{failure['message']} {failure['hint']}"
    assert all(word in said for word in words), said


@pytest.mark.parametrize("method", ["pipe", "stream", "sshfs"])
def test_a_named_path_that_is_not_in_the_archive_fails_the_run(
    lab: Lab, client: Client, method: str
) -> None:
    def go(*words: str) -> Completed:
        return run(lab, client, method, *words)

    pattern = ("--exclude", "/srv/n/full")
    assert_told(go(*pattern, "/srv/n/full", "/srv/n/etc"), 63, "/srv/n/full", pattern[1])
    assert_told(go("--exclude", "srv/n/full/*", "/srv/n/full"), 63, "/srv/n/full", "--exclude")
    done = go("/srv/n/hollow", "/srv/n/full", "/srv/n/socks")
    assert sorted(saved(lab, client, done)) == ["full", "full/file", "hollow", "socks"]
    told = [event["text"] for event in done.events if event["event"] == "warning"]
    assert [text for text in told if "sockets" in text], told
    # Two names of one inode, which borg leaves out; not by SFTP, which shows no hard links.
    both = ("/srv/n/etc/app/a.conf", "/srv/n/etc/app/b.conf")
    if method == "pipe":
        assert_told(go(*both), 63, both[1], "hard links")
    else:
        assert saved(lab, client, go(*both)) == ["etc/app/a.conf", "etc/app/b.conf"]
    # A file that is named before a folder with another name of it.
    assert set(saved(lab, client, go(both[0], "/srv/n/links"))) == {
        "etc/app/a.conf",
        "links",
        "links/c.conf",
    }


@pytest.mark.parametrize("method", ["pipe", "stream", "sshfs"])
def test_paths_that_lie_in_one_another_are_saved_once(
    lab: Lab, client: Client, method: str
) -> None:
    paths = ("/srv/n/o/u", "/srv/n/o", "/srv/n/o/u/one", "/srv/n/o/ram/in")
    found = saved(lab, client, run(lab, client, method, *paths))
    # The mount, too, that one of them lies in.
    ram = ["o/ram", "o/ram/in", "o/ram/other"]
    assert sorted(found) == ["o", *ram, "o/u", "o/u/one", "o/u/two"]


def test_a_disk_at_two_places_is_saved_at_both(lab: Lab, client: Client) -> None:
    """borg enters no folder that it was given before: the one that shows it again comes first."""
    done = run(lab, client, "pipe", "/srv/n/mix/ram/b/disk", "/srv/n/twice")
    found = saved(lab, client, done)
    assert {"twice/disk", "twice/disk/kept", "mix/ram/b/disk", "mix/ram/b/disk/kept"} <= set(found)


@pytest.mark.parametrize("method", ["pipe", "stream", "sshfs"])
def test_a_symlink_as_a_named_path_is_refused_with_its_target(
    lab: Lab, client: Client, method: str
) -> None:
    assert_told(run(lab, client, method, "/srv/n/link/"), 36, "/srv/n/link", "/srv/n/full")
    assert_told(run(lab, client, method, "/srv/n/dangling"), 36, "symlink", "/srv/n/nowhere")
    assert_told(run(lab, client, method, "/srv/n/full", "/srv/n/not"), 36, "/srv/n/not")


@pytest.mark.parametrize("method", ["pipe", "stream", "sshfs"])
def test_mounts_are_left_out_but_a_disk_below_one_is_saved(
    lab: Lab, client: Client, method: str
) -> None:
    done = run(lab, client, method, "/srv/n/mix")
    folders = ["mix", "mix/caf_", "mix/ram", "mix/ram/b", "mix/ram/b/disk", "mix/ram/b/disk/tmp"]
    files = ["mix/caf_/kept", "mix/ram/b/disk/again", "mix/ram/b/disk/kept"]
    assert sorted(saved(lab, client, done)) == sorted([*folders, *files, "mix/caf?"])
    data = done.result["data"]
    left_out = {item["path"].removeprefix("/srv/n/mix/"): item for item in data["left_out"]}
    assert set(left_out) == {"ram", "ram/b/disk/tmp", "caf\udce9", "dead"}
    # Each may hold what somebody wants: there is a warning, too.
    assert all(item.get("asked") is False for item in left_out.values()), left_out
    told = [event["text"] for event in done.events if event["event"] == "warning"]
    for name in ("dead (fuse)", "ram (tmpfs)"):
        assert any(f"/srv/n/mix/{name}" in text for text in told), told
    assert data["listings"] == "checked"
    assert data["losses"].get("hard_links") == (2 if method == "sshfs" else None), "of the disk"
    dry = run(lab, client, method, "--dry-run", "/srv/n/mix").result["data"]
    assert dry["items"] == len(folders) + len(files) + 1


@pytest.mark.parametrize("method", ["pipe", "stream", "sshfs"])
def test_a_dead_mount_as_a_named_path_is_told_with_the_clients_own_error(
    lab: Lab, client: Client, method: str
) -> None:
    done = run(lab, client, method, "/srv/n/full", "/srv/n/mix/dead", "/srv/n/not")
    dead = "/srv/n/mix/dead (Transport endpoint is not connected)"
    assert_told(done, 36, dead, "/srv/n/not (No such file or directory)", "may be dead")
