/* claims_file.c: the life of the set of claims as a file: found, made, made anew, noticed when lost.
 *
 * A file appears under its name whole or not at all (made beside it, then rename(2)), and all makers hold the lock of path.lock,
 * so that two processes which start together end up with one set.  The kernel drops the lock of a process that dies.
 * All blocks are allocated before the file has its name: a full /dev/shm is an error here and not a SIGBUS at a claim.
 *
 * Not covered: a file cut short by another program of the same user after begin_batch has looked at it.  A claim in the part
 * cut off then raises SIGBUS: the process dies, and nobody is accepted. */
#define _GNU_SOURCE
#include "claims_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char MAGIC[8] = {'S', 'E', 'K', 'I', 'C', 'L', 'M', '\n'};
enum { VERSION = 1 };

typedef enum {
    LOOK_GOOD,    /* *out is the set */
    LOOK_MISSING, /* no file: to be made */
    LOOK_DAMAGED, /* ours, or empty, but no good: to be made anew */
    LOOK_BOOT,    /* ours, but of an earlier boot: its last pages may never have been written */
    LOOK_FOREIGN, /* a file that never was a set */
    LOOK_FAILED   /* errno says why */
} look_result;

static look_result look(const char *path, seki_claims **out);
static look_result look_at(int fd, const char *path, seki_claims **out);
static bool identity_good(const seki_claims_identity *identity, uint64_t size);
static void identity_checksum(const seki_claims_identity *identity, uint8_t checksum[32]);
static bool boot_read(char boot[SEKI_CLAIMS_BOOT_SIZE]);
static bool make(const char *path, uint64_t capacity, int64_t skew, uint32_t flags);
static bool make_contents(int fd, uint64_t capacity, int64_t skew, uint32_t flags);
static int lock(const char *path);
static bool owned(int fd, struct stat *status);
static char *with_suffix(const char *path, const char *suffix);
static char *absolute(const char *path);
static bool in_memory(int fd);
static bool on_network(int fd);

seki_status seki_claims_open(const char *path, uint64_t capacity, int64_t skew, uint32_t flags, seki_claims **out)
{
    if (path == NULL || out == NULL || path[0] == '\0' || capacity < SEKI_CLAIMS_CAPACITY_MIN || capacity > SEKI_CLAIMS_CAPACITY_MAX
        || skew < 0 || skew > SEKI_CHALLENGE_SKEW_MAX || (flags & ~(uint32_t)SEKI_CLAIMS_FRESH) != 0)
        return SEKI_E_ARGUMENT;
    char *whole = absolute(path);
    if (whole == NULL)
        return errno == ENOMEM ? SEKI_E_MEMORY : SEKI_E_SYSTEM;

    uint32_t origin = SEKI_CLAIMS_FOUND;
    look_result result = look(whole, out);
    if (result == LOOK_MISSING || result == LOOK_DAMAGED || result == LOOK_BOOT) {
        int guard = lock(whole);
        if (guard < 0) {
            result = LOOK_FAILED;
        } else {
            result = look(whole, out); /* another maker may have been faster */
            if (result == LOOK_MISSING || result == LOOK_DAMAGED || result == LOOK_BOOT) {
                origin = result == LOOK_MISSING ? SEKI_CLAIMS_MADE : result == LOOK_BOOT ? SEKI_CLAIMS_REMADE_BOOT : SEKI_CLAIMS_REMADE_DAMAGED;
                result = make(whole, capacity, skew, flags) ? look(whole, out) : LOOK_FAILED;
            }
            int why = errno;
            (void)close(guard);
            errno = why;
        }
    }
    int why = errno;
    free(whole);
    errno = why;
    if (result == LOOK_GOOD) {
        (*out)->origin = origin;
        return SEKI_OK;
    }
    if (result == LOOK_FAILED)
        return errno == ENOMEM ? SEKI_E_MEMORY : SEKI_E_SYSTEM;
    return SEKI_E_DAMAGED;
}

void seki_claims_free(seki_claims *claims)
{
    if (claims == NULL)
        return;
    if (claims->header != NULL)
        (void)munmap(claims->header, claims->size);
    free(claims->path);
    free(claims);
}

bool seki_claims_present(seki_claims *claims)
{
    struct stat status;
    if (atomic_load(&claims->lost))
        return false;
    if (stat(claims->path, &status) == 0 && status.st_dev == claims->device && status.st_ino == claims->inode
        && status.st_size == (off_t)claims->size && memcmp(&claims->header->identity, &claims->identity, sizeof claims->identity) == 0)
        return true;
    atomic_store(&claims->lost, true);
    return false;
}

