/* Makes a disk fail: preloaded into a processor, it lets calls on files below one directory end with EIO.
 *
 * CHAOS_DISK_DIR      the directory (an absolute path)
 * CHAOS_DISK_TRIGGER  a file; while it exists its one line "CALL FIRST TIMES" says which call fails (write, pwrite, pread,
 *                     fsync, fdatasync, rename), from which of these calls on, counted since the line was read first, and
 *                     how many times. Each failure adds a line to the file of that name with ".hits" behind it.
 *
 * It reads the trigger with system calls, so that what it does itself is never counted or failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char known[128]; /* the line that the counts belong to */
static char call_to_fail[16];
static long first, times, seen, failed;

static size_t slurp(const char *path, char *into, size_t size) {
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    long got = syscall(SYS_read, fd, into, size - 1);
    syscall(SYS_close, fd);
    if (got <= 0) return 0;
    into[got] = 0;
    return (size_t)got;
}

static void note(const char *trigger, const char *call, const char *path) {
    char name[4096], line[4300];
    snprintf(name, sizeof name, "%s.hits", trigger);
    int length = snprintf(line, sizeof line, "%s %.4096s\n", call, path);
    long fd = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return;
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
}

/* Whether this call on this path has to fail now. */
static int doomed(const char *call, const char *path) {
    const char *dir = getenv("CHAOS_DISK_DIR"), *trigger = getenv("CHAOS_DISK_TRIGGER");
    if (!dir || !trigger || strncmp(path, dir, strlen(dir)) != 0) return 0;
    char line[sizeof known];
    int verdict = 0;
    pthread_mutex_lock(&lock);
    if (slurp(trigger, line, sizeof line)) {
        if (strcmp(line, known) != 0) {
            strcpy(known, line);
            seen = failed = 0;
            if (sscanf(line, "%15s %ld %ld", call_to_fail, &first, &times) != 3) call_to_fail[0] = 0;
        }
        verdict = strcmp(call, call_to_fail) == 0 && ++seen >= first && failed < times;
        if (verdict) {
            failed++;
            note(trigger, call, path);
        }
    } else {
        known[0] = 0;
    }
    pthread_mutex_unlock(&lock);
    return verdict;
}

static int doomed_fd(const char *call, int fd) {
    char link[64], path[4096];
    const char *trigger = getenv("CHAOS_DISK_TRIGGER");
    if (!trigger || syscall(SYS_faccessat, AT_FDCWD, trigger, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return doomed(call, path);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define CALL_REAL(name, ...) \
    do { \
        REAL(name); \
        return real(__VA_ARGS__); \
    } while (0)

#define FAILS(call, fd) \
    if (doomed_fd(call, fd)) { \
        errno = EIO; \
        return -1; \
    }

ssize_t write(int fd, const void *bytes, size_t count) {
    FAILS("write", fd)
    CALL_REAL(write, fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    FAILS("pwrite", fd)
    CALL_REAL(pwrite, fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    FAILS("pwrite", fd)
    CALL_REAL(pwrite64, fd, bytes, count, at);
}
ssize_t pread(int fd, void *bytes, size_t count, off_t at) {
    FAILS("pread", fd)
    CALL_REAL(pread, fd, bytes, count, at);
}
ssize_t pread64(int fd, void *bytes, size_t count, off64_t at) {
    FAILS("pread", fd)
    CALL_REAL(pread64, fd, bytes, count, at);
}
int fsync(int fd) {
    FAILS("fsync", fd)
    CALL_REAL(fsync, fd);
}
int fdatasync(int fd) {
    FAILS("fdatasync", fd)
    CALL_REAL(fdatasync, fd);
}
int rename(const char *from, const char *to) {
    if (doomed("rename", to)) {
        errno = EIO;
        return -1;
    }
    CALL_REAL(rename, from, to);
}
