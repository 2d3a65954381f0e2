"""What borg and ssh say, as errors of ours."""

from __future__ import annotations

import json

import pytest

from borgpull import errors
from borgpull.addresses import Target
from borgpull.borg import messages
from borgpull.borg.command import is_failure, plain_log
from borgpull.borg.create import Created
from borgpull.borg.messages import FileWarning
from borgpull.ops.backup import judge_warnings
from borgpull.ssh.diagnose import from_ssh

WEB1 = Target.parse("web1")


def warning(msgid: str, text: str) -> dict[str, str]:
    return {"type": "log_message", "levelname": "WARNING", "msgid": msgid, "message": text}


def test_file_warnings() -> None:
    found = messages.file_warning(
        warning("BackupPermissionError", "a: b/c: open: [Errno 13] Permission denied: 'c'")
    )
    assert found == FileWarning("BackupPermissionError", "a: b/c", 13, "Permission denied")
    found = messages.file_warning(warning("BackupIOError", "x: [Errno 5] Input/output error"))
    assert found is not None
    assert (found.path, found.errno) == ("x", 5)
    found = messages.file_warning(
        warning("FileChangedWarning", "var/log/x: file changed while we backed it up")
    )
    assert found is not None
    assert found.path == "var/log/x"
    assert messages.file_warning({"type": "log_message", "levelname": "INFO", "msgid": "x"}) is None


def test_an_attribute_that_borg_may_not_read_is_no_file() -> None:
    """borg 1.4.5, xattr.py; of an open file it knows the number only."""
    said = "when getting extended attribute user.x: [Errno 1] Operation not permitted"
    attribute = "extended attribute user.x: Operation not permitted"

    def found(text: str, kind: str = "") -> FileWarning | None:
        return messages.file_warning(warning(kind, text))

    assert found(f"{said}: '<FD 5>'") == FileWarning(messages.ATTRIBUTE, "", 1, attribute)
    assert found(f"{said}: b'srv/caf\\xe9'") == FileWarning(
        messages.ATTRIBUTE, "srv/caf\udce9", 1, attribute
    )
    assert found(f"{said}: b'srv/x") == FileWarning(messages.ATTRIBUTE, "", 1, attribute)
    # A file of that name is a file.
    named = found(f"{said}: 'x'", messages.PERMISSION)
    assert named is not None and named.kind == messages.PERMISSION


def test_what_is_not_understood() -> None:
    def text(name: str, said: str, **more: str) -> str:
        return messages.not_understood({**warning("", said), "name": name, **more})

    assert text("borg.archiver", "what?") == "what?"
    assert text("borg.xattr", "what?") == "what?"
    assert text("borg.cache", "Cache integrity data not available") == ""
    assert text("borg.archiver", "Using a pure-python msgpack! This is slow.") == ""
    assert text("borg.archiver", "a: file changed while we backed it up") == ""
    assert text("borg.archiver", "x", msgid="IncludePatternNeverMatchedWarning") == ""
    assert text("borg.archiver", "x", levelname="INFO") == ""


def test_parse_passes_over_what_is_no_message() -> None:
    assert messages.parse(b"plain\n") is None
    assert messages.parse(b"{broken\n") is None
    assert messages.parse(b'{"a": 1}\n') is None
    assert messages.parse(b'{"type": "x"}\n') == {"type": "x"}


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (52, "passphrase supplied ... is incorrect.", errors.PassphraseWrong),
        (50, "", errors.PassphraseMissing),
        (13, "Repository /repo/x does not exist.", errors.RepositoryMissing),
        (73, "Failed to create/acquire the lock", errors.RepositoryLocked),
        (72, "", errors.RepositoryNotWritable),
        (2, "OSError: [Errno 28] No space left on device", errors.DiskFull),
        (14, "Insufficient free space", errors.DiskFull),
        (2, "[Errno 13] Permission denied: '/repo/x'", errors.RepositoryNotWritable),
        (2, "something else", errors.BorgFailed),
        (-9, "", errors.BorgFailed),
        (30, "Archive x already exists", errors.ArchiveExists),
    ],
)
def test_exit_codes(code: int, text: str, expected: type[errors.BorgpullError]) -> None:
    assert type(messages.from_exit(code, text, "web1")) is expected


