"""The seccomp profile: well formed, complete for the job, and nothing dangerous in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from borgpull.launchers import seccomp

HEADERS = (
    "/usr/include/asm-generic/unistd.h",
    "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "/usr/include/x86_64-linux-gnu/asm/unistd_32.h",
)
# Of arm, whose table no x86 header has.
ARM = "arm_fadvise64_64 arm_sync_file_range cacheflush recv send set_tls"
# Linux 6.5 to 6.17: newer than the headers of many distributions.
NEW = """
    cachestat fchmodat2 file_getattr file_setattr futex_requeue futex_wait futex_wake getxattrat
    listmount listxattrat map_shadow_stack mseal open_tree_attr removexattrat setxattrat statmount
"""

NEEDED = """
    chroot clone execve fsconfig fsmount fsopen fspick ioctl mount mount_setattr move_mount
    open_tree openat openat2 personality prctl seccomp setgroups setns setuid socket sync_file_range
    umount2 unshare
"""

DANGEROUS = """
    _sysctl acct add_key adjtimex bpf clock_adjtime clock_adjtime64 clock_settime clock_settime64
    create_module delete_module fanotify_init finit_module get_kernel_syms init_module
    io_uring_enter io_uring_register io_uring_setup ioperm iopl ipc kcmp kexec_file_load kexec_load
    keyctl lookup_dcookie mbind migrate_pages modify_ldt move_pages nfsservctl open_by_handle_at
    perf_event_open pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev ptrace
    query_module quotactl quotactl_fd reboot request_key set_mempolicy setdomainname sethostname
    settimeofday socketcall stime swapoff swapon sysfs syslog uselib userfaultfd ustat vhangup vm86
    vm86old
"""

NAMESPACES = {
    "time": 0x80,
    "mount": 0x20000,
    "cgroup": 0x2000000,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}


def rules(name: str) -> list[seccomp.Rule]:
    return [rule for rule in seccomp.profile()["syscalls"] if name in rule["names"]]


def allowed() -> set[str]:
    return {
        name
        for rule in seccomp.profile()["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for name in rule["names"]
    }


def passes(name: str, *args: int) -> bool:
    """What the kernel's filter would say."""
    for rule in rules(name):
        assert rule["action"] == "SCMP_ACT_ALLOW"
        for arg in rule["args"]:
            given = args[arg["index"]]
            if arg["op"] == "SCMP_CMP_EQ":
                matches = given == arg["value"]
            else:
                assert arg["op"] == "SCMP_CMP_MASKED_EQ"
                matches = given & arg["value"] == arg["valueTwo"]
            if not matches:
                break
        else:
            return True
    return False


def test_renders_valid_stable_json() -> None:
    assert json.loads(seccomp.render()) == seccomp.profile()
    assert seccomp.render() == seccomp.render()
    assert seccomp.render().endswith("}\n")


def test_denies_by_default_on_every_architecture() -> None:
    profile = seccomp.profile()
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert [entry["architecture"] for entry in profile["archMap"]] == [
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_AARCH64",
    ]
    assert set(profile) == {"defaultAction", "archMap", "syscalls"}, "engine 20.10 knows no more"


def test_no_name_is_in_two_rules_without_conditions() -> None:
    for name in sorted({name for rule in seccomp.profile()["syscalls"] for name in rule["names"]}):
        found = rules(name)
        assert len(found) == 1 or all(rule["args"] for rule in found), name
        assert all(rule["names"].count(name) == 1 for rule in found), name


def test_names_are_sorted() -> None:
    for rule in seccomp.profile()["syscalls"]:
        assert rule["names"] == sorted(rule["names"]), rule["comment"]


def test_what_the_job_needs_is_there() -> None:
    assert set(NEEDED.split()) <= allowed()


def test_nothing_dangerous_is_there() -> None:
    assert not set(DANGEROUS.split()) & allowed()


def test_names_are_known() -> None:
    headers = [Path(path) for path in HEADERS]
    if not all(path.exists() for path in headers):
        pytest.skip("no kernel headers of x86-64 here")
    text = "".join(path.read_text() for path in headers)
    known = set(re.findall(r"#define __NR(?:3264)?_(\w+)", text))
    unknown = allowed() - known - set(ARM.split()) - set(NEW.split())
    assert not unknown, sorted(unknown)


@pytest.mark.parametrize("kind", NAMESPACES)
def test_only_unshare_makes_namespaces_and_only_two_kinds(kind: str) -> None:
    wanted = kind in {"user", "mount"}
    assert passes("unshare", NAMESPACES[kind]) == wanted
    assert passes("unshare", NAMESPACES["user"] | NAMESPACES[kind]) == wanted
    sigchld = 17
    if kind != "time":  # clone has no flag for it: the bit is the exit signal's
        assert not passes("clone", NAMESPACES[kind] | sigchld)


def test_threads_and_processes_start() -> None:
    thread = 0x3D0F00  # CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, *_SETTID, CLEARTID
    vfork = 0x4111  # CLONE_VM, VFORK, SIGCHLD
    assert passes("clone", thread)
    assert passes("clone", vfork)


def test_clone3_looks_absent() -> None:
    [rule] = rules("clone3")
    assert rule["action"] == "SCMP_ACT_ERRNO"
    assert rule["errnoRet"] == 38


@pytest.mark.parametrize("domain", range(1, 46))
def test_socket_domains(domain: int) -> None:
    unix, inet, inet6, netlink = 1, 2, 10, 16
    assert passes("socket", domain) == (domain in {unix, inet, inet6, netlink})


def test_personality() -> None:
    addr_no_randomize, read_implies_exec = 0x0040000, 0x0400000
    assert passes("personality", 0xFFFFFFFF)
    assert not passes("personality", addr_no_randomize)
    assert not passes("personality", read_implies_exec)
