"""The trees on the client, and what changes in them before a run."""

from __future__ import annotations

DATA = "/srv/data"
EMPTY = "/srv/empty"

# borg does not remember the newest file of a run, nor others of its time: hence an empty one, later
# than the rest by some ticks of the kernel's clock.
_NEWEST = f"""
time.sleep(0.05)
open('{DATA}/newest', 'w').close()
"""

# argv: number of files, bytes of each file (0: as a Debian system has them), the files' top folder.
# A Debian machine has 415,000 files: half are below 3.2 KB, and the average is 37 KB. Here it
# is 36, as none is larger than 32 MiB.
MAKE = f"""
import math, os, random, sys, time
random.seed(1)
files, size, top = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def content(number):
    step = 1 << 24
    return (random.randbytes(min(step, number - at)) for at in range(0, number, step))
def write(path, number, time):
    with open(path, 'wb') as file:
        file.writelines(content(number))
    os.utime(path, (time, time))
os.makedirs('{EMPTY}', exist_ok=True)
for i in range(files):
    folder = f'{DATA}/{{top}}/{{i // 200:04}}'
    os.makedirs(folder, exist_ok=True)
    drawn = int(min(random.lognormvariate(math.log(3200), 2.2), 32 << 20))
    write(f'{{folder}}/{{i}}', size or drawn, 1600000000 + i)
if not size:
    for name in 'ab':
        write(f'{DATA}/{{name}}', 32 << 20, 1500000000)
{_NEWEST}"""

_BEFORE = f"""
import os, random, sys, time
turn = int(sys.argv[1])
random.seed(turn)
tops = sorted(item.path for item in os.scandir('{DATA}') if item.is_dir())
files = [os.path.join(at, name) for top in tops for at, _, names in os.walk(top) for name in names]
files.sort()
"""

# What is done before each turn of a run, by the run's name; argv: the number of the turn.
_CHANGES = {
    "changed": """
for path in files[turn % 100::100] or files[:1]:
    size = os.path.getsize(path)
    with open(path, 'r+b') as file:
        file.write(random.randbytes(size))
""",
    "touched": """
for path in files:
    os.utime(path)
""",
    # 10 MB of 1 GB, in the middle, in one piece
    "rewritten": """
for path in files:
    size = os.path.getsize(path)
    with open(path, 'r+b') as file:
        file.seek(size // 2)
        file.write(random.randbytes(size // 100))
""",
    "moved": """
for top in tops:
    os.rename(top, f'{top}-moved')
""",
}


def change(run: str) -> str | None:
    """The Python program that readies the client's tree for a turn of a run; None for no change."""
    return _BEFORE + _CHANGES[run] + _NEWEST if run in _CHANGES else None
