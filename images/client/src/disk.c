/* A disk with a bad sector, and a slow one: preloaded into sftp-server (or any reader).
 *
 * EIO_AT=n, EIO_MATCH=text, EIO_FLAG=path: read() and its kin fail with EIO from byte n on, for files whose
 * path holds the text, while the flag file exists. Bytes before n are given, as a disk gives them.
 * SLOW_US=n: every open and every folder entry costs n microseconds more.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* The next definition of a function, under this one. Looked up once per function. */
#define NEXT(type, name) \
    static __typeof__(type) *next; \
    if (!next) \
        next = (__typeof__(type) *)dlsym(RTLD_NEXT, name)

static void delay(void)
{
    static long microseconds = -1;
    if (microseconds < 0) {
        const char *text = getenv("SLOW_US");
        microseconds = text ? atol(text) : 0;
    }
    if (microseconds > 0) {
        int saved = errno;
        usleep(microseconds);
        errno = saved;
    }
}

/* How many of the count bytes at offset the disk still gives: -1 for EIO. offset < 0: the file's own. */
static ssize_t readable(int fd, off_t offset, size_t count)
{
    const char *at = getenv("EIO_AT"), *match = getenv("EIO_MATCH"), *flag = getenv("EIO_FLAG");
    char link[64], path[4097];
    int saved = errno;
    ssize_t length, given = count;

    if (!at || !match || !flag || access(flag, F_OK) != 0)
        goto out;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        goto out;
    path[length] = 0;
    /* Pipes and sockets have no "/" in front. */
    if (path[0] != '/' || !strstr(path, match))
        goto out;
    if (offset < 0)
        offset = lseek(fd, 0, SEEK_CUR);
    if (offset < 0)
        goto out;
    if (offset >= atoll(at))
        given = -1;
    else if ((off_t)count > atoll(at) - offset)
        given = atoll(at) - offset;
out:
    errno = saved;
    return given;
}

ssize_t read(int fd, void *buffer, size_t count)
{
    NEXT(ssize_t(int, void *, size_t), "read");
    ssize_t given = count ? readable(fd, -1, count) : 0;
    if (given < 0) {
        errno = EIO;
        return -1;
    }
    return next(fd, buffer, given);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset)
{
    NEXT(ssize_t(int, void *, size_t, off_t), "pread64");
    ssize_t given = count ? readable(fd, offset, count) : 0;
    if (given < 0) {
        errno = EIO;
        return -1;
    }
    return next(fd, buffer, given, offset);
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t offset)
{
    return pread(fd, buffer, count, offset);
}

/* What hardened builds call instead. */
ssize_t __read_chk(int fd, void *buffer, size_t count, size_t size);
ssize_t __read_chk(int fd, void *buffer, size_t count, size_t size)
{
    if (count > size)
        abort();
    return read(fd, buffer, count);
}

ssize_t __pread64_chk(int fd, void *buffer, size_t count, off64_t offset, size_t size);
ssize_t __pread64_chk(int fd, void *buffer, size_t count, off64_t offset, size_t size)
{
    if (count > size)
        abort();
    return pread(fd, buffer, count, offset);
}

/* Shortcuts past read(): refused, so that the caller falls back on read(). */
ssize_t copy_file_range(int in, off64_t *at_in, int out, off64_t *at_out, size_t count, unsigned flags)
{
    (void)in, (void)at_in, (void)out, (void)at_out, (void)count, (void)flags;
    errno = EXDEV;
    return -1;
}

#define WITH_MODE(flags) ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE)

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        mode_t mode = 0; \
        if (WITH_MODE(flags)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        NEXT(int(const char *, int, ...), #name); \
        delay(); \
        return next(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        mode_t mode = 0; \
        if (WITH_MODE(flags)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        NEXT(int(int, const char *, int, ...), #name); \
        delay(); \
        return next(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

#define OPEN_2(name) \
    int __##name##_2(const char *path, int flags); \
    int __##name##_2(const char *path, int flags) { return name(path, flags); }
OPEN_2(open)
OPEN_2(open64)

#define OPENAT_2(name) \
    int __##name##_2(int folder, const char *path, int flags); \
    int __##name##_2(int folder, const char *path, int flags) { return name(folder, path, flags); }
OPENAT_2(openat)
OPENAT_2(openat64)

struct dirent *readdir(DIR *folder)
{
    NEXT(struct dirent *(DIR *), "readdir");
    delay();
    return next(folder);
}

struct dirent64 *readdir64(DIR *folder)
{
    NEXT(struct dirent64 *(DIR *), "readdir64");
    delay();
    return next(folder);
}
