/* fuzz_ocsp.c: libFuzzer target for OCSP responses.
 *
 * Invariant: all parts of a response that is taken lie within it, in order; its prefixes are refused, and what stands behind it
 * refuses it; the summary says the same as the parser; and OpenSSL reads it to its end, writes the same octets again, and finds as
 * many certificates, with the same statuses, serials and times.
 *
 *   make fuzz TARGET=ocsp */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include "../src/ocsp.h"
#include "fuzz/fuzz.h"
#include "fuzz/tlv.h"

TLV_CUSTOM_MUTATOR(0)

static bool within(seki_span whole, seki_span inner)
{
    return inner.length == 0 || (inner.data >= whole.data && inner.data + inner.length <= whole.data + whole.length);
}

static void parts_lie_within(seki_span in, const seki_ocsp *r)
{
    require(within(in, r->tbs) && within(r->tbs, r->name) && within(r->tbs, r->key_hash) && within(r->tbs, r->nonce), "the data");
    require((r->name.length == 0) != (r->key_hash.length == 0), "one kind of name");
    require(within(in, r->signature), "the signature");
    require(r->single_count <= SEKI_OCSP_SINGLES_MAX && r->certificate_count <= SEKI_OCSP_CERTIFICATES_MAX, "the bounds");
    for (size_t i = 0; i < r->single_count; i++) {
        const seki_ocsp_single *s = &r->single[i];
        require(within(r->tbs, s->name_hash) && within(r->tbs, s->key_hash) && within(r->tbs, s->serial), "a CertID");
        require(s->serial.length >= 1 && s->serial.length <= 20, "a serial");
        require(s->status == SEKI_OCSP_GOOD || s->status == SEKI_OCSP_REVOKED || s->status == SEKI_OCSP_UNKNOWN, "a status");
        require((s->status == SEKI_OCSP_REVOKED) == (s->revoked_at != INT64_MIN), "a date where there must be one");
        require(s->reason <= 10 && (s->status == SEKI_OCSP_REVOKED || s->reason == 0), "a reason");
        require(s->next_update == INT64_MIN || s->next_update >= s->this_update, "a window");
    }
    for (size_t i = 0; i < r->certificate_count; i++)
        require(within(in, r->certificate[i]), "a certificate");
}

static void summary_says_the_same(seki_span in, const seki_ocsp *r, seki_reason reason, size_t fault)
{
    static seki_ocsp_summary s;
    uint32_t told;
    size_t where;
    require(seki_ocsp_summarize(in.data, in.length, &s, &told, &where) == SEKI_OK, "a summary");
    require(told == (uint32_t)reason && where == fault, "the same verdict");
    if (reason != SEKI_NOT_DECIDED) {
        require(reason == SEKI_OCSP_NOT_SUCCESSFUL || s.response_status == 0, "nothing is said of what is refused");
        require(s.single_count == 0 && s.tbs.length == 0 && s.signature.length == 0, "nothing is said of what is refused");
        return;
    }
    require(s.single_count == r->single_count && s.certificate_count == r->certificate_count, "as many");
    require(in.data + s.tbs.offset == r->tbs.data && s.tbs.length == r->tbs.length, "the same data");
    for (size_t i = 0; i < r->single_count; i++)
        require(s.single[i].status == r->single[i].status && s.single[i].this_update == r->single[i].this_update &&
                    in.data + s.single[i].serial.offset == r->single[i].serial.data,
                "the same of each");
}

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *time)
{
    struct tm tm;
    require(ASN1_TIME_to_tm(time, &tm) == 1, "a time that OpenSSL reads");
    return timegm(&tm);
}