# What borg on a client logs where `borg serve` may not write; the middle of its traceback left out.
REMOTE = """\
Traceback (most recent call last):

  File "/usr/local/lib/python3.13/dist-packages/borg/platform/base.py", line 161, in __init__
    self.f = open(path, mode=mode)  # python file object
             ~~~~^^^^^^^^^^^^^^^^^

PermissionError: [Errno 13] Permission denied: '/repo/web1/data/0/10'

Borg server: Platform: Linux 7581b5724b32 6.18.44 #1 SMP PREEMPT_DYNAMIC @0 x86_64
Borg server: Linux: Unknown Linux  \n\
Borg server: Borg: 1.4.5  Python: CPython 3.13.5 msgpack: 1.2.1 fuse: None [pyfuse3,llfuse]
Borg server: PID: 21  CWD: /
Borg server: sys.argv: ['/usr/local/bin/borg', 'serve', '--append-only']
Borg server: SSH_ORIGINAL_COMMAND: None
Platform: Linux 26d038da41f2 6.18.44 #1 SMP PREEMPT_DYNAMIC @0 x86_64
Linux: Unknown Linux  \n\
Borg: 1.4.5  Python: CPython 3.13.5 msgpack: 1.2.1 fuse: None [pyfuse3,llfuse]
PID: 145  CWD: /
sys.argv: ['/tmp/borgpull-323443a999d8f89c/runtime/bin/borg', '--log-json', 'create']
SSH_ORIGINAL_COMMAND: None
"""


def test_the_line_that_says_why() -> None:
    error = messages.from_exit(2, REMOTE, "web1")
    assert type(error) is errors.RepositoryNotWritable
    assert error.message.endswith(": [Errno 13] Permission denied: '/repo/web1/data/0/10'")
    local = REMOTE.replace("Borg server: ", "").partition("Platform")
    assert messages.from_exit(2, "".join(local), "web1").message == error.message


def test_failures_and_warnings() -> None:
    assert [
        code for code in (0, 1, 2, 52, 99, 100, 107, 127, 128, 143, -9) if is_failure(code)
    ] == [*(2, 52, 99, 128, 143, -9)]


def test_plain_log() -> None:
    line = json.dumps({"type": "log_message", "message": "hello"})
    assert plain_log(f"{line}\nplain") == "hello\nplain"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "No ED25519 host key is known for web1\nHost key verification failed.",
            errors.UnknownHostKey,
        ),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            errors.ChangedHostKey,
        ),
        ("root@web1: Permission denied (publickey).", errors.KeyRefused),
        ("ssh: Could not resolve hostname web1: Name or service not known", errors.HostUnreachable),
        ("ssh: connect to host web1 port 22: Connection refused", errors.HostUnreachable),
        ("subsystem request failed on channel 0", errors.NoSftp),
        ("", errors.HostUnreachable),
    ],
)
def test_ssh(text: str, expected: type[errors.BorgpullError]) -> None:
    assert type(from_ssh(text, WEB1)) is expected


def judged(*found: FileWarning, code: int = 1, allow: tuple[str, ...] = ()) -> list[str]:
    done = Created(warnings=list(found), returncode=code)
    return judge_warnings(done, allow, ("/etc",))


def test_warnings_that_lose_nothing() -> None:
    gone = FileWarning("BackupFileNotFoundError", "etc/x", 2, "No such file or directory")
    changed = FileWarning("FileChangedWarning", "etc/log", 0, "changed")
    assert judged(gone, changed) == []
    assert judged(code=0) == []


def test_an_attribute_that_is_not_saved_is_no_lost_file() -> None:
    attribute = FileWarning(messages.ATTRIBUTE, "", 1, "extended attribute user.x: no")
    assert judged(attribute, code=0) == judged(attribute) == []
    with pytest.raises(errors.LostData, match=r"user\.x"):
        judged(FileWarning(messages.ATTRIBUTE, "", 5, "extended attribute user.x: EIO"))


def test_a_warning_that_is_not_understood_is_lost_data_whatever_else_is_said() -> None:
    changed = FileWarning("FileChangedWarning", "etc/log", 0, "changed")
    done = Created(warnings=[changed], not_understood=["what is that?"], returncode=1)
    with pytest.raises(errors.LostData, match="what is that"):
        judge_warnings(done, (), ("/etc",))
    done.returncode = 0  # borg itself takes it for nothing
    assert judge_warnings(done, (), ("/etc",)) == []


def test_warnings_that_lose_data() -> None:
    denied = FileWarning("BackupPermissionError", "etc/shadow", 13, "Permission denied")
    with pytest.raises(errors.Unreadable, match="/etc/shadow"):
        judged(denied)
    assert judged(denied, allow=("/etc/shadow",)) == ["/etc/shadow"]
    assert judged(denied, allow=("/etc",)) == ["/etc/shadow"]
    with pytest.raises(errors.Unreadable):
        judged(denied, allow=("/etc/shad",))
    broken = FileWarning("BackupIOError", "etc/x", 5, "Input/output error")
    with pytest.raises(errors.LostData):
        judged(broken, allow=("/etc",))
    for lost in (
        FileWarning("BackupFileNotFoundError", "etc", 2, "a root of the backup"),
        FileWarning("BackupRaceConditionError", "etc/x", 0, "inode changed"),
        FileWarning("BackupOSError", "etc/x", 107, "Transport endpoint is not connected"),
    ):
        with pytest.raises(errors.LostData):
            judged(lost)
    with pytest.raises(errors.LostData, match="did not say"):
        judged(code=102)
