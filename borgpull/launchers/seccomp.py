"""The seccomp profile of the lowest privilege rung: no capability, yet namespaces and mounts.

With `--device /dev/fuse --security-opt seccomp=FILE --security-opt apparmor=unconfined` a job makes
a user and a mount namespace and mounts in there. Docker's default profile denies that without
SYS_ADMIN (https://docs.docker.com/engine/security/seccomp/). This one allows it, and is narrower
than the default elsewhere:

- Only user and mount namespaces can be made. A network namespace would give CAP_NET_ADMIN,
  and with it netfilter, where many of the kernel's holes for user namespaces have been.
- What the image never does is denied: tracing, foreign memory, System V and POSIX queues, native
  AIO, NUMA, sockets of rare families.

A name unknown to the engine's libseccomp is ignored, so newer ones do no harm. What is not listed
gets EPERM; what is newer than all that is listed gets ENOSYS (runc 1.0 and up, opencontainers/
runc#2750). `defaultErrnoRet` is left out: EPERM is its default, and engine 20.10 does not know it.
"""

from __future__ import annotations

import json
from typing import NotRequired, TypedDict

# clone(2), unshare(2): CLONE_NEW* of linux/sched.h
_NEWTIME = 0x00000080  # in clone(2) this bit belongs to the exit signal
_NEWNS = 0x00020000
_NEWCGROUP = 0x02000000
_NEWUTS = 0x04000000
_NEWIPC = 0x08000000
_NEWUSER = 0x10000000
_NEWPID = 0x20000000
_NEWNET = 0x40000000
_NEVER = _NEWCGROUP | _NEWUTS | _NEWIPC | _NEWPID | _NEWNET

_ENOSYS = 38  # asm-generic/errno.h

# socket(2) domains: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK of linux/socket.h
_DOMAINS = (1, 2, 10, 16)

# personality(2): PER_LINUX, PER_LINUX32, both with UNAME26, and the query; those Docker allows.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

# Start, end, identify, limit and schedule processes; drop privileges.
_PROCESS = """
    arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area
    getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid
    getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill pidfd_open
    pidfd_send_signal prctl prlimit64 restart_syscall rseq sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups
    setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid sysinfo tgkill
    times tkill umask uname vfork wait4 waitid
"""

# The work of borg, sshfs and restores, by path and by descriptor.
_FILES = """
    access cachestat chdir chmod chown close close_range copy_file_range creat dup dup2 dup3
    faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl
    fdatasync fgetxattr file_getattr file_setattr flistxattr flock fremovexattr fsetxattr fstat
    fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr getxattrat ioctl lchown
    lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat mkdir
    mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2
    pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat
    rename renameat renameat2 rmdir sendfile setxattr setxattrat splice stat statfs statx symlink
    symlinkat sync sync_file_range syncfs tee truncate unlink unlinkat utime utimensat utimes
    vmsplice write writev
"""

# Wait for descriptors, as every event loop does.
_WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch pipe pipe2 poll ppoll pselect6
    select
"""

# The process's own memory; locking is for ssh-agent and borg's keys.
_MEMORY = """
    brk futex futex_requeue futex_wait futex_waitv futex_wake madvise map_shadow_stack membarrier
    memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock munlockall
    munmap pkey_alloc pkey_free pkey_mprotect
"""

# Sockets, once made: making one is a rule of its own below.
_NETWORK = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg
    sendmmsg sendmsg sendto setsockopt shutdown socketpair
"""

# Read clocks and set timers; no call that could set a clock.
_TIME = """
    alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time
    timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
    timerfd_gettime timerfd_settime
"""

# Be stopped in order.
_SIGNALS = """
    pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4
"""

# Randomness, and what sshd and others lock themselves up with.
_CONFINEMENT = """
    getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp
"""

# Mounts and roots: the kernel asks for privilege over the job's own namespaces. util-linux 2.39
# and up mount by the calls on descriptors and look at mounts by statmount and listmount.
_NAMESPACES = """
    chroot fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree
    open_tree_attr setns statmount umount2
"""