static void openssl_finds_the_same(OCSP_BASICRESP *basic, const seki_ocsp *r)
{
    require((size_t)OCSP_resp_count(basic) == r->single_count, "OpenSSL finds as many");
    require(seconds_of(OCSP_resp_get0_produced_at(basic)) == r->produced_at, "producedAt is the same");
    for (size_t i = 0; i < r->single_count; i++) {
        static const int statuses[] = {-1, V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED, V_OCSP_CERTSTATUS_UNKNOWN};
        const seki_ocsp_single *s = &r->single[i];
        OCSP_SINGLERESP *one = OCSP_resp_get0(basic, (int)i);
        ASN1_GENERALIZEDTIME *gone, *from, *to;
        ASN1_INTEGER *serial;
        int reason, status = OCSP_single_get0_status(one, &reason, &gone, &from, &to);
        require(status == statuses[s->status], "the status is the same");
        require(seconds_of(from) == s->this_update, "thisUpdate is the same");
        require(to == NULL ? s->next_update == INT64_MIN : seconds_of(to) == s->next_update, "nextUpdate is the same");
        if (status == V_OCSP_CERTSTATUS_REVOKED)
            require(seconds_of(gone) == s->revoked_at && (reason == -1 ? 0 : reason) == s->reason, "the revocation is the same");
        require(OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(one)) == 1, "a CertID");
        uint8_t octets[24], *at = octets;
        int length = i2d_ASN1_INTEGER(serial, NULL);
        require(length > 0 && (size_t)length <= sizeof octets && i2d_ASN1_INTEGER(serial, &at) == length, "a serial");
        require((size_t)length - 2 == s->serial.length && memcmp(octets + 2, s->serial.data, s->serial.length) == 0, "the same serial");
    }
}

static void openssl_reads_it_too(seki_span in, const seki_ocsp *r)
{
    const uint8_t *at = in.data;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)in.length);
    require(response != NULL && at == in.data + in.length, "OpenSSL reads it");
    require(OCSP_response_status(response) == (int)r->status, "the status is the same");
    unsigned char *again = NULL;
    int size = i2d_OCSP_RESPONSE(response, &again);
    require(size >= 0 && (size_t)size == in.length && memcmp(again, in.data, in.length) == 0, "the same octets again");
    OPENSSL_free(again);
    if (r->status == 0) {
        OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
        /* The certificates are not looked into here, and OpenSSL does. */
        require(basic != NULL || r->certificate_count != 0, "OpenSSL reads the basic response");
        if (basic != NULL)
            openssl_finds_the_same(basic, r);
        OCSP_BASICRESP_free(basic);
    }
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static seki_ocsp r, other;
    seki_span in = exact_copy(data, size);
    size_t fault = 0, where;
    seki_reason reason = seki_ocsp_parse(in, &r, &fault);
    require(fault <= size, "a fault within the input");
    require(reason == SEKI_NOT_DECIDED || reason == SEKI_OCSP_MALFORMED || reason == SEKI_OCSP_NOT_SUCCESSFUL ||
                reason == SEKI_OCSP_EXTENSION_UNKNOWN_CRITICAL || reason == SEKI_INPUT_MISSING || reason == SEKI_INPUT_TOO_LARGE,
            "a reason of the reader's");
    summary_says_the_same(in, &r, reason, fault);
    if (reason == SEKI_NOT_DECIDED || reason == SEKI_OCSP_NOT_SUCCESSFUL) {
        if (reason == SEKI_NOT_DECIDED)
            parts_lie_within(in, &r);
        openssl_reads_it_too(in, &r);
        seki_span shorter = exact_copy(data, size - 1 - (data[size - 1] * size / 256) % size);
        seki_reason of_prefix = seki_ocsp_parse(shorter, &other, &where);
        require(of_prefix == SEKI_OCSP_MALFORMED || of_prefix == SEKI_INPUT_MISSING, "a prefix is refused");
        free((void *)(uintptr_t)shorter.data);
        if (size < SEKI_OCSP_SIZE_MAX) {
            uint8_t *longer = malloc(size + 1);
            require(longer != NULL, "memory");
            memcpy(longer, data, size);
            longer[size] = 0;
            require(seki_ocsp_parse((seki_span){longer, size + 1}, &other, &where) == SEKI_OCSP_MALFORMED, "trailing data");
            free(longer);
        }
    }
    free((void *)(uintptr_t)in.data);
    return 0;
}
