/* test_crl.c: the reader of CRLs: every reason, every limit, and pieces of every size. */
#include "../src/crl.h"
#include "../src/name_match.h"
#include "../src/points.h"
#include "hex.h"

#include <stdarg.h>

/* ---- CRLs written in hex ----------------------------------------------------------------------- */

enum { TEXTS_MAX = 4096 };
static char *texts[TEXTS_MAX];
static size_t text_count;

static char *text(size_t size)
{
    if (text_count == TEXTS_MAX || (texts[text_count] = malloc(size)) == NULL)
        exit(2);
    return texts[text_count++];
}

static void forget(void)
{
    while (text_count != 0)
        free(texts[--text_count]);
}

/* The element of tag `tag` around all strings of hex up to NULL. */
static const char *element_of(unsigned tag, ...)
{
    va_list list;
    size_t length = 0;
    va_start(list, tag);
    for (const char *one; (one = va_arg(list, const char *)) != NULL;)
        length += strlen(one);
    va_end(list);
    char *out = text(length + 32), *at = out;
    size_t octets = length / 2;
    if (octets < 0x80)
        at += sprintf(at, "%02x%02zx", tag, octets);
    else if (octets < 0x100)
        at += sprintf(at, "%02x81%02zx", tag, octets);
    else if (octets < 0x10000)
        at += sprintf(at, "%02x82%04zx", tag, octets);
    else
        at += sprintf(at, "%02x83%06zx", tag, octets);
    va_start(list, tag);
    for (const char *one; (one = va_arg(list, const char *)) != NULL;)
        at = stpcpy(at, one);
    va_end(list);
    return out;
}
#define SEQUENCE(...) element_of(0x30, __VA_ARGS__, NULL)
#define TAGGED(tag, ...) element_of(tag, __VA_ARGS__, NULL)

static const char *repeated(const char *one, size_t count)
{
    char *out = text(strlen(one) * count + 1), *at = out;
    *at = '\0';
    while (count-- != 0)
        at = stpcpy(at, one);
    return out;
}

#define RSA_SHA256 "300d06092a864886f70d01010b0500"
#define ED25519 "300506032b6570"
#define ISSUER "300d310b3009060355040313024341"          /* CN=CA */
#define OTHER_NAME "300d310b3009060355040313024342"      /* CN=CB */
#define THIS "170d3236303130313030303030305a"            /* 260101000000Z */
#define NEXT "170d3236303130323030303030305a"            /* 260102000000Z */
#define DATE "170d3235313233313233353935395a"            /* 251231235959Z */
enum { THIS_SECONDS = 1767225600, DATE_SECONDS = 1767225599 };
#define V2 "020101"
#define SIGNATURE "030500aabbccdd"
#define NUMBER "300a0603551d140403020107"                /* cRLNumber 7 */
#define DELTA "300d0603551d1b0101ff0403020105"           /* deltaCRLIndicator 5 */

static const char *extension(const char *oid, bool critical, const char *value)
{
    return SEQUENCE(TAGGED(0x06, oid), critical ? "0101ff" : "", TAGGED(0x04, value));
}

static const char *extensions(const char *list)
{
    return TAGGED(0xa0, SEQUENCE(list));
}

static const char *crl_of(const char *tbs_content)
{
    return SEQUENCE(SEQUENCE(tbs_content), RSA_SHA256, SIGNATURE);
}

static const char *joined(const char *first, ...)
{
    size_t length = strlen(first);
    va_list list;
    va_start(list, first);
    for (const char *one; (one = va_arg(list, const char *)) != NULL;)
        length += strlen(one);
    va_end(list);
    char *out = text(length + 1), *at = stpcpy(out, first);
    va_start(list, first);
    for (const char *one; (one = va_arg(list, const char *)) != NULL;)
        at = stpcpy(at, one);
    va_end(list);
    return out;
}
#define JOIN(...) joined(__VA_ARGS__, NULL)

/* A version 2 list with these entries (none: no revokedCertificates) and these extensions (none: no crlExtensions). */
static const char *list_of(const char *entries, const char *extension_list)
{
    return crl_of(JOIN(V2, RSA_SHA256, ISSUER, THIS, NEXT, *entries != '\0' ? SEQUENCE(entries) : "",
                       *extension_list != '\0' ? extensions(extension_list) : ""));
}

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct {
    uint32_t reason;
    uint64_t fault;
    seki_crl_summary summary;
    seki_crl_entry entry[64];
    uint64_t count;
    uint32_t duplicate;
} result;

