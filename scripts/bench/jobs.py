"""The jobs by their names in the plans: ours, and the same work by hand."""

from __future__ import annotations

from scripts.bench.lab import KNOWN, PASSPHRASE, VERBS, WITHOUT, Lab
from scripts.bench.meter import Cost
from scripts.bench.plans import BARE, HAND, LOCAL
from scripts.bench.trees import DATA

TARGET = "root@proxy:2201"
# Into a folder that is not there; what `pipe` has saved.
RESTORED = "/srv/restored/tree"

_BORG = f"""
set -e
export BORG_PASSCOMMAND='cat {PASSPHRASE}'
export BORG_RSH='ssh -i /key -o UserKnownHostsFile={KNOWN}'
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
"""

# The document's recipe. The image's /usr stands for the borg binary that it copies to the client.
_RECIPE = f"""{_BORG}
mkdir -p /mnt/r
sshfs -o IdentityFile=/run/secrets/ssh_key,UserKnownHostsFile=/state/known_hosts,port=2201 \\
  -o no_contain_symlinks,allow_other root@proxy:/ /mnt/r
mount -t tmpfs none /mnt/r/mnt
mkdir /mnt/r/mnt/repo /mnt/r/mnt/base
cp {PASSPHRASE} /mnt/r/mnt/passphrase
mount --bind /repo/recipe /mnt/r/mnt/repo
mount --bind /state/recipe /mnt/r/mnt/base
mount --rbind /usr /mnt/r/usr
for i in dev proc sys; do mount --rbind /$i /mnt/r/$i; done
chroot /mnt/r env BORG_BASE_DIR=/mnt/base BORG_PASSCOMMAND='cat /mnt/passphrase' \\
  borg create --files-cache ctime,size /mnt/repo::"$1" {DATA}
"""

# In the container of a drill.
_BARE = f"""
set -e
export BORG_PASSCOMMAND='cat {PASSPHRASE}' BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
mkdir /scratch/tree; cd /scratch/tree
borg extract /repo/stream::"$1"
find . -type f -exec cat {{}} + >/dev/null
"""

# Scripts for the client or the server, with the archive's name as $1.
_SCRIPTS = {
    HAND: ("client", f'{_BORG}borg create ssh://root@proxy:2202/repo/client::"$1" {DATA}'),
    LOCAL: ("client", f'{_BORG}borg create /srv/repo/local::"$1" {DATA}'),
    "rsync": (
        "server",
        (
            f"rsync -aHAX --delete -e 'ssh -i /key -p 2201 -o UserKnownHostsFile={KNOWN}' "
            f"root@proxy:{DATA}/ /repo/rsync/"
        ),
    ),
    "extract": (
        "client",
        (
            f"{_BORG}mkdir {RESTORED}; cd {RESTORED}\n"
            'borg extract ssh://root@proxy:2202/repo/pipe::"$1"'
        ),
    ),
}


def job(lab: Lab, name: str, archive: str) -> Cost:
    """One job; a restore's `archive` is there."""
    if name in ("native", "extract"):
        # Nothing is left of the last one on the target or in its memory.
        lab.run("client", "sh", "-c", f"rm -rf {RESTORED}; sync")
    if name in _SCRIPTS:
        where, script = _SCRIPTS[name]
        return lab.measured(where, "sh", "-c", script, "sh", archive)
    if name not in (BARE, "recipe", *WITHOUT):
        return lab.whole(name, *ours(name, archive))
    with lab.worker(name) as where:
        if name == "recipe":
            return lab.measured(where, "sh", "-c", _RECIPE, "sh", archive, server=where)
        if name == BARE:
            return lab.measured(where, "sh", "-c", _BARE, "sh", archive, server=where)
        # No start of a container is beside what a part of a job costs.
        program = ["tini", "-s", "--", "python3", "-P", "-c", WITHOUT[name]]
        return lab.measured(where, *program, *ours(name, archive), server=where)


def ours(name: str, archive: str) -> list[str]:
    """The words of one of our jobs."""
    if name == "drill":
        return ["drill", "stream", "--json"]
    return saving(name, archive, DATA) if name in VERBS else restoring(name, archive)


def saving(name: str, archive: str, path: str) -> list[str]:
    """The words of a backup by one of our methods."""
    named = ["--archive", archive, "--name", name]
    return [*VERBS[name], "--json", *named, TARGET, path]


def restoring(way: str, archive: str) -> list[str]:
    return ["restore", "pipe", archive, "--json", "--how", way, "--to", f"{TARGET}:{RESTORED}"]
