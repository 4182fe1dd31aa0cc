/* crl_entry.c: see crl_entry.h. */
#include "crl_entry.h"

#include "extensions.h"
#include "name.h"
#include "oid.h"

enum { SERIAL_SIZE_MAX = 20, ENTRY_EXTENSIONS_MAX = 16 }; /* octets, RFC 5280, 5.1.2.6; extensions an entry, real ones have at most 3 */
enum { UTC_TIME_SIZE = 15, REASON_SIZE = 14 };            /* octets of the whole elements */

/* What an entry's extensions are, as bits. */
enum { REASON_CODE = 1, INVALIDITY_DATE = 2, CERTIFICATE_ISSUER = 4, HOLD_INSTRUCTION = 8, OTHER = 16 };

static seki_reason refuse(const uint8_t **fault, const uint8_t *at, seki_reason reason);
static bool serial_read(seki_span *in, seki_crl_one *out);
static seki_reason extensions_read(seki_span list, seki_crl_one *out, const uint8_t **fault);
static unsigned known(seki_span oid);
static bool value_read(unsigned kind, const seki_extension *extension, seki_crl_one *out, const uint8_t **fault);
static bool reason_read(seki_span value, seki_crl_one *out);
static bool reason_is_valid(uint8_t reason);
static bool issuer_read(seki_span value, seki_crl_one *out, const uint8_t **fault);

/* ---- the common shapes ------------------------------------------------------------------------- */

