/* A booby trap: a program (or, with -DLIBRARY, a library) that proves it was run or loaded.
 *
 * It leaves a file PWNED in /repo, /state, /run, /dev/shm and /tmp, as seen by whoever ran it, and says so on
 * stderr. Raw system calls only: see build.sh.
 */
#include <fcntl.h>

#if defined __x86_64__
enum { SYS_write = 1, SYS_openat = 257, SYS_exit_group = 231 };
static inline long call(long number, long a, long b, long c, long d)
{
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined __aarch64__
enum { SYS_write = 64, SYS_openat = 56, SYS_exit_group = 94 };
static inline long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#else
#error "no system calls written down for this CPU"
#endif

static inline void drop(const char *path)
{
    call(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
}

static inline void go_off(void)
{
    static const char said[] = "PWNED: code of the client was run\n";
    drop("/repo/PWNED");
    drop("/state/PWNED");
    drop("/run/PWNED");
    drop("/dev/shm/PWNED");
    drop("/tmp/PWNED");
    call(SYS_write, 2, (long)said, sizeof said - 1, 0);
}

#ifdef LIBRARY
/* Constructors run only when all symbols of the program were found, which a false libc never gets to.
 * A resolver of an indirect function runs while the library itself is linked: earlier, and always. */
static void nothing(void)
{
}

static void (*resolve(void))(void)
{
    go_off();
    return nothing;
}

void indirect(void) __attribute__((ifunc("resolve")));
void (*const keep_indirect)(void) = indirect;

__attribute__((constructor)) static void loaded(void)
{
    go_off();
}
#else
__attribute__((noreturn)) void _start(void);
void _start(void)
{
    go_off();
    call(SYS_exit_group, 0, 0, 0, 0);
    __builtin_unreachable();
}
#endif