static seki_crl *read_in(seki_span der, size_t piece, uint32_t *reason, uint64_t *fault)
{
    seki_crl *crl;
    seki_crl_options options = {0};
    if (seki_crl_new(&options, &crl) != SEKI_OK)
        exit(2);
    for (size_t at = 0; at < der.length;) {
        size_t some = piece == 0 ? 1 + random_below(40) : piece;
        some = some < der.length - at ? some : der.length - at;
        uint8_t *exact = malloc(some); /* so that a sanitizer sees a step beyond the piece */
        if (exact == NULL)
            exit(2);
        memcpy(exact, der.data + at, some);
        check(seki_crl_feed(crl, exact, some, reason) == SEKI_OK, "fed", "");
        free(exact);
        at += some;
    }
    check(seki_crl_end(crl, reason, fault) == SEKI_OK, "ended", "");
    return crl;
}

static result read_once(seki_span der, size_t piece)
{
    result r;
    memset(&r, 0, sizeof r);
    seki_crl *crl = read_in(der, piece, &r.reason, &r.fault);
    if (r.reason == 0) {
        check(seki_crl_summarize(crl, &r.summary) == SEKI_OK, "summarized", "");
        check(seki_crl_entries(crl, r.entry, 64, &r.count, &r.duplicate) == SEKI_OK, "listed", "");
    } else {
        check(seki_crl_summarize(crl, &r.summary) == SEKI_E_ARGUMENT, "nothing is said of a refused CRL", "");
    }
    seki_crl_free(crl);
    return r;
}

/* The same whole, octet by octet, and in pieces of chance. */
static result read_all_ways(seki_span der, const char *what)
{
    result whole = read_once(der, der.length + 1), one;
    for (size_t way = 0; way < 4; way++) {
        one = read_once(der, way == 0 ? 1 : way == 1 ? 7 : 0);
        check(memcmp(&whole, &one, sizeof one) == 0, "pieces make no difference", what);
    }
    return whole;
}

static result judged(const char *hex, uint32_t reason, const char *what)
{
    seki_span der = from_hex(hex);
    result r = read_all_ways(der, what);
    if (r.reason != reason)
        fprintf(stderr, "  %s: reason %u at %llu, not %u\n", what, r.reason, (unsigned long long)r.fault, reason);
    check(r.reason == reason, "the reason", what);
    check(r.fault <= der.length, "the fault lies within", what);
    release(der);
    return r;
}

static void good_lists(void)
{
    const char *entry = SEQUENCE("02047fffffff", DATE, SEQUENCE(extension("551d15", false, "0a0101")));
    check(strlen(entry) == 2 * 37, "an entry of 37 octets", "");
    result r = judged(list_of(JOIN(entry, SEQUENCE("020500ffffffff", DATE), SEQUENCE("020100", DATE)), NUMBER), 0, "three entries");
    check(r.count == 3 && r.summary.entries == 3 && r.summary.removals == 0 && r.summary.sets == 1, "counted", "");
    check(r.summary.version == 2 && r.summary.this_update == THIS_SECONDS && r.summary.next_update == THIS_SECONDS + 86400, "header", "");
    check(r.summary.number_length == 1 && r.summary.number[0] == 7 && r.summary.extensions == SEKI_CRL_EXT_NUMBER, "number", "");
    check(r.summary.points == 1 && r.summary.reasons == SEKI_CRL_REASONS_ALL && r.summary.flags == 0, "scope", "");
    bool found = false;
    for (size_t i = 0; i < r.count; i++)
        if (r.entry[i].length == 4 && r.entry[i].serial[0] == 0x7f)
            found = r.entry[i].reason == 1 && r.entry[i].date == DATE_SECONDS && r.entry[i].invalidity == INT64_MIN;
    check(found, "an entry", "");
    r = judged(list_of("", ""), 0, "no entries, no extensions");
    check(r.count == 0 && r.summary.number_length == 0, "empty", "");
    r = judged(crl_of(JOIN(RSA_SHA256, ISSUER, THIS, SEQUENCE(SEQUENCE("020101", DATE)))), 0, "version 1");
    check(r.summary.version == 1 && r.summary.next_update == INT64_MIN && r.count == 1, "version 1", "");
}

static void limits(void)
{
    const char *big = SEQUENCE("020101", DATE, SEQUENCE(extension("2a0304", false, repeated("00", SEKI_CRL_ENTRY_SIZE_MAX))));
    judged(list_of(big, ""), SEKI_CRL_TOO_LARGE, "an entry beyond its limit");
    judged(list_of("", extension("2a0304", false, repeated("00", SEKI_CRL_EXTENSIONS_SIZE_MAX))), SEKI_CRL_TOO_LARGE,
           "extensions beyond their limit");
}

int main(void)
{
    limits();
    good_lists();
    forget();
    return verdict("test_crl");
}
