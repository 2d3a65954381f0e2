"""Doctor: which rung of privilege this place allows, and what the client offers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from borgpull import jobs
from borgpull.client import helper, room
from borgpull.client.borg import choose, relay, ssh_program
from borgpull.client.folder import Place
from borgpull.client.setup import probe
from borgpull.errors import BorgpullError, ClientFull, ClientUnsuitable, NoSftp
from borgpull.events import Emit
from borgpull.jail import namespace as namespaces
from borgpull.jail import sshfs
from borgpull.methods.clock import wrong
from borgpull.ops.private import private_folder
from borgpull.outputs.hosts import Check
from borgpull.places import Places
from borgpull.process import CommandError
from borgpull.readers.shell.start import fitting
from borgpull.results import Result
from borgpull.ssh import config as ssh_config
from borgpull.ssh import hostkeys, sftp, words
from borgpull.ssh.config import SshConfig
from borgpull.ssh.route import to_client
from borgpull.ssh.session import Session, connected


def diagnose(job: jobs.Doctor, emit: Emit) -> Result:
    """Run all checks. The result is not `ok` if one failed; ssh errors become failed checks."""
    checks = [*place_checks(), *folder_checks(job.places)]
    if job.route is not None:
        with private_folder() as folder:
            checks += client_checks(job.route, job.places, job.client, folder)
    return Result(verb=job.verb, client=job.client).checked(*checks)


def check(name: str, ok: bool | None, text: str, hint: str = "") -> Check:
    return {"name": name, "ok": ok, "text": text, "hint": hint if ok is not True else ""}


def attempt(name: str, good: str, action: Callable[[], object]) -> Check:
    """A check that holds if the action raises no error of ours."""
    try:
        action()
    except BorgpullError as error:
        return check(name, False, error.message, error.hint)
    return check(name, True, good)


# --- the place where the job runs -----------------------------------------------------------------


def place_checks() -> list[Check]:
    return [
        attempt("fuse", "/dev/fuse can be opened", namespaces.require_fuse),
        rung_check(),
        apparmor_check(),
        userns_check(),
        selinux_check(),
        sshfs_check(),
    ]


def rung_check() -> Check:
    """The rung in use, and what a lower one lacks."""

    def enter() -> None:
        with namespaces.namespace():
            pass

    if not namespaces.has_sys_admin():
        return attempt("privilege", "lowest rung: own user namespace, no added capability", enter)
    found = attempt("privilege", "SYS_ADMIN; no seccomp profile of ours is needed", enter)
    if found["ok"]:
        found["text"] += "; for the lowest rung drop SYS_ADMIN and add our seccomp profile"
    return found


def apparmor_check() -> Check:
    label = read_text("/proc/self/attr/current").strip("\0\n ")
    if label in ("", "unconfined"):
        return check("apparmor", True, "not confined")
    return check(
        "apparmor",
        None,
        f"confined by {label}; docker-default denies every mount",
        "docker run --security-opt apparmor=unconfined",
    )


def userns_check() -> Check:
    """Switches that forbid user namespaces: Ubuntu 23.10 and newer, older Debian, sysctl limits."""
    for name, bad, what in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor restricts user namespaces"),
        ("kernel/unprivileged_userns_clone", "0", "user namespaces are switched off"),
        ("user/max_user_namespaces", "0", "user namespaces are switched off"),
    ):
        sysctl = name.replace("/", ".")
        if read_text(f"/proc/sys/{name}").strip() == bad:
            return check(
                "user namespaces",
                None if namespaces.has_sys_admin() else False,
                f"{what} on this host ({sysctl} = {bad})",
                f"sysctl -w {sysctl}={1 - int(bad)} on the host, or --cap-add SYS_ADMIN",
            )
    return check("user namespaces", True, "no switch of the host forbids them")


def selinux_check() -> Check:
    if read_text("/sys/fs/selinux/enforce").strip() == "1":
        return check(
            "selinux", None, "enforcing", "if mounts are denied: --security-opt label=disable"
        )
    return check("selinux", True, "not enforcing")


def sshfs_check() -> Check:
    try:
        options = sshfs.options(writable=False)
    except CommandError as error:
        return check("sshfs", False, str(error), "use the image borgpull")
    if "no_contain_symlinks" in options:
        return check("sshfs", True, "patched for CVE-2026-47187, and saves absolute symlinks")
    return check("sshfs", None, "from before the fix of CVE-2026-47187", "use a newer image")


def folder_checks(places: Places) -> list[Check]:
    found = []
    for name, path in (("repositories", places.repo), ("state", places.state)):
        ok = Path(path).is_dir() and os.access(path, os.W_OK)
        text = f"{path} is {'writable' if ok else 'missing or not writable'}"
        found.append(check(name, ok, text, f"mount a volume at {path}"))
    return found


def read_text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


# --- the client -----------------------------------------------------------------------------------


def client_checks(route: jobs.Route, places: Places, client: str, folder: Path) -> list[Check]:
    target, via = route.target, f"--via {route.via} " if route.via else ""
    known = [
        line
        for path in ssh_config.known_hosts_files(places)
        for line in hostkeys.pinned(target, Path(path))
    ]
    found = [
        check("host key", True, "pinned")
        if known
        else check(
            "host key",
            False,
            f"the host key of {target} is not known",
            f"borgpull trust {via}{target}",
        )
    ]
    try:
        config = to_client(route, places, client, folder)
        with connected(config, folder) as session:
            sftp_found, shell_found = sftp_checks(config, folder), shell_checks(session)
            found += [*sftp_found, *shell_found, *neither_check(sftp_found, shell_found)]
            return [*found, *reader_check(session, sftp_found, shell_found)]
    except BorgpullError as error:
        return [*found, check("login and sftp", False, error.message, error.hint)]


def sftp_checks(config: SshConfig, folder: Path) -> list[Check]:
    """Raises the errors that are not about SFTP alone."""
    user = f"logged in as {config.target}"
    try:
        (mountinfo,) = sftp.fetch(config, folder, "/proc/self/mountinfo")
    except NoSftp as error:
        text = error.message.partition(": ")[2]
        said = f"{user}; no SFTP{': ' if text else ''}{text}"
        return [check("login and sftp", None, said, f"sshfs needs it, pipe does not; {error.hint}")]
    found = [check("login and sftp", True, f"{user}; SFTP answers")]
    if mountinfo is not None:
        return [*found, check("mounts", True, "the client shows its mounts")]
    text, hint = "the client shows no /proc/self/mountinfo", "exclude its pseudo file systems"
    return [*found, check("mounts", None, text, f"{hint} with --exclude")]


def neither_check(by_sftp: Sequence[Check], by_shell: Sequence[Check]) -> list[Check]:
    """A failed check if the login gets neither SFTP nor a shell: then no method works."""
    if by_sftp[0]["ok"] or by_shell[0]["name"] != "shell":
        return []
    said, hint = by_shell[0]["text"], by_shell[0]["hint"]
    return [check("methods", False, f"neither SFTP nor a shell for this login; {said}", hint)]


def reader_check(
    session: Session, by_sftp: Sequence[Check], by_shell: Sequence[Check]
) -> list[Check]:
    """What would read for `stream`, and whether it can restore; nothing for a key of `pipe`."""
    if by_shell[0]["name"] not in ("user", "shell"):
        return []
    if version := helper.python(session):
        free = by_shell[0]["name"] == "user"
        text = f"the reader is python ({version})"
        return [check("stream", True, f"{text}; restore works by it, too" if free else text)]
    text = "no python3 of 3.6 or newer runs there"
    if kind := fitting(session, sudo=False):
        text = f"the reader is {kind}: {text}"
    elif by_sftp[0]["ok"]:
        text = f"the reader is sftp: {text}"
    else:
        text = f"no reader: {text}, and no SFTP"
    hint = "restore by stream needs that Python; docs/restore.md has other ways"
    return [check("stream", None, text, hint)]


def shell_checks(session: Session) -> list[Check]:
    """What can be known of a client without leaving anything there."""
    facts, done = probe(session)
    if facts.forced:
        if "stream" in facts.knows:
            return [
                check("shell", True, "the key reads some paths by stream, and does nothing else")
            ]
        paths = " ".join(facts.forced_paths)
        return [check("borg there", True, f"the key saves {paths} by pipe, and does nothing else")]
    if not facts.user:
        spoken = words.said(done.stdout.decode(errors="replace"), done.stderr)
        hint = "only sshfs works, and what it cannot carry is not counted"
        text = f"no shell on the client{': ' if spoken else ''}{spoken}"
        return [check("shell", None, text, words.advice(spoken, session.config.target) or hint)]
    root = facts.user.split()[0] == "0"
    return [
        check(
            "user",
            True if root else None,
            f"on the client we are {'root' if root else facts.user}",
            "files that this user may not read fail the backup, unless --allow-unreadable; "
            "pipe can use --sudo",
        ),
        check("client", True, f"{facts.machine}; has {', '.join(sorted(facts.has)) or 'no tools'}"),
        *(
            [check("clock", None, text, "set the clock there")]
            if (text := wrong(facts.skew))
            else []
        ),
        borg_check(Looked(session, facts, sudo=False)),
    ]


class Looked(Place):
    """A client that is only looked at: nothing is sent."""

    def stream_runtime(self) -> None:
        self.fitting_runtime()


def borg_check(place: Place) -> Check:
    """The borg that would run on the client, and the methods that could use it."""
    own = place.facts.borg_path
    try:
        if not place.facts.folder:
            raise room.no_place(place.session.config.target, place.facts.refused)
        which = "its own" if choose(place, None) == own else "ours, which is sent"
    except (ClientUnsuitable, ClientFull) as error:
        try:
            if not place.facts.folder:
                raise
            which = f"its own, by --client-borg {choose(place, own or None)}"
        except (ClientUnsuitable, ClientFull):
            return check("borg there", None, f"only sshfs works: {error.message}", error.hint)
    text = f"{which}; pipe works"
    if others := forwarding_methods(place):
        text += f", and {', '.join(others)} if its sshd forwards (not tried)"
    return check("borg there", True, text)


def forwarding_methods(place: Place) -> list[str]:
    found = []
    for name, need in (("socat", relay), ("agent", ssh_program), ("forward", ssh_program)):
        with contextlib.suppress(ClientUnsuitable, ClientFull):
            need(place)
            found.append(name)
    return found
