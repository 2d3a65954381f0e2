/* Preloaded into sshd when it serves a hostile root: nothing in that root is asked for names of users or groups.
 *
 * sshd sets the groups of the session, and internal-sftp asks for the owner of each entry that it lists, inside
 * the chroot. That reads the hostile /etc/passwd and /etc/group: a FIFO there would stop the client, not the
 * server that is under test.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <unistd.h>

static int inside;

int chroot(const char *path)
{
    int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "chroot");
    int result = next(path);
    inside |= result == 0;
    return result;
}

int initgroups(const char *user, gid_t group)
{
    int (*next)(const char *, gid_t) = (int (*)(const char *, gid_t))dlsym(RTLD_NEXT, "initgroups");
    return inside ? setgroups(1, &group) : next(user, group);
}

struct passwd *getpwuid(uid_t uid)
{
    (void)uid;
    return NULL;
}

struct group *getgrgid(gid_t gid)
{
    (void)gid;
    return NULL;
}