/* ---- finding -------------------------------------------------------------------------------- */

static look_result look(const char *path, seki_claims **out)
{
    /* O_NONBLOCK: a FIFO put there must not make us wait; it is refused as no regular file. */
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? LOOK_MISSING : LOOK_FAILED;
    look_result result = look_at(fd, path, out);
    int why = errno;
    (void)close(fd);
    errno = why;
    return result;
}

static look_result look_at(int fd, const char *path, seki_claims **out)
{
    struct stat status;
    seki_claims_identity identity;
    char boot[SEKI_CLAIMS_BOOT_SIZE];

    if (!owned(fd, &status))
        return LOOK_FAILED;
    if (on_network(fd)) {
        errno = EOPNOTSUPP;
        return LOOK_FAILED;
    }
    if (status.st_size == 0)
        return LOOK_DAMAGED;
    ssize_t got = pread(fd, &identity, sizeof identity, 0);
    if (got < 0)
        return LOOK_FAILED;
    if (got < (ssize_t)sizeof MAGIC || memcmp(identity.magic, MAGIC, sizeof MAGIC) != 0)
        return LOOK_FOREIGN;
    if (got != (ssize_t)sizeof identity || !identity_good(&identity, (uint64_t)status.st_size))
        return LOOK_DAMAGED;
    if (!in_memory(fd)) { /* memory does not outlive a boot */
        if (!boot_read(boot))
            return LOOK_FAILED;
        if (memcmp(boot, identity.boot, sizeof boot) != 0)
            return LOOK_BOOT;
    }

    seki_claims *claims = aligned_alloc(_Alignof(seki_claims), sizeof *claims);
    if (claims == NULL)
        return LOOK_FAILED;
    memset(claims, 0, sizeof *claims);
    claims->path = strdup(path);
    void *map = mmap(NULL, (size_t)identity.file_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (claims->path == NULL || map == MAP_FAILED) {
        int why = errno;
        if (map != MAP_FAILED)
            (void)munmap(map, (size_t)identity.file_size);
        seki_claims_free(claims);
        errno = why;
        return LOOK_FAILED;
    }
    claims->header = map;
    claims->size = (size_t)identity.file_size;
    claims->words = (_Atomic uint64_t *)((uint8_t *)map + SEKI_CLAIMS_HEADER_SIZE);
    claims->slots = seki_claims_slots(identity.capacity);
    claims->failure_slots = seki_claims_failure_slots(identity.capacity);
    claims->requests = claims->words + claims->slots;
    claims->failures = claims->requests + claims->slots;
    memcpy(claims->secret, identity.secret, sizeof claims->secret);
    claims->skew = identity.skew;
    claims->identity = identity;
    claims->device = status.st_dev;
    claims->inode = status.st_ino;
    *out = claims;
    return LOOK_GOOD;
}

static uint64_t size_of(uint64_t capacity)
{
    return SEKI_CLAIMS_HEADER_SIZE + (2 * seki_claims_slots(capacity) + seki_claims_failure_slots(capacity)) * sizeof(uint64_t);
}

static bool identity_good(const seki_claims_identity *identity, uint64_t size)
{
    uint8_t checksum[32];
    identity_checksum(identity, checksum);
    return memcmp(checksum, identity->checksum, sizeof checksum) == 0 && identity->version == VERSION
           && identity->header_size == SEKI_CLAIMS_HEADER_SIZE && identity->capacity >= SEKI_CLAIMS_CAPACITY_MIN
           && identity->capacity <= SEKI_CLAIMS_CAPACITY_MAX && identity->file_size == size_of(identity->capacity)
           && identity->file_size == size && identity->skew >= 0 && identity->skew <= SEKI_CHALLENGE_SKEW_MAX;
}

static void identity_checksum(const seki_claims_identity *identity, uint8_t checksum[32])
{
    SHA256((const uint8_t *)identity, offsetof(seki_claims_identity, checksum), checksum);
}

/* The kernel's random name of this boot (random(4)). */
static bool boot_read(char boot[SEKI_CLAIMS_BOOT_SIZE])
{
    memset(boot, 0, SEKI_CLAIMS_BOOT_SIZE);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, boot, SEKI_CLAIMS_BOOT_SIZE - 1);
    (void)close(fd);
    if (got < 36) { /* a UUID as text */
        errno = EIO;
        return false;
    }
    return true;
}

/* ---- making; the caller holds the lock ------------------------------------------------------ */

