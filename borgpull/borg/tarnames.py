"""How borg export-tar packs, by the file's name (borg 1.4.5, helpers/misc.py, get_tar_filter)."""

from __future__ import annotations

from borgpull.jobs import Restore

# The end of a name, and the program that packs: or none.
FILTERS = {
    ".tar": "",
    ".tar.gz": "gzip",
    ".tgz": "gzip",
    ".tar.bz2": "bzip2",
    ".tbz": "bzip2",
    ".tar.xz": "xz",
    ".txz": "xz",
    ".tar.lz4": "lz4",
    ".tar.zst": "zstd",
    ".tar.zstd": "zstd",
}


def tar_filter(name: str) -> str | None:
    """The program that packs a tar of this name; "" for none; None if this is no tar's name."""
    return next((program for end, program in FILTERS.items() if name.endswith(end)), None)


def into_tar(job: Restore) -> bool:
    """Is this the name of a tar file to make, rather than of a folder to fill?"""
    return job.how == "local" and tar_filter(job.into) is not None
