/* openssl_paths.h: what the differential tests ask of OpenSSL.  Read by build.py for cffi between the cdef marks. */
#ifndef OPENSSL_PATHS_H
#define OPENSSL_PATHS_H

#include <stddef.h>
#include <stdint.h>

/* cdef: begin */

enum {
    OPENSSL_UNREADABLE = -1 /* d2i_X509 reads no leaf, or leaves octets over */
};

/* How OpenSSL is asked. */
enum {
    OPENSSL_BUILDS = 0, /* all certificates at once: it builds the path, and does not go back */
    OPENSSL_EACH = 1,   /* each path that names make by itself, until one passes */
    OPENSSL_PINNED = 2  /* the same, and names alone say who issued whom: key identifiers play no part */
};

/* Cases over certificates of which each stands once.  Lists are indexes into the certificates, end to end. */
typedef struct {
    uint64_t cases;
    uint64_t certificates;
    const uint8_t *der;
    const uint64_t *offsets;        /* certificates + 1 */
    uint64_t groups;                /* sets of trust anchors */
    const uint32_t *trusted;
    const uint32_t *trusted_ends;   /* groups + 1 */
    const uint32_t *leaf;           /* cases */
    const uint32_t *group;          /* cases */
    const uint32_t *untrusted;
    const uint32_t *untrusted_ends; /* cases + 1 */
    const int64_t *at;              /* cases */
    const uint8_t *policies;        /* user-initial-policy-set: OIDs in DER, end to end */
    uint64_t policies_length;
    int explicit_policy;            /* initial-explicit-policy */
    int depth;                      /* CA certificates between anchor and leaf, at most */
    int way;                        /* OPENSSL_BUILDS, _EACH, _PINNED */
    int64_t skew;                   /* -1: dates as OpenSSL reads them; else both ends valid, and so many seconds more */
} openssl_cases;

typedef struct {
    int error; /* X509_V_*, 0 for a valid path; OPENSSL_UNREADABLE */
    int depth; /* of the certificate at fault */
} openssl_answer;

int openssl_verify(const openssl_cases *in, openssl_answer *out); /* 1, or 0 if there is no memory */
int openssl_signature(const uint8_t *der, size_t der_length, const uint8_t *message, size_t message_length,
                      const uint8_t *signature, size_t signature_length, int hash);
const char *openssl_error(int error);
const char *openssl_version(void);

/* An RSA key of many primes below 2^64, for signing test certificates cheaply; never freed. */
typedef struct small_rsa small_rsa;
small_rsa *small_rsa_new(size_t primes, const uint64_t *prime, const uint64_t *exponent, const uint8_t *weights,
                         const uint8_t *modulus, size_t size);
int small_rsa_sign(small_rsa *key, const uint8_t *block, uint8_t *out);

/* cdef: end */
#endif
