/* fuzz_claims.c: libFuzzer target for the file of claims that a process finds.
 *
 * Invariant: a file is taken as it is, made anew, or left alone, and the set then accepts a challenge at most once; one made anew
 * refuses what was issued before.
 *
 * The input's first byte: even, the rest is the file; odd, the rest are edits (place, value) of a good one, whose checksum is then
 * made right where the byte's second bit is set.
 *
 *   make fuzz TARGET=claims */
#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/claims_layout.h"
#include "fuzz/fuzz.h"

enum { AT = 1000000, FILE_ROOM = 1 << 15 };

static char path[64], lock_path[80];
static uint8_t good[FILE_ROOM];
static size_t good_size;

static void clean(void)
{
    (void)unlink(path);
    (void)unlink(lock_path);
}

static void set_up(void)
{
    snprintf(path, sizeof path, "/dev/shm/sekisho-fuzz-%ld", (long)getpid());
    snprintf(lock_path, sizeof lock_path, "%s.lock", path);
    (void)atexit(clean);
    seki_claims *claims;
    require(seki_claims_open(path, SEKI_CLAIMS_CAPACITY_MIN, 5, SEKI_CLAIMS_FRESH, &claims) == SEKI_OK, "made");
    require(seki_claims_begin_batch(claims, AT) == SEKI_NOT_DECIDED, "begun");
    seki_claims_free(claims);
    int fd = open(path, O_RDONLY);
    ssize_t got = read(fd, good, sizeof good);
    require(got > 0 && (size_t)got < sizeof good, "read");
    good_size = (size_t)got;
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_ROOM];
    if (good_size == 0)
        set_up();
    if (size == 0 || size > FILE_ROOM)
        return 0;
    size_t length = size - 1;
    if (data[0] % 2 == 1) {
        memcpy(file, good, good_size);
        length = good_size;
        for (size_t i = 1; i + 2 < size; i += 3) {
            size_t place = ((size_t)data[i] << 8 | data[i + 1]) % (good_size + 64);
            if (place < good_size)
                file[place] = data[i + 2];
            else
                length = good_size - data[i + 2];
        }
        if ((data[0] & 2) != 0)
            SHA256(file, offsetof(seki_claims_identity, checksum), file + offsetof(seki_claims_identity, checksum));
    } else {
        memcpy(file, data + 1, length);
    }
    (void)unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    require(fd >= 0 && write(fd, file, length) == (ssize_t)length, "written");
    (void)close(fd);

    seki_claims *claims = NULL;
    seki_status status = seki_claims_open(path, SEKI_CLAIMS_CAPACITY_MIN, 5, 0, &claims);
    require(status == SEKI_OK || status == SEKI_E_DAMAGED, "opened, or left alone");
    if (status != SEKI_OK) {
        struct stat now;
        require(length < 8 || memcmp(file, good, 8) != 0, "a set is never left alone");
        require(stat(path, &now) == 0 && (size_t)now.st_size == length, "what is left alone is as it was");
        return 0;
    }
    seki_claims_statistics statistics;
    require(seki_claims_read_statistics(claims, &statistics) == SEKI_OK && statistics.capacity >= SEKI_CLAIMS_CAPACITY_MIN &&
                statistics.capacity <= SEKI_CLAIMS_CAPACITY_MAX,
            "statistics");
    seki_challenge_fields challenge = {.issued = AT, .expires = AT + 60, .mac = {1, 2, 3}};
    seki_reason begun = seki_claims_begin_batch(claims, AT + 1);
    bool repeated = false, again = false;
    if (begun == SEKI_NOT_DECIDED) {
        (void)seki_claims_locked(claims, &challenge);
        seki_reason first = seki_claims_claim(claims, &challenge, 0, AT + 1, &repeated);
        seki_reason second = seki_claims_claim(claims, &challenge, 0, AT + 1, &again);
        require(!repeated && !again && second != SEKI_ACCEPTED, "accepted at most once");
        if (statistics.origin != SEKI_CLAIMS_FOUND)
            require(first != SEKI_ACCEPTED, "what was issued before a set was made anew is refused");
        seki_claims_failed(claims, &challenge);
    }
    seki_claims_free(claims);
    return 0;
}