# The same calls by the names that 32-bit architectures have for them.
_COMPAT = """
    _llseek _newselect arm_fadvise64_64 arm_sync_file_range cacheflush chown32
    clock_getres_time64 clock_gettime64 clock_nanosleep_time64 fadvise64_64 fchown32 fcntl64
    fstat64 fstatat64 fstatfs64 ftruncate64 futex_time64 getegid32 geteuid32 getgid32
    getgroups32 getresgid32 getresuid32 getuid32 lchown32 lstat64 mmap2 ppoll_time64
    pselect6_time64 recv recvmmsg_time64 rt_sigtimedwait_time64 sched_rr_get_interval_time64
    send sendfile64 set_tls setfsgid32 setfsuid32 setgid32 setgroups32 setregid32 setresgid32
    setresuid32 setreuid32 setuid32 sigaction sigprocmask sigreturn sigsuspend stat64 statfs64
    sync_file_range2 timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64
    truncate64 ugetrlimit utimensat_time64 waitpid
"""

# What a reader of the JSON sees next to each list of names.
_GROUPS = {
    "processes": _PROCESS,
    "files": _FILES,
    "waiting": _WAITING,
    "memory": _MEMORY,
    "network": _NETWORK,
    "time": _TIME,
    "signals": _SIGNALS,
    "confinement": _CONFINEMENT,
    "namespaces and mounts": _NAMESPACES,
    "names of 32-bit architectures": _COMPAT,
}


class Arg(TypedDict):
    """A condition on an argument; with SCMP_CMP_MASKED_EQ: argument & value == valueTwo."""

    index: int
    value: int
    valueTwo: int
    op: str


class Rule(TypedDict):
    """What happens on these calls; several rules for one name are alternatives."""

    names: list[str]
    action: str
    errnoRet: NotRequired[int]
    args: list[Arg]
    comment: str


class Architecture(TypedDict):
    """A CPU, and the others whose calls its kernel takes as well."""

    architecture: str
    subArchitectures: list[str]


class Profile(TypedDict):
    """A profile as `docker run --security-opt seccomp=FILE` reads it, since engine 1.12."""

    defaultAction: str
    archMap: list[Architecture]
    syscalls: list[Rule]


def profile() -> Profile:
    """The profile for amd64 and arm64.

    Sources: the kernel's system call tables (arch/x86/entry/syscalls, include/uapi/asm-generic/
    unistd.h), the list of significant blocked calls in Docker's documentation, user_namespaces(7),
    and trying it: `tests/docker/test_seccomp.py`.
    """
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [
            {
                "architecture": "SCMP_ARCH_X86_64",
                "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            },
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
        ],
        "syscalls": [
            *(_allow(names.split(), comment) for comment, names in _GROUPS.items()),
            *_namespace_rules(),
            *(
                _allow(["socket"], f"socket domain {domain}", _equal(0, domain))
                for domain in _DOMAINS
            ),
            *(
                _allow(["personality"], f"personality {value:#x}", _equal(0, value))
                for value in _PERSONALITIES
            ),
        ],
    }


def render() -> str:
    """The profile as a file for `--security-opt seccomp=`; the same text every time."""
    return json.dumps(profile(), indent=2) + "\n"


def _namespace_rules() -> list[Rule]:
    """Only unshare(2) makes namespaces, and only user and mount namespaces.

    clone(2) makes none, as under Docker's default. The flags of clone3(2) are behind a pointer that
    no filter can follow, so it must look absent: glibc and musl then use clone(2). EPERM would end
    every start of a thread (moby/moby#42680). Engine 20.10.10, runc 1.0.2 and up know `errnoRet`.
    """
    return [
        _allow(["clone"], "processes and threads", _without(0, _NEWUSER | _NEWNS | _NEVER)),
        _allow(["unshare"], "user and mount namespaces", _without(0, _NEWTIME | _NEVER)),
        {
            "names": ["clone3"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": _ENOSYS,
            "args": [],
            "comment": "so that clone is used, whose flags can be checked",
        },
    ]


def _allow(names: list[str], comment: str, *args: Arg) -> Rule:
    return {
        "names": names,
        "action": "SCMP_ACT_ALLOW",
        "args": list(args),
        "comment": comment,
    }


def _equal(index: int, value: int) -> Arg:
    return {"index": index, "value": value, "valueTwo": 0, "op": "SCMP_CMP_EQ"}


def _without(index: int, bits: int) -> Arg:
    return {"index": index, "value": bits, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
