"""Which files nobody misses, and which are packed by their nature: judged by their names alone."""

from __future__ import annotations

# Folders that programs empty by themselves: caches, what a reboot clears, bins, downloaded and
# built parts. A folder counts, too, if its name has "cache" in it.
_SPARE = {
    *("tmp", "temp", "run", "trash", ".trash", "node_modules", "__pycache__", "lost+found"),
    *("thumbnails", "crash"),
}
_TRASH = ".trash-"  # .Trash-1000
# Files of a kernel's package: a purge of an old kernel removes up to 30,000 of them at once.
_KERNELS = ("lib/modules", "usr/lib/modules", "usr/src")
# Names of packed content. A rotated log gets one of these, and cannot be compressed from then on.
_PACKED = {
    *(".gz", ".xz", ".bz2", ".zst", ".lz4", ".lzma", ".z", ".zip", ".7z", ".tgz", ".txz", ".rar"),
    *(".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic", ".mp3", ".ogg", ".flac", ".m4a", ".opus"),
    *(".mp4", ".mkv", ".webm", ".mov", ".avi", ".pdf", ".docx", ".xlsx", ".pptx", ".odt", ".ods"),
    *(".jar", ".apk", ".deb", ".rpm", ".whl", ".woff2", ".gpg", ".pgp", ".br"),
}


def spare_folder(path: str) -> bool:
    """By its own name; the caller knows whether a folder above it is spare."""
    name = path.rpartition("/")[2].lower()
    return name in _SPARE or "cache" in name or name.startswith(_TRASH) or path in _KERNELS


def packed_name(path: str) -> bool:
    return path[path.rfind(".") :].lower() in _PACKED
