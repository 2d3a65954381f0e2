"""The helper of `borgpull stream`: the tags that mark a folder that is left out."""

import os
import stat

from borgpull.client.scripts.stream_look import opened

CACHE_TAG = b"CACHEDIR.TAG"
CACHE_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55"


def cache(folder: int) -> bool:
    """Does a CACHEDIR.TAG mark it? As borg (helpers/fs.py, dir_is_cachedir), it follows a symlink;
    but it opens plain files only."""
    try:
        tag = os.open(CACHE_TAG, os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(tag).st_mode):
            return False
        handle = opened(b"/proc/self/fd/%d" % tag, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(handle, len(CACHE_TEXT)) == CACHE_TEXT
        finally:
            os.close(handle)
    except OSError:
        return False
    finally:
        os.close(tag)


def there(name: bytes, folder: int) -> bool:
    """Is it in a folder? A symlink that leads nowhere is no tag for borg."""
    try:
        os.stat(name, dir_fd=folder)
    except OSError:
        return False
    return True
