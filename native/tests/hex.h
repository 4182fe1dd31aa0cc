/* hex.h: what the table-driven tests share: counted checks, bytes written as hex, and a seeded generator. */
#ifndef SEKI_TEST_HEX_H
#define SEKI_TEST_HEX_H

#include "../src/span.h"

#include <stdio.h>
#include <stdlib.h>

static size_t checks, failures;

static inline void check(bool held, const char *what, const char *detail)
{
    checks++;
    if (held)
        return;
    failures++;
    fprintf(stderr, "FAILED: %s: %s\n", what, detail);
    if (failures > 40)
        exit(1);
}

/* Prints the count and gives the exit status of a test program; none that checked nothing passes. */
static inline int verdict(const char *program)
{
    printf("%s: %zu checks, %zu failed\n", program, checks, failures);
    return failures != 0 || checks == 0;
}

static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Octets of `hex`, in which blanks do not count, into a block of exactly their number, so that a sanitizer sees
 * each step beyond it.  The caller frees .data. */
static inline seki_span from_hex(const char *hex)
{
    uint8_t *data = malloc(strlen(hex) / 2 + 1);
    size_t length = 0;
    int high = -1;
    for (; *hex != '\0'; hex++) {
        int digit = hex_digit(*hex);
        if (digit < 0 && *hex == ' ')
            continue;
        if (digit < 0 || data == NULL) {
            fprintf(stderr, "not hex: %s\n", hex);
            exit(2);
        }
        if (high < 0) {
            high = digit;
        } else {
            data[length++] = (uint8_t)(high << 4 | digit);
            high = -1;
        }
    }
    uint8_t *exact = malloc(length != 0 ? length : 1);
    if (high >= 0 || exact == NULL) {
        fprintf(stderr, "half an octet of hex\n");
        exit(2);
    }
    memcpy(exact, data, length);
    free(data);
    return (seki_span){exact, length};
}

static inline void release(seki_span owned)
{
    free((void *)(uintptr_t)owned.data);
}

static uint64_t random_state = 1;

static inline uint64_t random_bits(void) /* splitmix64 */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static inline size_t random_below(size_t bound)
{
    return (size_t)(random_bits() % bound);
}

#endif
