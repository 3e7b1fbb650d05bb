/* Lets the wall clock of one process jump: preloaded into a processor, it adds an offset to what the realtime clocks say.
 *
 * CHAOS_CLOCK_FILE  a file of 16 bytes, mapped: the offset in nanoseconds, and how often a clock was read while it was not 0.
 *
 * Monotonic clocks stay, as they do when an administrator sets the time. A wait until a moment of the realtime clock is
 * moved back by the offset, because the kernel knows nothing of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define SURELY_REALTIME 1000000000LL /* seconds: no machine is up for that long */

static struct {
    int64_t offset;
    int64_t seen;
} *page;

__attribute__((constructor)) static void map_page(void) {
    const char *path = getenv("CHAOS_CLOCK_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) page = mapped;
}

static int64_t offset(void) {
    int64_t by = page ? __atomic_load_n(&page->offset, __ATOMIC_RELAXED) : 0;
    if (by) __atomic_add_fetch(&page->seen, 1, __ATOMIC_RELAXED);
    return by;
}

static void shift(struct timespec *at, int64_t by) {
    int64_t all = at->tv_sec * SECOND + at->tv_nsec + by;
    at->tv_sec = all / SECOND;
    at->tv_nsec = all % SECOND;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int outcome = real(clock, at);
    if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(at, offset());
    return outcome;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *at, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, at) == 0 ? base : 0;
}

static struct timespec real_moment(const struct timespec *until) {
    struct timespec moved = *until;
    if (page && moved.tv_sec > SURELY_REALTIME) shift(&moved, -offset());
    return moved;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    typedef int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    static wait real;
    /* Old systems carry two versions of it, and the older one knows another condition variable. */
    if (!real) real = (wait)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real) real = (wait)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec moved = real_moment(until);
    return real(cond, mutex, &moved);
}

/* The same in C11's words, which librdkafka uses where the system has them; it does not come by the function above. */
int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
    typedef int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    static wait real;
    if (!real) real = (wait)dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec moved = real_moment(until);
    return real(cond, mutex, &moved);
}