static inline uint64_t eight(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void put_eight(uint8_t *at, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(at, &word, sizeof word);
}

/* Eight digits as four numbers of two, in octets 0, 2, 4 and 6; false if one is no digit. */
static inline bool four_pairs(const uint8_t *at, uint64_t *pairs)
{
    uint64_t digits = eight(at) ^ UINT64_C(0x3030303030303030);
    /* Adding 76 to each octet sets its top bit from 0a on; those that have it already are no digits either. */
    if (((digits | (digits + UINT64_C(0x7676767676767676))) & UINT64_C(0x8080808080808080)) != 0)
        return false;
    *pairs = (digits * 10 + (digits >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    return true;
}

/* YYMMDDHHMMSS, as seki_der_time_is_valid has it. */
static inline bool utc_time(const uint8_t *at, int64_t *seconds)
{
    static const uint16_t before_month[16] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    static const uint8_t days_of_month[16] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t first, last;
    if (!four_pairs(at, &first) || !four_pairs(at + 4, &last))
        return false;
    unsigned year = (unsigned)(first & 0xff), month = (unsigned)(first >> 16 & 0xff), day = (unsigned)(first >> 32 & 0xff);
    unsigned hour = (unsigned)(first >> 48), minute = (unsigned)(last >> 32 & 0xff), second = (unsigned)(last >> 48);
    if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
        return false;
    year += year >= 50 ? 1900 : 2000;
    unsigned leap = year % 4 == 0; /* 2000 is one too */
    if (day < 1 || day > days_of_month[month] + (unsigned)(leap != 0 && month == 2))
        return false;
    /* 17 leap days stand between 1901 and 1970. */
    int64_t days = ((int64_t)year - 1970) * 365 + ((int64_t)(year - 1901) / 4 - 17) + before_month[month] +
                   (int64_t)(leap != 0 && month > 2) + (int64_t)day - 1;
    *seconds = days * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
    return true;
}

size_t seki_crl_entry_fast(const uint8_t *at, uint64_t within, bool extensions_allowed, seki_revoked *out)
{
    /* SEQUENCE { SEQUENCE { OID 2.5.29.21, OCTET STRING { ENUMERATED of one octet } } } but for that octet */
    static const uint8_t reason_code[REASON_SIZE - 1] = {0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55,
                                                         0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01};
    size_t content = at[1], serial = at[3];
    if (at[0] != SEKI_DER_SEQUENCE || content >= 0x80 || 2 + content > within)
        return 0;
    if (at[2] != SEKI_DER_INTEGER || serial - 1 > SERIAL_SIZE_MAX - 1 || (at[4] & 0x80) != 0)
        return 0;
    const uint8_t *magnitude = at + 4, *time = magnitude + serial;
    if (at[4] == 0 && serial > 1) {
        if ((at[5] & 0x80) == 0)
            return 0;
        magnitude++;
        serial--;
    }
    if (time[0] != SEKI_DER_UTC_TIME || time[1] != UTC_TIME_SIZE - 2 || time[UTC_TIME_SIZE - 1] != 'Z')
        return 0;
    const uint8_t *end = time + UTC_TIME_SIZE, *stop = at + 2 + content;
    uint8_t reason = 0;
    if (end != stop) {
        if (end + REASON_SIZE != stop || !extensions_allowed)
            return 0;
        if (((eight(end) ^ eight(reason_code)) | (eight(end + 5) ^ eight(reason_code + 5))) != 0)
            return 0;
        reason = end[REASON_SIZE - 1];
        if (!reason_is_valid(reason))
            return 0;
    }
    if (!utc_time(time + 2, &out->date))
        return 0;
    /* The octets behind a short serial are there, since a time follows it: whole words, and what is too much made zero. */
    memcpy(out->serial, magnitude, sizeof out->serial);
    if (serial <= 8) {
        memset(out->serial + 8, 0, sizeof out->serial - 8);
        put_eight(out->serial, eight(magnitude) & (UINT64_MAX >> (64 - 8 * serial)));
    } else {
        memset(out->serial + serial, 0, sizeof out->serial - serial);
    }
    out->length = (uint8_t)serial;
    out->reason = reason;
    out->invalidity = SEKI_NO_TIME;
    return 2 + content;
}

/* ---- all others -------------------------------------------------------------------------------- */

seki_reason seki_crl_entry_read(seki_span in, bool extensions_allowed, seki_crl_one *out, const uint8_t **fault)
{
    *out = (seki_crl_one){.revoked = {.invalidity = SEKI_NO_TIME}};
    const uint8_t *at = in.data;
    if (!serial_read(&in, out))
        return refuse(fault, at, SEKI_CRL_ENTRY_MALFORMED);
    at = in.data;
    if (!seki_der_take_time(&in, &out->revoked.date))
        return refuse(fault, at, SEKI_CRL_ENTRY_MALFORMED);
    if (in.length == 0)
        return SEKI_NOT_DECIDED;
    seki_span list;
    at = in.data;
    if (!seki_der_take(&in, SEKI_DER_SEQUENCE, &list, NULL) || in.length != 0)
        return refuse(fault, at, SEKI_CRL_ENTRY_MALFORMED);
    /* 5.1.2.6: "If CRL entry extensions are present, then this CRL MUST be version 2". */
    if (!extensions_allowed)
        return refuse(fault, at, SEKI_CRL_VERSION);
    return extensions_read(list, out, fault);
}

static seki_reason refuse(const uint8_t **fault, const uint8_t *at, seki_reason reason)
{
    *fault = at;
    return reason;
}

/* CertificateSerialNumber: as in certificates at most 20 content octets (cert.c).  One that is zero or negative names a certificate
 * that nobody takes; a CA that once issued such a one must be able to list it without its whole list being refused. */
static bool serial_read(seki_span *in, seki_crl_one *out)
{
    seki_span content;
    if (!seki_der_take_integer(in, &content) || content.length > SERIAL_SIZE_MAX)
        return false;
    out->negative = (content.data[0] & 0x80) != 0;
    if (out->negative)
        return true;
    size_t pad = content.length > 1 && content.data[0] == 0 ? 1 : 0;
    out->revoked.length = (uint8_t)(content.length - pad);
    memcpy(out->revoked.serial, content.data + pad, content.length - pad);
    return true;
}

/* crlEntryExtensions.  An empty list is let pass: it says nothing, and a CA of the web writes it (rustls-webpki's
 * crl.entry.empty.ext.seq.der). */
static seki_reason extensions_read(seki_span list, seki_crl_one *out, const uint8_t **fault)
{
    seki_span others[ENTRY_EXTENSIONS_MAX];
    size_t other_count = 0;
    unsigned seen = 0;
    for (size_t count = 0; list.length != 0; count++) {
        seki_extension extension;
        const uint8_t *at = *fault = list.data;
        if (count == ENTRY_EXTENSIONS_MAX || !seki_take_extension(&list, &extension))
            return SEKI_CRL_ENTRY_EXTENSION;
        unsigned kind = known(extension.oid);
        if (kind == OTHER) {
            if (extension.critical)
                return refuse(fault, at, SEKI_CRL_ENTRY_EXTENSION);
            for (size_t i = 0; i < other_count; i++)
                if (seki_span_equal(others[i], extension.oid))
                    return refuse(fault, at, SEKI_CRL_ENTRY_EXTENSION);
            others[other_count++] = extension.oid;
        } else {
            if ((seen & kind) != 0)
                return refuse(fault, at, SEKI_CRL_ENTRY_EXTENSION);
            seen |= kind;
            if (!value_read(kind, &extension, out, fault))
                return SEKI_CRL_ENTRY_EXTENSION;
        }
    }
    return SEKI_NOT_DECIDED;
}

static unsigned known(seki_span oid)
{
    if (oid.length != 3 || memcmp(oid.data, SEKI_OID_ID_CE, 2) != 0)
        return OTHER;
    switch (oid.data[2]) {
    case 21:
        return REASON_CODE;
    case 23:
        return HOLD_INSTRUCTION;
    case 24:
        return INVALIDITY_DATE;
    case 29:
        return CERTIFICATE_ISSUER;
    default:
        return OTHER;
    }
}

static bool value_read(unsigned kind, const seki_extension *extension, seki_crl_one *out, const uint8_t **fault)
{
    seki_span value = extension->value, content;
    *fault = value.data;
    switch (kind) {
    case REASON_CODE:
        return reason_read(value, out);
    case INVALIDITY_DATE: /* 5.3.2: a GeneralizedTime, whatever its year */
        return seki_der_next_is(value, SEKI_DER_GENERALIZED_TIME) && seki_der_take_time(&value, &out->revoked.invalidity) &&
               value.length == 0;
    case CERTIFICATE_ISSUER: /* 5.3.3: "This field MUST always be critical" */
        return extension->critical && issuer_read(value, out, fault);
    default: /* holdInstructionCode, an OID, gone since RFC 5280: it asks nothing of us, so it must not be critical */
        return !extension->critical && seki_der_take_oid(&value, &content) && value.length == 0;
    }
}

/* 5.3.1: ENUMERATED, one octet of content since all values are below 128 */
static bool reason_read(seki_span value, seki_crl_one *out)
{
    seki_span content;
    if (!seki_der_take(&value, SEKI_DER_ENUMERATED, &content, NULL) || value.length != 0 || content.length != 1)
        return false;
    out->revoked.reason = content.data[0];
    return reason_is_valid(content.data[0]);
}

static bool reason_is_valid(uint8_t reason)
{
    return reason <= 10 && reason != 7;
}

/* GeneralNames with exactly one directoryName: "the DN from the issuer field of the certificate"; other kinds of name may stand
 * beside it and identify nothing here. */
static bool issuer_read(seki_span value, seki_crl_one *out, const uint8_t **fault)
{
    seki_span whole = value, names, content;
    uint8_t tag;
    if (!seki_general_names_value_is_valid(value, fault) || !seki_der_take(&whole, SEKI_DER_SEQUENCE, &names, NULL))
        return false;
    while (seki_der_take_any(&names, &tag, &content, NULL)) {
        if (tag != SEKI_DER_CONTEXT_CONSTRUCTED(4))
            continue;
        if (out->issuer.length != 0) {
            *fault = content.data;
            return false;
        }
        out->issuer = content;
    }
    *fault = value.data;
    return out->issuer.length != 0;
}
