"""What a client does all day, below the folder it is started in: until somebody ends it."""

import contextlib
import os
import random
import shutil
import time

dice = random.Random()
for name in ("logs", "mail/new", "mail/cur", "work/a", "work/b"):
    os.makedirs(name, exist_ok=True)


def write(path: str, text: bytes, mode: str = "wb") -> None:
    with open(path, mode) as file:
        file.write(text)


def log() -> None:
    line = b"%f " % time.time() + b"x" * dice.randrange(500) + b"\n"
    write(f"logs/{dice.randrange(4)}", line, "ab")


def rotate() -> None:
    one = f"logs/{dice.randrange(4)}"
    for number in (3, 2, 1):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{one}.{number}", f"{one}.{number + 1}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(one, f"{one}.1")


def mail() -> None:
    write(f"mail/new/{time.time_ns()}", os.urandom(dice.randrange(5000)))
    for path in sorted(os.listdir("mail/new"))[:-5]:
        os.rename(f"mail/new/{path}", f"mail/cur/{path}:2,S")
    for path in sorted(os.listdir("mail/cur"))[:-30]:
        os.unlink(f"mail/cur/{path}")


def database() -> None:
    """Pages are written in place: the size stays."""
    if not os.path.exists("database"):
        write("database", bytes(1 << 20))
    with open("database", "r+b") as file:
        file.seek(4096 * dice.randrange(256))
        file.write(os.urandom(4096))


def save() -> None:
    """As editors do."""
    write("work/a/.text.new", b"text %d\n" % time.time_ns())
    os.replace("work/a/.text.new", "work/a/text")


def move_folder() -> None:
    names = ("work/a/project", "work/b/project")
    old, new = names if os.path.exists(names[0]) else names[::-1]
    if not os.path.exists(old):
        os.mkdir(old)
        for number in range(20):
            write(f"{old}/{number}", b"%d" % number * 100)
    os.rename(old, new)


def links() -> None:
    for path in ("work/link", "work/symlink"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    with contextlib.suppress(FileNotFoundError):
        os.link("work/a/text", "work/link")
    os.symlink(f"a/{dice.randrange(9)}", "work/symlink")


def owners() -> None:
    write("work/owned", b"x", "ab")
    os.chmod("work/owned", dice.choice((0o600, 0o644, 0o4755)))
    os.chown("work/owned", dice.randrange(3), dice.randrange(3))
    os.setxattr("work/owned", "user.note", os.urandom(8))


def become_another() -> None:
    if os.path.isdir("work/changes"):
        shutil.rmtree("work/changes")
        write("work/changes", b"a file")
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink("work/changes")
        os.mkdir("work/changes")


USUAL = (log, log, log, log, database, save, mail)
RARE = (rotate, links, owners, become_another)
while True:
    dice.choice(USUAL if dice.random() < 0.9 else RARE)()
    if dice.random() < 0.005:  # not in each backup: it may be refused
        move_folder()
    time.sleep(dice.random() / 50)