static bool make(const char *path, uint64_t capacity, int64_t skew, uint32_t flags)
{
    char *beside = with_suffix(path, ".new");
    if (beside == NULL)
        return false;
    bool made = false;
    (void)unlink(beside); /* of a maker that was killed */
    int fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        made = make_contents(fd, capacity, skew, flags) && rename(beside, path) == 0;
        int why = errno;
        if (!made)
            (void)unlink(beside);
        (void)close(fd);
        errno = why;
    }
    int why = errno;
    free(beside);
    errno = why;
    return made;
}

static bool make_contents(int fd, uint64_t capacity, int64_t skew, uint32_t flags)
{
    seki_claims_header header;
    memset(&header, 0, sizeof header);
    seki_claims_identity *identity = &header.identity;
    memcpy(identity->magic, MAGIC, sizeof MAGIC);
    identity->version = VERSION;
    identity->header_size = SEKI_CLAIMS_HEADER_SIZE;
    identity->capacity = capacity;
    identity->file_size = size_of(capacity);
    identity->skew = skew;
    if (getrandom(identity->secret, sizeof identity->secret, 0) != (ssize_t)sizeof identity->secret)
        return false;
    if (!boot_read(identity->boot) && !in_memory(fd))
        return false;
    identity_checksum(identity, identity->checksum);
    if ((flags & SEKI_CLAIMS_FRESH) != 0)
        header.began = 1;

    if (fchmod(fd, 0600) != 0)
        return false;
    int error = posix_fallocate(fd, 0, (off_t)identity->file_size);
    if (error != 0) {
        errno = error;
        return false;
    }
    ssize_t put = pwrite(fd, &header, sizeof header, 0);
    if (put >= 0 && put != (ssize_t)sizeof header)
        errno = EIO;
    return put == (ssize_t)sizeof header;
}

/* The lock's file descriptor, -1 on failure.  Closing it gives the lock back. */
static int lock(const char *path)
{
    struct stat status;
    char *name = with_suffix(path, ".lock");
    if (name == NULL)
        return -1;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    int why = errno;
    free(name);
    errno = why;
    if (fd < 0)
        return -1;
    int failed = owned(fd, &status) ? 0 : -1;
    while (failed == 0 && flock(fd, LOCK_EX) != 0)
        if (errno != EINTR)
            failed = -1;
    if (failed != 0) {
        why = errno;
        (void)close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* ---- helpers -------------------------------------------------------------------------------- */

/* A regular file of ours which nobody else can open; EPERM otherwise.  /dev/shm is everybody's folder. */
static bool owned(int fd, struct stat *status)
{
    if (fstat(fd, status) != 0)
        return false;
    if (!S_ISREG(status->st_mode) || status->st_uid != geteuid() || (status->st_mode & 077) != 0) {
        errno = EPERM;
        return false;
    }
    return true;
}

static char *with_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path) + strlen(suffix) + 1;
    char *name = malloc(size);
    if (name != NULL)
        (void)snprintf(name, size, "%s%s", path, suffix);
    return name;
}

static char *absolute(const char *path)
{
    if (path[0] == '/')
        return strdup(path);
    char *folder = getcwd(NULL, 0);
    if (folder == NULL)
        return NULL;
    size_t size = strlen(folder) + 1 + strlen(path) + 1;
    char *whole = malloc(size);
    if (whole != NULL)
        (void)snprintf(whole, size, "%s/%s", folder, path);
    free(folder);
    return whole;
}

static bool file_system_is(int fd, const uint32_t *kinds, size_t count)
{
    struct statfs status;
    if (fstatfs(fd, &status) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if ((uint32_t)status.f_type == kinds[i])
            return true;
    return false;
}

static bool in_memory(int fd)
{
    static const uint32_t kinds[] = {0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */};
    return file_system_is(fd, kinds, sizeof kinds / sizeof kinds[0]);
}

/* File systems on which mapped memory is not one memory for all machines that open the file (statfs(2), magic.h). */
static bool on_network(int fd)
{
    static const uint32_t kinds[] = {0x6969 /* NFS */,    0x517b /* SMB */,        0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */,
                                     0x00c36400 /* Ceph */, 0x5346414f /* AFS */,    0x01021997 /* 9p */,   0x65735546 /* FUSE */,
                                     0x01161970 /* GFS2 */, 0x7461636f /* OCFS2 */, 0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */};
    return file_system_is(fd, kinds, sizeof kinds / sizeof kinds[0]);
}
