/* fuzz_crl.c: libFuzzer target for the streaming reader of CRLs.
 *
 * Invariant: the same octets in pieces of chance have the same verdict, fault, summary, points and entries as whole; so has their
 * PEM form, in which the fault's place is the same too; each prefix of a CRL that is taken is truncated; what is taken, OpenSSL
 * reads to its end and writes as the same octets again, with as many entries, of the same serials and dates.
 *
 *   make fuzz TARGET=crl */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "../src/crl.h"
#include "fuzz/fuzz.h"
#include "fuzz/tlv.h"

enum { ENTRIES_MAX = 2048, POINTS_MAX = 64 };

TLV_CUSTOM_MUTATOR(0)

typedef struct {
    uint32_t reason, duplicate;
    uint64_t fault, count, points;
    seki_crl_summary summary;
    seki_crl_entry entry[ENTRIES_MAX];
    uint8_t point[POINTS_MAX][32];
} result;

static uint64_t next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* Pieces of `state`'s choice; whole if it is NULL. */
static void read_crl(seki_span in, uint64_t *state, result *r)
{
    seki_crl_options options = {.memory_bytes = 0};
    seki_crl *crl;
    uint32_t again;
    memset(r, 0, sizeof *r);
    require(seki_crl_new(&options, &crl) == SEKI_OK, "memory");
    uint64_t bound = state != NULL ? (uint64_t[]){2, 9, 100, 5000}[next(state) & 3] : 0;
    for (size_t at = 0; at < in.length;) {
        size_t left = in.length - at, some = state != NULL ? 1 + (size_t)(next(state) % bound) : left;
        some = some < left ? some : left;
        seki_span piece = exact_copy(in.data + at, some);
        require(seki_crl_feed(crl, piece.data, piece.length, &r->reason) == SEKI_OK, "fed");
        free((void *)(uintptr_t)piece.data);
        at += some;
    }
    uint32_t told = r->reason;
    require(seki_crl_end(crl, &r->reason, &r->fault) == SEKI_OK, "ended");
    require(told == 0 || told == r->reason, "once refused, always refused");
    require(seki_crl_end(crl, &again, &r->fault) == SEKI_OK && again == r->reason, "the end is the end");
    if (r->reason == 0) {
        require(seki_crl_summarize(crl, &r->summary) == SEKI_OK, "summarized");
        require(seki_crl_points(crl, &r->point[0][0], POINTS_MAX, &r->points) == SEKI_OK && r->points != 0, "points");
        if (r->summary.entries <= ENTRIES_MAX)
            require(seki_crl_entries(crl, r->entry, ENTRIES_MAX, &r->count, &r->duplicate) == SEKI_OK, "listed");
    } else {
        require(seki_crl_summarize(crl, &r->summary) == SEKI_E_ARGUMENT, "nothing is said of a refused CRL");
    }
    seki_crl_free(crl);
}

static seki_span pem_of(seki_span der)
{
    static const char begin[] = "-----BEGIN X509 CRL-----\n", end[] = "-----END X509 CRL-----\n";
    size_t lines = der.length / 48 + 1, room = sizeof begin + lines * 65 + sizeof end + 8;
    uint8_t *out = malloc(room), *at = out;
    require(out != NULL, "memory");
    memcpy(at, begin, sizeof begin - 1);
    at += sizeof begin - 1;
    for (size_t i = 0; i < der.length; i += 48) {
        size_t some = der.length - i < 48 ? der.length - i : 48;
        at += EVP_EncodeBlock(at, der.data + i, (int)some);
        *at++ = '\n';
    }
    memcpy(at, end, sizeof end - 1);
    at += sizeof end - 1;
    return (seki_span){out, (size_t)(at - out)};
}

/* Whether one of our entries has this serial and date; each is used once. */
static bool find(result *r, const ASN1_INTEGER *serial, const ASN1_TIME *date)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
    uint8_t octets[20] = {0};
    require(number != NULL && BN_num_bytes(number) <= 20, "a serial");
    int length = BN_bn2bin(number, octets);
    if (length == 0)
        length = 1; /* zero is one octet here */
    BN_free(number);
    for (uint64_t i = 0; i < r->count; i++)
        if (r->entry[i].length == length && memcmp(r->entry[i].serial, octets, (size_t)length) == 0) {
            struct tm tm;
            require(ASN1_TIME_to_tm(date, &tm) == 1 && timegm(&tm) == r->entry[i].date, "the date is the same");
            r->entry[i].length = 0;
            return true;
        }
    return false;
}

static void openssl_reads_it_too(seki_span in, result *r)
{
    const uint8_t *at = in.data;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)in.length);
    require(crl != NULL && at == in.data + in.length, "OpenSSL reads it");
    unsigned char *again = NULL;
    int size = i2d_X509_CRL(crl, &again);
    require(size >= 0 && (size_t)size == in.length && memcmp(again, in.data, in.length) == 0, "the same octets again");
    OPENSSL_free(again);
    require(X509_CRL_get_version(crl) + 1 == (long)r->summary.version, "the version is the same");
    STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl);
    int count = revoked != NULL ? sk_X509_REVOKED_num(revoked) : 0;
    require((uint64_t)count == r->summary.entries, "as many entries");
    if (r->duplicate == 0 && r->summary.entries <= ENTRIES_MAX) {
        require(r->count + r->summary.negative == (uint64_t)count, "all are listed");
        for (int i = 0; i < count && count < 200; i++) {
            const X509_REVOKED *one = sk_X509_REVOKED_value(revoked, i);
            const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(one);
            if (ASN1_STRING_type(serial) != V_ASN1_NEG_INTEGER)
                require(find(r, serial, X509_REVOKED_get0_revocationDate(one)), "each is listed");
        }
    }
    X509_CRL_free(crl);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static result whole, other;
    seki_span in = {data, size};
    uint64_t state = size;
    for (size_t i = 0; i < size && i < 64; i++)
        state = state * 31 + data[size - 1 - i];
    read_crl(in, NULL, &whole);
    require(whole.fault <= size, "a fault within the input");
    for (int way = 0; way < 2; way++) {
        read_crl(in, &state, &other);
        require(memcmp(&whole, &other, sizeof whole) == 0, "pieces make no difference");
    }
    if (size != 0 && data[0] != '-') {
        seki_span pem = pem_of(in);
        read_crl(pem, &state, &other);
        require(whole.reason != 0 || other.summary.flags == (whole.summary.flags | SEKI_CRL_IS_PEM), "PEM says that it is");
        other.summary.flags = whole.summary.flags;
        require(memcmp(&whole, &other, sizeof whole) == 0, "PEM makes no difference");
        free((void *)(uintptr_t)pem.data);
    }
    if (whole.reason == 0 && data[0] != '-') {
        read_crl((seki_span){data, (size_t)(next(&state) % size)}, &state, &other);
        require(other.reason == SEKI_CRL_TRUNCATED, "a prefix is truncated");
        openssl_reads_it_too(in, &whole);
    }
    return 0;
}
