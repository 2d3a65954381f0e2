#!/usr/bin/python3
"""Pack what borg, ssh and socat need to run on any Linux of this CPU: `pack_runtime.py OUT`.

OUT gets runtime.tar.gz and runtime.json. A client needs a shell and tar to unpack it, and nothing
to run it: the loader comes along, is called by name, and finds every library in the folder where it
lies. This runs while the image is built, in the image.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import py_compile
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

STDLIB = Path(json.__file__).parents[1]
PACKAGES = Path("/usr/local/lib") / STDLIB.name / "dist-packages"
PYTHON = f"lib/{STDLIB.name}"
PROGRAMS = {name: Path("/usr/bin") / name for name in ("python3", "ssh", "socat")}
BORG = Path("/usr/local/bin/borg")
# glibc loads it by name when a thread ends early: no program says that it needs it.
UNNAMED_LIBRARIES = ["libgcc_s.so.1"]
# GNU tar warns about files of 1970.
MTIME = 946684800

# Left out: tools, tests, and what draws in libraries of its own. The rest of the standard library
# stays, imported by borg or not, as borg imports some of it late.
DROPPED = set(
    "_android_support _apple_support _ios_support _osx_support _pyrepl antigravity curses dbm"
    " doctest ensurepip idlelib lib2to3 mailbox pdb pydoc pydoc_data site-packages sitecustomize"
    " sqlite3 test this tkinter turtle turtledemo venv wsgiref xmlrpc __phello__".split()
)
DROPPED_EXTENSIONS = re.compile("_test|xx|_xx|_ctypes_test|_curses|_dbm|_sqlite3|_tkinter|readline")
# borg's self-test, at every start, is all that needs its test-suite.
SELF_TEST = {"__init__", "hashindex", "crypto", "chunker"}

# Called by an absolute path. Nothing of the host is read that may be of another format or purpose:
# OpenSSL's settings may name providers, a locale but C has files and character sets.
LAUNCHER = """\
#!/bin/sh
R=${{0%/*}}
export OPENSSL_CONF=/dev/null LC_ALL=C
exec "$R/lib/{loader}" --inhibit-cache --library-path "$R/lib" "$R/bin/{command} "$@"
"""
LAUNCHERS = {
    "borg": 'python3" -I -S -X utf8 "$R/bin/borg"',
    "python": 'python3" -I -S -X utf8',
    # without -F, ssh would read the host's settings: of another version, for other purposes
    "ssh": 'ssh" -F none',
    "socat": 'socat"',
}


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        collect(root)
        manifest = "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(root)}\n"
            for path in tree(root)
            if path.is_file()
        )
        write(root / "MANIFEST", manifest.encode())
        packed = pack(root)
        size = sum(path.stat().st_size for path in tree(root) if path.is_file())
    facts = {
        "sha256": hashlib.sha256(packed).hexdigest(),
        "files_sha256": hashlib.sha256(manifest.encode()).hexdigest(),
        "size": size,
        "machine": platform.machine(),
        "borg": output(str(BORG), "--version").split()[1],
    }
    write(out / "runtime.tar.gz", packed)
    write(out / "runtime.json", (json.dumps(facts, indent=2) + "\n").encode())
    print(json.dumps({**facts, "packed": len(packed)}))


def collect(root: Path) -> None:
    """Lay the runtime's folder out."""
    for name, program in {**PROGRAMS, "borg": BORG}.items():
        write(root / "bin" / name, program.read_bytes(), mode=0o755)
    for top, package in sources():
        for path in sorted(package.rglob("*") if package.is_dir() else [package]):
            if path.is_file() and "__pycache__" not in path.parts:
                add(root, path, str(path.relative_to(top)))
    objects = [*PROGRAMS.values(), *root.rglob("*.so")]
    libraries = dict(shared_libraries(objects))
    (loader,) = (name for name in libraries if name.startswith("ld"))
    libc = libraries["libc.so.6"]
    for name in UNNAMED_LIBRARIES:
        libraries.setdefault(name, libc.parent / name)
    for name, library in libraries.items():
        write(root / "lib" / name, library.read_bytes(), mode=0o755 if name == loader else 0o644)
    for name, command in LAUNCHERS.items():
        text = LAUNCHER.format(loader=loader, command=command)
        write(root / name, text.encode(), mode=0o755)


def sources() -> Iterator[tuple[Path, Path]]:
    """Folders to import from, and what is taken of each."""
    for path in sorted(STDLIB.iterdir()):
        if path.stem not in DROPPED and (path.is_dir() or path.suffix == ".py"):
            yield STDLIB, path
    # Right in the standard library, the one place left by -S, which keeps a client's packages out.
    for name in ("borg", "msgpack", "packaging"):
        yield PACKAGES, PACKAGES / name


def add(root: Path, path: Path, name: str) -> None:
    """One file of a package. Modules go as bytecode alone: it is half the size."""
    parts = Path(name)
    if parts.parent.name == "lib-dynload" and DROPPED_EXTENSIONS.match(parts.name):
        return
    if parts.parts[:2] == ("borg", "testsuite") and parts.stem not in SELF_TEST:
        return
    target = root / PYTHON / parts
    if path.suffix != ".py":
        write(target, path.read_bytes())
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # Unchecked: what is unpacked has neither a source beside it nor a time to compare with.
    py_compile.compile(
        str(path),
        cfile=str(target.with_suffix(".pyc")),
        dfile=f"{PYTHON}/{name}",
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def shared_libraries(objects: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """The loader, and every library that it would load for these files, by the name it asks for."""
    text = output("ldd", *sorted(map(str, objects)))
    if "not found" in text:
        raise SystemExit(f"a library is missing:\n{text}")
    for name, path in re.findall(r"^\t(?:(\S+) => )?(/\S+) \(0x", text, re.MULTILINE):
        yield name or Path(path).name, Path(path).resolve()


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def tree(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def pack(root: Path) -> bytes:
    """The same bytes for the same files. ustar, because busybox knows no other headers."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in tree(root):
            member = archive.gettarinfo(path, str(path.relative_to(root)))
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = MTIME
            member.mode = 0o755 if member.isdir() else member.mode
            with path.open("rb") if member.isfile() else io.BytesIO() as file:
                archive.addfile(member, file)
    return packed.getvalue()


if __name__ == "__main__":
    main()
