/* test_crl.c: the reader of CRLs: every reason, every limit, and pieces of every size. */
#include "../src/crl.h"
#include "../src/digest.h"
#include "../src/name_match.h"
#include "../src/points.h"
#include "hex.h"

#include <stdarg.h>

/* ---- CRLs written in hex ----------------------------------------------------------------------- */

enum { TEXTS_MAX = 65536 };
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

/* The element of tag `tag` around all strings of hex up to NULL; blanks do not count. */
static const char *element_of(unsigned tag, ...)
{
    va_list list;
    size_t length = 0, size = 0;
    va_start(list, tag);
    for (const char *one; (one = va_arg(list, const char *)) != NULL;) {
        size += strlen(one);
        for (const char *c = one; *c != '\0'; c++)
            length += *c != ' ';
    }
    va_end(list);
    char *out = text(size + 32), *at = out;
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

/* ---- every reason ------------------------------------------------------------------------------ */

#define ENTRY "30140203123456" DATE                      /* without extensions */
#define REASON_CODE(octet) extension("551d15", false, "0a01" octet)
#define LISTED(...) SEQUENCE("0203123456", DATE, SEQUENCE(__VA_ARGS__))
#define IDP(...) extension("551d1c", true, SEQUENCE(__VA_ARGS__))
#define INDIRECT IDP("8401ff")

static void headers(void)
{
    static const struct {
        const char *what, *tbs;
        uint32_t reason;
    } cases[] = {
        {"version 1 said", "020100" RSA_SHA256 ISSUER THIS, SEKI_CRL_VERSION},
        {"version 3", "020102" RSA_SHA256 ISSUER THIS, SEKI_CRL_VERSION},
        {"version of two octets", "02020001" RSA_SHA256 ISSUER THIS, SEKI_CRL_MALFORMED},
        {"version an octet string", "040101" RSA_SHA256 ISSUER THIS, SEKI_CRL_MALFORMED},
        {"algorithm with a parameter it must not have", V2 "300c06082a8648ce3d0403020500" ISSUER THIS, SEKI_CRL_MALFORMED},
        {"algorithm without its NULL", V2 "300b06092a864886f70d01010b" ISSUER THIS, SEKI_CRL_MALFORMED},
        {"SHA-1", V2 "300d06092a864886f70d0101050500" ISSUER THIS, SEKI_CRL_ALGORITHM_NOT_ALLOWED},
        {"DSA", V2 "300906072a8648ce380403" ISSUER THIS, SEKI_CRL_ALGORITHM_NOT_ALLOWED},
        {"issuer empty", V2 RSA_SHA256 "3000" THIS, SEKI_CRL_NAME_MALFORMED},
        {"issuer no name", V2 RSA_SHA256 "020101" THIS, SEKI_CRL_NAME_MALFORMED},
        {"issuer with an empty value", V2 RSA_SHA256 "300b31093007060355040313 00" THIS, SEKI_CRL_NAME_MALFORMED},
        {"no issuer", V2 RSA_SHA256, SEKI_CRL_NAME_MALFORMED},
        {"no thisUpdate", V2 RSA_SHA256 ISSUER, SEKI_CRL_TIME_MALFORMED},
        {"thisUpdate of month 13", V2 RSA_SHA256 ISSUER "170d3236313330313030303030305a", SEKI_CRL_TIME_MALFORMED},
        {"thisUpdate without seconds", V2 RSA_SHA256 ISSUER "170b323630313031303030305a", SEKI_CRL_TIME_MALFORMED},
        {"nextUpdate of day 0", V2 RSA_SHA256 ISSUER THIS "170d3236303130303030303030305a", SEKI_CRL_TIME_MALFORMED},
        {"nextUpdate before thisUpdate", V2 RSA_SHA256 ISSUER NEXT THIS, SEKI_CRL_TIME_MALFORMED},
        {"three times", V2 RSA_SHA256 ISSUER THIS NEXT NEXT, SEKI_CRL_MALFORMED},
        {"an empty list", V2 RSA_SHA256 ISSUER THIS NEXT "3000", SEKI_CRL_MALFORMED},
        {"two lists", V2 RSA_SHA256 ISSUER THIS NEXT "3016" ENTRY "3016" ENTRY, SEKI_CRL_MALFORMED},
        {"something else behind the times", V2 RSA_SHA256 ISSUER THIS NEXT "0500", SEKI_CRL_MALFORMED},
        {"an empty sequence of extensions", V2 RSA_SHA256 ISSUER THIS NEXT "a0023000", SEKI_CRL_EXTENSION_MALFORMED},
        {"no sequence in the extensions", V2 RSA_SHA256 ISSUER THIS NEXT "a000", SEKI_CRL_MALFORMED},
        {"extensions in version 1", RSA_SHA256 ISSUER THIS NEXT "a00e300c" NUMBER, SEKI_CRL_VERSION},
        {"an entry's extensions in version 1", RSA_SHA256 ISSUER THIS NEXT "30243022 0203123456" DATE "300c300a0603551d1504030a0101", SEKI_CRL_VERSION},
        {"something behind the extensions", V2 RSA_SHA256 ISSUER THIS NEXT "a00e300c" NUMBER "0500", SEKI_CRL_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        judged(crl_of(cases[i].tbs), cases[i].reason, cases[i].what);
    const char *tbs = SEQUENCE(V2, RSA_SHA256, ISSUER, THIS, NEXT);
    judged(SEQUENCE(tbs, "300d06092a864886f70d01010c0500", SIGNATURE), SEKI_CRL_ALGORITHMS_DIFFER, "another algorithm outside");
    judged(SEQUENCE(tbs, RSA_SHA256), SEKI_CRL_MALFORMED, "no signature");
    judged(SEQUENCE(tbs, RSA_SHA256, "030501aabbccdc"), SEKI_CRL_MALFORMED, "a signature of odd bits");
    judged(SEQUENCE(tbs, RSA_SHA256, "0300"), SEKI_CRL_MALFORMED, "a signature without its count of bits");
    judged(SEQUENCE(tbs, RSA_SHA256, SIGNATURE, "0500"), SEKI_CRL_MALFORMED, "something behind the signature");
    judged(JOIN(SEQUENCE(tbs, RSA_SHA256, SIGNATURE), "00"), SEKI_CRL_TRAILING_DATA, "something behind the list");
    judged("", SEKI_CRL_TRUNCATED, "nothing");
    judged("3000", SEKI_CRL_MALFORMED, "an empty sequence");
    judged("3080", SEKI_CRL_MALFORMED, "an indefinite length");
    judged("30820010", SEKI_CRL_MALFORMED, "a length with a leading zero");
    judged("3089010000000000000000", SEKI_CRL_MALFORMED, "a length of nine octets");
    judged("3088ffffffffffffffff", SEKI_CRL_MALFORMED, "a length beyond all files");
    judged("30887fffffffffffff0030887fffffffffffff00", SEKI_CRL_MALFORMED, "a TBSCertList longer than its list");
    judged("30887fffffffffffff003088 6fffffffffffff00 020101", SEKI_CRL_TRUNCATED, "a list of 8 EiB");
    /* Generalized times, after 2050 as they must be and before as they may. */
    result r = judged(crl_of(V2 RSA_SHA256 ISSUER THIS "180f32303530303130313030303030305a"), 0, "2050");
    check(r.summary.next_update == INT64_C(2524608000), "2050", "");
    judged(crl_of(V2 RSA_SHA256 ISSUER THIS "180f32303236303130323030303030305a"), 0, "a GeneralizedTime of 2026");
}

static void truncated(void)
{
    seki_span der = from_hex(list_of(LISTED(REASON_CODE("01")), NUMBER));
    for (size_t length = 0; length < der.length; length++) {
        result r = read_all_ways((seki_span){der.data, length}, "a prefix");
        check(r.reason == SEKI_CRL_TRUNCATED && r.fault == length, "each prefix is truncated", "");
    }
    release(der);
}

static void entries(void)
{
    static const struct {
        const char *what, *serial_and_date;
        uint32_t reason;
    } bare[] = {
        {"a serial of 20 octets", "02147f00000000000000000000000000000000000001" DATE, 0},
        {"a serial of 20 octets with its pad", "021400ff000000000000000000000000000000000001" DATE, 0},
        {"a serial of 21 octets", "021500ff00000000000000000000000000000000000001" DATE, SEKI_CRL_ENTRY_MALFORMED},
        {"an empty serial", "0200" DATE, SEKI_CRL_ENTRY_MALFORMED},
        {"a padded serial", "02020001" DATE, SEKI_CRL_ENTRY_MALFORMED},
        {"a serial padded with ones", "0202ff80" DATE, SEKI_CRL_ENTRY_MALFORMED},
        {"serial zero", "020100" DATE, 0},
        {"a negative serial", "0201ff" DATE, 0},
        {"no serial", DATE, SEKI_CRL_ENTRY_MALFORMED},
        {"no date", "020101", SEKI_CRL_ENTRY_MALFORMED},
        {"a date of 30 February", "020101 170d3236303233303030303030305a", SEKI_CRL_ENTRY_MALFORMED},
        {"29 February 2024", "020101 170d3234303232393030303030305a", 0},
        {"29 February 2023", "020101 170d3233303232393030303030305a", SEKI_CRL_ENTRY_MALFORMED},
        {"29 February 2000", "020101 170d3030303232393030303030305a", 0},
        {"hour 24", "020101 170d3236303232303234303030305a", SEKI_CRL_ENTRY_MALFORMED},
        {"minute 60", "020101 170d3236303232303030363030305a", SEKI_CRL_ENTRY_MALFORMED},
        {"second 60", "020101 170d3236303232303030303036305a", SEKI_CRL_ENTRY_MALFORMED},
        {"a date that is no digit", "020101 170d323630323230303030303a305a", SEKI_CRL_ENTRY_MALFORMED},
        {"a date of an octet above 7f", "020101 170d3236303232303030303030b05a", SEKI_CRL_ENTRY_MALFORMED},
        {"a date without Z", "020101 170d32363032323030303030303059", SEKI_CRL_ENTRY_MALFORMED},
        {"a GeneralizedTime", "020101 180f32303236303232303030303030305a", 0},
        {"something behind", "020101" DATE "0500", SEKI_CRL_ENTRY_MALFORMED},
        {"two of extensions", "020101" DATE "3000 3000", SEKI_CRL_ENTRY_MALFORMED},
        {"an empty list of extensions", "020101" DATE "3000", 0},
    };
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++) {
        /* Last, where what follows is too little for the fast path, and first of several. */
        judged(list_of(SEQUENCE(bare[i].serial_and_date), ""), bare[i].reason, bare[i].what);
        judged(list_of(JOIN(SEQUENCE(bare[i].serial_and_date), ENTRY, "30140203123457" DATE, "30140203123458" DATE), ""), bare[i].reason,
               bare[i].what);
    }
    for (unsigned reason = 0; reason < 13; reason++) {
        char octet[3];
        sprintf(octet, "%02x", reason);
        uint32_t wanted = reason > 10 || reason == 7 || reason == 8 ? SEKI_CRL_ENTRY_EXTENSION : 0;
        result r = judged(list_of(JOIN(LISTED(extension("551d15", false, JOIN("0a01", octet))), "30140203123457" DATE, "30140203123458" DATE), ""),
                          wanted, "a reason");
        check(wanted != 0 || (r.count == 3 && r.entry[0].reason == reason), "the reason is kept", octet);
        judged(list_of(LISTED(extension("551d15", true, JOIN("0a01", octet))), ""), wanted, "a reason, critical");
    }
    result r = judged(list_of(JOIN(SEQUENCE("0201ff", DATE), ENTRY), ""), 0, "a negative serial and another");
    check(r.summary.entries == 2 && r.summary.negative == 1 && r.count == 1, "a negative serial is in no set", "");
    r = judged(list_of(LISTED(extension("551d18", false, "180f32303235303130313030303030305a"), REASON_CODE("01")), ""), 0, "an invalidityDate");
    check(r.count == 1 && r.entry[0].invalidity == 1735689600 && r.entry[0].reason == 1, "an invalidityDate", "");
    static const struct {
        const char *what, *oid, *value;
        bool critical;
        uint32_t reason;
    } extended[] = {
        {"reason an INTEGER", "551d15", "020101", false, SEKI_CRL_ENTRY_EXTENSION},
        {"reason of two octets", "551d15", "0a020001", false, SEKI_CRL_ENTRY_EXTENSION},
        {"reason and more", "551d15", "0a01010500", false, SEKI_CRL_ENTRY_EXTENSION},
        {"invalidityDate a UTCTime", "551d18", THIS, false, SEKI_CRL_ENTRY_EXTENSION},
        {"hold instruction", "551d17", "06072a8648ce380202", false, 0},
        {"hold instruction, critical", "551d17", "06072a8648ce380202", true, SEKI_CRL_ENTRY_EXTENSION},
        {"hold instruction, no OID", "551d17", "0500", false, SEKI_CRL_ENTRY_EXTENSION},
        {"unknown", "2a0304", "00", false, 0},
        {"unknown, critical", "2a0304", "00", true, SEKI_CRL_ENTRY_EXTENSION},
        {"certificateIssuer, not critical", "551d1d", "3011a40f" ISSUER, false, SEKI_CRL_ENTRY_EXTENSION},
        {"certificateIssuer without a directoryName", "551d1d", "3005820361 2e62", true, SEKI_CRL_ENTRY_EXTENSION},
        {"certificateIssuer with two directoryNames", "551d1d", "3022a40f" ISSUER "a40f" ISSUER, true, SEKI_CRL_ENTRY_EXTENSION},
        {"certificateIssuer, empty", "551d1d", "3000", true, SEKI_CRL_ENTRY_EXTENSION},
        {"certificateIssuer in no indirect CRL", "551d1d", "3011a40f" ISSUER, true, SEKI_CRL_ENTRY_EXTENSION},
    };
    for (size_t i = 0; i < sizeof extended / sizeof extended[0]; i++) {
        bool direct = i == sizeof extended / sizeof extended[0] - 1;
        const char *one = extension(extended[i].oid, extended[i].critical, extended[i].value);
        judged(list_of(LISTED(one), direct ? "" : INDIRECT), extended[i].reason, extended[i].what);
        judged(list_of(LISTED(one, one), INDIRECT), SEKI_CRL_ENTRY_EXTENSION, extended[i].what);
    }
    judged(list_of(LISTED("3008 0603551d15 0101ff"), ""), SEKI_CRL_ENTRY_EXTENSION, "an extension without a value");
    judged(list_of(LISTED("300d 0603551d15 010100 04030a0101"), ""), SEKI_CRL_ENTRY_EXTENSION, "critical FALSE said");
    /* One serial twice is known when the set is written. */
    r = judged(list_of(JOIN(ENTRY, LISTED(REASON_CODE("01"))), ""), 0, "a serial twice");
    check(r.duplicate == SEKI_CRL_ENTRY_DUPLICATE && r.count == 0, "a serial twice", "");
}

static void indirect(void)
{
    const char *named = extension("551d1d", true, "3011a40f" OTHER_NAME);
    const char *again = extension("551d1d", true, "3011a40f" ISSUER);
    result r = judged(list_of(JOIN(ENTRY, LISTED(named), "30140203123457" DATE, SEQUENCE("0203123457", DATE, SEQUENCE(again)), "30140203123458" DATE), INDIRECT),
                      0, "an indirect CRL");
    check(r.summary.sets == 2 && r.count == 5 && r.duplicate == 0, "two sets", "");
    uint64_t of_other = 0;
    for (size_t i = 0; i < r.count; i++)
        of_other += r.entry[i].set;
    check(of_other == 2, "certificateIssuer holds until the next", "");
    check(r.summary.flags == SEKI_CRL_IS_INDIRECT, "flags", "");

    uint8_t form[32];
    uint32_t reason;
    uint64_t fault;
    seki_span der = from_hex(list_of(LISTED(named), INDIRECT)), name = from_hex(OTHER_NAME);
    seki_crl *crl = read_in(der, der.length, &reason, &fault);
    seki_crl_sets *sets = seki_crl_sets_of(crl);
    seki_name_digest(name, form);
    check(sets != NULL && sets->count == 2 && memcmp(sets->set[1].issuer, form, 32) == 0 && sets->set[1].entries == 1, "the issuer's form", "");
    seki_crl_entry entry[2];
    uint64_t count;
    check(seki_crl_entries(crl, entry, 2, &count, &reason) == SEKI_OK && count == 1, "one entry", "");
    check(seki_crl_entries(crl, entry, 2, &count, &reason) == SEKI_E_ARGUMENT, "entries that are gone do not pass for none", "");
    seki_crl_free(crl);
    release(der);
    release(name);
}

static void deltas(void)
{
    result r = judged(list_of(JOIN(LISTED(REASON_CODE("08")), "30140203123457" DATE), NUMBER DELTA), 0, "a delta");
    check(r.summary.removals == 1 && r.summary.entries == 2 && r.summary.flags == SEKI_CRL_IS_DELTA, "a removal", "");
    check(r.summary.base_number_length == 1 && r.summary.base_number[0] == 5 && r.count == 2, "the base", "");
    check(r.entry[0].serial[2] == 0x57 && r.entry[1].reason == 8, "removals stand behind", "");
    judged(list_of("", extension("551d1b", false, "020105")), SEKI_CRL_EXTENSION_MALFORMED, "a delta that is not critical");
    judged(list_of("", DELTA), SEKI_CRL_EXTENSION_MALFORMED, "a delta without a number");
    judged(list_of("", JOIN(DELTA, NUMBER, DELTA)), SEKI_CRL_EXTENSION_DUPLICATE, "two indicators");
}

static void list_extensions(void)
{
    static const struct {
        const char *what, *oid, *value;
        bool critical;
        uint32_t reason;
    } cases[] = {
        {"number", "551d14", "020107", false, 0},
        {"number, critical", "551d14", "020107", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"number zero", "551d14", "020100", false, 0},
        {"number negative", "551d14", "0201ff", false, SEKI_CRL_EXTENSION_MALFORMED},
        {"number of 20 octets", "551d14", "0214 0102030405060708090a0b0c0d0e0f1011121314", false, 0},
        {"number of 21 octets", "551d14", "0215 010203040506 0708090a0b0c0d0e0f101112131415", false, SEKI_CRL_EXTENSION_MALFORMED},
        {"number and more", "551d14", "0201070500", false, SEKI_CRL_EXTENSION_MALFORMED},
        {"key identifier", "551d23", "3006 8004aabbccdd", false, 0},
        {"key identifier, empty", "551d23", "30028000", false, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, empty", "551d1c", "3000", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, not critical", "551d1c", "30038101ff", false, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, users", "551d1c", "30038101ff", true, 0},
        {"IDP, FALSE said", "551d1c", "3003810100", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, a BOOLEAN of 01", "551d1c", "3003810101", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, users and CAs", "551d1c", "30068101ff8201ff", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, out of order", "551d1c", "30068401ff8201ff", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, reasons", "551d1c", "3004 83020640", true, 0},
        {"IDP, no reason", "551d1c", "3003 830100", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, reasons not trimmed", "551d1c", "3004 83020540", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, ten reasons", "551d1c", "3005 8303060040", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, unknown field", "551d1c", "3003 8601ff", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, name without a choice", "551d1c", "3002a000", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, no name in the full name", "551d1c", "3004a002a000", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"IDP, two choices", "551d1c", "300ea00ca0048602613aa0048602613a", true, SEKI_CRL_EXTENSION_MALFORMED},
        {"issuerAltName", "551d12", "30048202612e", false, SEKI_CRL_EXTENSION_MALFORMED},
        {"issuerAltName", "551d12", "3003820161", false, 0},
        {"issuerAltName, critical", "551d12", "3003820161", true, SEKI_CRL_EXTENSION_UNKNOWN_CRITICAL},
        {"freshestCRL", "551d2e", "300a3008a006a0048602613a", false, 0},
        {"freshestCRL, critical", "551d2e", "300a3008a006a0048602613a", true, SEKI_CRL_EXTENSION_UNKNOWN_CRITICAL},
        {"freshestCRL, empty", "551d2e", "3000", false, SEKI_CRL_EXTENSION_MALFORMED},
        {"authorityInfoAccess", "2b06010505070101", "3010300e06082b060105050730028602613a", false, 0},
        {"authorityInfoAccess, empty", "2b06010505070101", "3000", false, SEKI_CRL_EXTENSION_MALFORMED},
        {"unknown", "2a0304", "00", false, 0},
        {"unknown, critical", "2a0304", "00", true, SEKI_CRL_EXTENSION_UNKNOWN_CRITICAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *one = extension(cases[i].oid, cases[i].critical, cases[i].value);
        judged(list_of("", one), cases[i].reason, cases[i].what);
        if (cases[i].reason == 0)
            judged(list_of("", JOIN(one, one)), SEKI_CRL_EXTENSION_DUPLICATE, cases[i].what);
    }
    judged(list_of("", repeated(extension("2a0304", false, ""), 2)), SEKI_CRL_EXTENSION_DUPLICATE, "unknown twice");
    result r = judged(list_of("", IDP("83020640")), 0, "reasons");
    check(r.summary.reasons == 1 << 1, "keyCompromise", "");
    r = judged(list_of("", IDP("8501ff")), 0, "attribute certificates");
    check(r.summary.flags == SEKI_CRL_ONLY_ATTRIBUTE, "attribute certificates", "");
}

/* ---- points ------------------------------------------------------------------------------------ */

static void points(void)
{
    uint32_t reason;
    uint64_t fault, count;
    uint8_t found[3][32], form[32], wanted[32];
    seki_span issuer = from_hex(ISSUER), uri = from_hex("8602613a"), directory = from_hex("a40f" OTHER_NAME);
    seki_span der = from_hex(list_of("", IDP("a017a0158602613aa40f" OTHER_NAME)));
    seki_name_digest(issuer, form);
    seki_crl *crl = read_in(der, 5, &reason, &fault);
    check(reason == 0 && seki_crl_points(crl, &found[0][0], 3, &count) == SEKI_OK && count == 2, "two points", "");
    seki_point_of(form, &uri, wanted);
    check(memcmp(found[0], wanted, 32) == 0, "the URL's point", "");
    seki_point_of(form, &directory, wanted);
    check(memcmp(found[1], wanted, 32) == 0, "the directoryName's point", "");
    seki_crl_free(crl);
    release(der);

    der = from_hex(list_of("", IDP("a00fa10d300b06035504031304504152 54")));
    crl = read_in(der, 5, &reason, &fault);
    check(reason == 0 && seki_crl_points(crl, &found[0][0], 3, &count) == SEKI_OK && count == 1, "a relative point", "");
    seki_span whole = from_hex("a41e301c310b3009060355040313024341310d300b0603550403130450415254");
    seki_point_of(form, &whole, wanted);
    check(memcmp(found[0], wanted, 32) == 0, "relative and full are the same point", "");
    release(whole);
    whole = from_hex("a41e301c310b3009060355040a13024341310d300b0603550403130450415254");
    seki_point_of(form, &whole, wanted);
    check(memcmp(found[0], wanted, 32) != 0, "another name is another point", "");
    release(whole);
    seki_crl_free(crl);
    release(der);

    der = from_hex(list_of("", IDP("8101ff")));
    crl = read_in(der, 5, &reason, &fault);
    check(reason == 0 && seki_crl_points(crl, &found[0][0], 3, &count) == SEKI_OK && count == 1, "the full scope", "");
    seki_point_of(form, NULL, wanted);
    check(memcmp(found[0], wanted, 32) == 0, "no name, the full scope", "");
    check(seki_crl_points(crl, NULL, 0, &count) == SEKI_OK && count == 1, "counted alone", "");
    seki_crl_free(crl);
    release(der);

    /* A relative name that needs longer lengths: 200 octets of value. */
    seki_span rdn = from_hex(JOIN("3081d20603550403 0c81ca", repeated("61", 202)));
    seki_span relative = from_hex(JOIN("a481e8 3081e5 310b3009060355040313024341 3181d5 3081d20603550403 0c81ca", repeated("61", 202)));
    check(seki_point_of_relative(issuer, form, rdn, found[0]), "a long relative name", "");
    seki_point_of(form, &relative, wanted);
    check(memcmp(found[0], wanted, 32) == 0, "lengths of two octets", "");
    release(rdn);
    release(relative);
    release(issuer);
    release(uri);
    release(directory);
}

/* ---- hashes ------------------------------------------------------------------------------------ */

static void hashes(void)
{
    static const struct {
        const char *algorithm;
        uint32_t hash;
    } cases[] = {{RSA_SHA256, SEKI_HASH_SHA256}, {"300a06082a8648ce3d040303", SEKI_HASH_SHA384},
                 {"300d06092a864886f70d01010d0500", SEKI_HASH_SHA512}, {ED25519, SEKI_HASH_NONE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *tbs_hex = SEQUENCE(V2, cases[i].algorithm, ISSUER, THIS, SEQUENCE(repeated(ENTRY, 1), "30140203123457" DATE));
        seki_span tbs = from_hex(tbs_hex), der = from_hex(SEQUENCE(tbs_hex, cases[i].algorithm, SIGNATURE));
        uint8_t digest[64] = {0};
        for (size_t piece = 1; piece < 400; piece = piece * 3 + 1) {
            uint32_t reason;
            uint64_t fault;
            seki_crl_summary summary;
            const uint8_t *data;
            size_t length;
            seki_crl *crl = read_in(der, piece, &reason, &fault);
            check(seki_crl_summarize(crl, &summary) == SEKI_OK && summary.hash == cases[i].hash, "the hash", "");
            check(summary.size == der.length && summary.tbs_size == tbs.length, "sizes", "");
            seki_sha256(der, digest);
            check(memcmp(digest, summary.sha256, 32) == 0, "SHA-256 of the whole", "");
            if (cases[i].hash != SEKI_HASH_NONE) {
                check(seki_digest(cases[i].hash, tbs, digest) && summary.digest_length == seki_digest_size(cases[i].hash) &&
                          memcmp(digest, summary.digest, summary.digest_length) == 0, "the digest of what is signed", "");
            } else {
                check(seki_crl_part(crl, SEKI_CRL_PART_TBS, &data, &length) == SEKI_OK && length == tbs.length &&
                          memcmp(data, tbs.data, length) == 0 && summary.digest_length == 0, "what is signed", "");
            }
            check(seki_crl_part(crl, SEKI_CRL_PART_SIGNATURE, &data, &length) == SEKI_OK && length == 4 && data[0] == 0xaa, "the signature", "");
            check(seki_crl_part(crl, SEKI_CRL_PART_ISSUER, &data, &length) == SEKI_OK && length == 15, "the issuer", "");
            check(seki_crl_part(crl, SEKI_CRL_PARTS, &data, &length) == SEKI_E_ARGUMENT, "no such part", "");
            seki_crl_free(crl);
        }
        release(tbs);
        release(der);
    }
}

/* ---- PEM --------------------------------------------------------------------------------------- */

static seki_span pem_of(seki_span der, const char *eol, size_t line)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = malloc(der.length * 2 + 200), *at = out;
    if (out == NULL)
        exit(2);
    at += sprintf(at, "-----BEGIN X509 CRL-----%s", eol);
    size_t column = 0;
    for (size_t i = 0; i < der.length; i += 3) {
        uint32_t bits = (uint32_t)der.data[i] << 16;
        size_t left = der.length - i;
        bits |= left > 1 ? (uint32_t)der.data[i + 1] << 8 : 0;
        bits |= left > 2 ? der.data[i + 2] : 0;
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        *at++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? alphabet[bits & 63] : '=';
        if ((column += 4) == line) {
            at = stpcpy(at, eol);
            column = 0;
        }
    }
    if (column != 0)
        at = stpcpy(at, eol);
    at += sprintf(at, "-----END X509 CRL-----%s", eol);
    return (seki_span){(uint8_t *)out, (size_t)(at - out)};
}

static uint32_t of_text(const char *before, seki_span pem, const char *behind, const char *what)
{
    char *out = malloc(strlen(before) + pem.length + strlen(behind) + 1);
    if (out == NULL)
        exit(2);
    size_t length = strlen(before) + pem.length + strlen(behind);
    memcpy(out, before, strlen(before));
    memcpy(out + strlen(before), pem.data, pem.length);
    memcpy(out + strlen(before) + pem.length, behind, strlen(behind));
    uint32_t reason = read_all_ways((seki_span){(uint8_t *)out, length}, what).reason;
    free(out);
    return reason;
}

static void pem(void)
{
    for (size_t pad = 0; pad < 50; pad++) { /* last lines of every length, with every padding */
        seki_span der = from_hex(list_of(LISTED(REASON_CODE("01")), extension("2a0304", false, repeated("00", pad))));
        result binary = read_once(der, der.length);
        seki_span text_form = pem_of(der, "\n", 64), windows = pem_of(der, "\r\n", 64);
        result one = read_all_ways(text_form, "PEM"), two = read_all_ways(windows, "PEM with CR LF");
        check(one.reason == 0 && one.summary.flags == SEKI_CRL_IS_PEM, "PEM is read", "");
        one.summary.flags = two.summary.flags = 0;
        check(memcmp(&one, &binary, sizeof one) == 0 && memcmp(&two, &binary, sizeof two) == 0, "and is what its DER is", "");
        release(der);
        release(text_form);
        release(windows);
    }
    seki_span der = from_hex(list_of(LISTED(REASON_CODE("01")), NUMBER));
    seki_span good = pem_of(der, "\n", 64), narrow = pem_of(der, "\n", 60), wide = pem_of(der, "\n", 76), bare = pem_of(der, "\r", 64);
    check(of_text("", good, "", "as it is") == 0, "as it is", "");
    check(of_text("", good, "\n \t\r\n", "blanks behind") == 0, "blanks behind", "");
    check(of_text("", (seki_span){good.data, good.length - 1}, "", "no last end of line") == 0, "no last end of line", "");
    check(of_text("", good, "x", "text behind") == SEKI_CRL_TRAILING_DATA, "text behind", "");
    check(of_text("", good, "-----BEGIN X509 CRL-----\n", "another behind") == SEKI_CRL_TRAILING_DATA, "another behind", "");
    check(of_text("\n", good, "", "a line before") == SEKI_CRL_MALFORMED, "a line before: no PEM, and no DER", "");
    check(of_text("", narrow, "", "lines of 60") == SEKI_CRL_PEM_MALFORMED, "lines of 60", "");
    check(of_text("", wide, "", "lines of 76") == SEKI_CRL_PEM_MALFORMED, "lines of 76", "");
    check(of_text("", bare, "", "lines that end with CR") == SEKI_CRL_PEM_MALFORMED, "lines that end with CR", "");
    for (size_t length = 1; length + 1 < good.length; length++) /* the end line whole, but for its LF, is enough */
        check(of_text("", (seki_span){good.data, length}, "", "cut") == SEKI_CRL_TRUNCATED, "cut", "");
    for (size_t i = 1; i < good.length - 1; i++) { /* an octet that is nowhere allowed */
        uint8_t *changed = malloc(good.length);
        if (changed == NULL)
            exit(2);
        memcpy(changed, good.data, good.length);
        changed[i] = '*';
        result r = read_all_ways((seki_span){changed, good.length}, "a star");
        check(r.reason == SEKI_CRL_PEM_MALFORMED && r.fault == i, "a star is seen where it stands", "");
        free(changed);
    }
    static const char *const odd[] = {
        "-----BEGIN CERTIFICATE-----\n", "-----BEGIN X509 CRL----- \nMAA=\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\n\nMAA=\n-----END X509 CRL-----\n", "-----BEGIN X509 CRL-----\nMAA\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\nMA==\nMAA=\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\nMA==MAA=\n-----END X509 CRL-----\n", "-----BEGIN X509 CRL-----\nMC=A\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\nM===\n-----END X509 CRL-----\n", "-----BEGIN X509 CRL-----\nMIH=\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\nMI==\n-----END X509 CRL-----\n", "-----BEGIN X509 CRL-----\nMI IB\n-----END X509 CRL-----\n",
        "-----BEGIN X509 CRL-----\nMIIB-----END X509 CRL-----\n", "-----BEGIN X509 CRL-----\nMIIB\n-----END CERTIFICATE-----\n",
        "-----BEGIN X509 CRL-----\rMIIB\n-----END X509 CRL-----\n", "-----BEGIN X509 CRL-----\nMIIB\nMIIB\n-----END X509 CRL-----\n",
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        check(of_text("", (seki_span){(const uint8_t *)odd[i], strlen(odd[i])}, "", odd[i]) == SEKI_CRL_PEM_MALFORMED, "odd PEM", odd[i]);
    check(of_text("", (seki_span){(const uint8_t *)"-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n", 48}, "", "empty") == SEKI_CRL_TRUNCATED,
          "nothing between the lines", "");
    release(der);
    release(good);
    release(narrow);
    release(wide);
    release(bare);
}

/* ---- limits, and the rules of the calls --------------------------------------------------------- */

static void limits(void)
{
    const char *entry = SEQUENCE("020101", DATE, SEQUENCE(extension("2a0304", false, repeated("00", SEKI_CRL_ENTRY_SIZE_MAX - 39))));
    check(strlen(entry) == 2 * SEKI_CRL_ENTRY_SIZE_MAX, "the largest entry", "");
    judged(list_of(entry, ""), 0, "the largest entry");
    entry = SEQUENCE("020101", DATE, SEQUENCE(extension("2a0304", false, repeated("00", SEKI_CRL_ENTRY_SIZE_MAX - 38))));
    judged(list_of(entry, ""), SEKI_CRL_TOO_LARGE, "an entry beyond its limit");
    judged(list_of("", extension("2a0304", false, repeated("00", SEKI_CRL_EXTENSIONS_SIZE_MAX - 27))), 0, "the largest extensions");
    judged(list_of("", extension("2a0304", false, repeated("00", SEKI_CRL_EXTENSIONS_SIZE_MAX - 20))), SEKI_CRL_TOO_LARGE, "extensions beyond");
    const char *attribute = SEQUENCE("0603550403", TAGGED(0x0c, repeated("61", 4096)));
    judged(list_of("", IDP(TAGGED(0xa0, TAGGED(0xa1, attribute)))), SEKI_CRL_TOO_LARGE, "a relative name beyond any name");
    judged(crl_of(JOIN(V2, RSA_SHA256, SEQUENCE(TAGGED(0x31, attribute)), THIS)), SEKI_CRL_TOO_LARGE, "an issuer beyond its limit");
    judged(SEQUENCE(SEQUENCE(V2, RSA_SHA256, ISSUER, THIS), RSA_SHA256, TAGGED(0x03, "00", repeated("aa", SEKI_SIGNATURE_SIZE_MAX))),
           SEKI_CRL_TOO_LARGE, "a signature beyond its limit");
    judged(crl_of(JOIN(V2, SEQUENCE(TAGGED(0x04, repeated("00", 1100))), ISSUER, THIS)), SEKI_CRL_TOO_LARGE, "an algorithm beyond its limit");
    judged(crl_of(JOIN(TAGGED(0x02, repeated("01", 100)), RSA_SHA256, ISSUER, THIS)), SEKI_CRL_TOO_LARGE, "a version beyond its limit");
    /* Ed25519 signs the list itself, which must be kept whole. */
    judged(SEQUENCE(JOIN("3083110000", V2, ED25519, ISSUER, THIS, "3083100000", repeated(ENTRY, 1))), SEKI_CRL_MALFORMED, "cut short");
    judged(JOIN("3083120000", "3083110000", V2, ED25519, ISSUER, THIS), SEKI_CRL_TOO_LARGE, "more than is kept under Ed25519");
    judged(JOIN("3083120000", "3083110000", V2, RSA_SHA256, ISSUER, THIS), SEKI_CRL_TRUNCATED, "as much under RSA");
}

static const char *of_issuer(unsigned number)
{
    char value[9];
    sprintf(value, "%02x%02x%02x%02x", 'a' + (number & 15), 'a' + (number >> 4 & 15), 'a' + (number >> 8 & 15), 'a' + (number >> 12 & 15));
    const char *name = SEQUENCE(TAGGED(0x31, SEQUENCE("0603550403", TAGGED(0x0c, value))));
    return SEQUENCE("020101", DATE, SEQUENCE(extension("551d1d", true, SEQUENCE(TAGGED(0xa4, name)))));
}

static void issuers_beyond_the_limit(void)
{
    char *squeezed = text(SEKI_CRL_SETS_MAX * 200), *at = squeezed;
    for (unsigned i = 0; i < SEKI_CRL_SETS_MAX; i++) /* and the CRL issuer's own */
        at = stpcpy(at, of_issuer(i));
    seki_span der = from_hex(list_of(squeezed, INDIRECT));
    result r = read_once(der, 1000);
    check(r.reason == SEKI_CRL_TOO_LARGE, "one issuer too many", "");
    release(der);
    squeezed[strlen(squeezed) / SEKI_CRL_SETS_MAX * (SEKI_CRL_SETS_MAX - 1)] = '\0';
    der = from_hex(list_of(squeezed, INDIRECT));
    uint32_t reason;
    uint64_t fault;
    seki_crl *crl = read_in(der, 1000, &reason, &fault);
    seki_crl_summary summary;
    check(reason == 0 && seki_crl_summarize(crl, &summary) == SEKI_OK && summary.sets == SEKI_CRL_SETS_MAX, "as many as there may be", "");
    seki_crl_free(crl);
    release(der);
}

static void calls(void)
{
    seki_crl *crl;
    seki_crl_options options = {0};
    seki_crl_summary summary;
    uint32_t reason;
    uint64_t fault, count;
    const uint8_t octet = 0x31;
    check(seki_crl_new(NULL, &crl) == SEKI_E_ARGUMENT && seki_crl_new(&options, NULL) == SEKI_E_ARGUMENT, "no options", "");
    if (seki_crl_new(&options, &crl) != SEKI_OK)
        exit(2);
    check(seki_crl_feed(crl, NULL, 1, &reason) == SEKI_E_ARGUMENT && seki_crl_feed(NULL, &octet, 1, &reason) == SEKI_E_ARGUMENT, "no data", "");
    check(seki_crl_feed(crl, NULL, 0, &reason) == SEKI_OK && reason == 0, "no octets are no fault", "");
    check(seki_crl_summarize(crl, &summary) == SEKI_E_ARGUMENT, "nothing is said before the end", "");
    check(seki_crl_points(crl, NULL, 0, &count) == SEKI_E_ARGUMENT && seki_crl_sets_of(crl) == NULL, "nothing is given before the end", "");
    check(seki_crl_feed(crl, &octet, 1, &reason) == SEKI_OK && reason == 0, "one octet is no header", "");
    check(seki_crl_feed(crl, &octet, 1, &reason) == SEKI_OK && reason == SEKI_CRL_MALFORMED, "no SEQUENCE", "");
    check(seki_crl_feed(crl, &octet, 1, &reason) == SEKI_OK && reason == SEKI_CRL_MALFORMED, "refused, it stays so", "");
    check(seki_crl_end(crl, &reason, &fault) == SEKI_OK && reason == SEKI_CRL_MALFORMED && fault == 0, "to the end", "");
    check(seki_crl_feed(crl, &octet, 1, &reason) == SEKI_E_ARGUMENT, "nothing is fed after the end", "");
    check(seki_crl_end(crl, &reason, &fault) == SEKI_OK && reason == SEKI_CRL_MALFORMED, "the end may be said twice", "");
    check(seki_crl_entries(crl, NULL, 0, &count, &reason) == SEKI_E_ARGUMENT, "no entries of a refused CRL", "");
    seki_crl_free(crl);
    seki_crl_free(NULL);
}

int main(void)
{
    good_lists();
    headers();
    truncated();
    entries();
    indirect();
    deltas();
    list_extensions();
    points();
    hashes();
    pem();
    limits();
    issuers_beyond_the_limit();
    calls();
    forget();
    return verdict("test_crl");
}
