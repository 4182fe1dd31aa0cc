/* points.c: see points.h. */
#include "points.h"

#include "digest.h"
#include "name_match.h"

#include <openssl/sha.h>
#include <stdlib.h>

enum { HEADER_SIZE = 5 }; /* octets; a tag, and a length below 16 MiB in its longest form here */

static void point(const uint8_t issuer_form[32], const uint8_t name_digest[SHA256_DIGEST_LENGTH], uint8_t out[SEKI_POINT_SIZE]);
static void directory_name(seki_span name, uint8_t out[SHA256_DIGEST_LENGTH]);

void seki_point_of(const uint8_t issuer_form[32], const seki_span *general_name, uint8_t out[SEKI_POINT_SIZE])
{
    uint8_t digest[SHA256_DIGEST_LENGTH] = {0}, tag;
    seki_span in, content;
    if (general_name != NULL) {
        in = *general_name;
        if (!seki_der_take_any(&in, &tag, &content, NULL)) {
            tag = 0; /* not reached with a name of good form; 0 is no GeneralName's tag, so it meets nothing */
            content = *general_name;
        }
        if (tag == SEKI_DER_CONTEXT_CONSTRUCTED(4))
            directory_name(content, digest);
        else
            seki_sha256_parts((seki_span[]){{&tag, 1}, content}, 2, digest);
    }
    point(issuer_form, digest, out);
}

bool seki_point_of_relative(const uint8_t issuer_form[32], seki_span issuer, seki_span rdn, uint8_t out[SEKI_POINT_SIZE])
{
    seki_span rdns;
    if (!seki_der_take(&issuer, SEKI_DER_SEQUENCE, &rdns, NULL) || rdns.length > UINT16_MAX || rdn.length > UINT16_MAX)
        return false;
    /* The digest reads what the lengths say, so both elements are written with lengths of three octets' room. */
    uint8_t *name = malloc(2 * HEADER_SIZE + rdns.length + rdn.length);
    if (name == NULL)
        return false;
    uint8_t *at = name + HEADER_SIZE;
    memcpy(at, rdns.data, rdns.length);
    at += rdns.length;
    size_t octets = rdn.length < 0x80 ? 0 : rdn.length < 0x100 ? 1 : 2;
    *at++ = SEKI_DER_SET;
    *at++ = (uint8_t)(octets == 0 ? rdn.length : 0x80 | octets);
    for (size_t i = octets; i-- != 0;)
        *at++ = (uint8_t)(rdn.length >> 8 * i);
    memcpy(at, rdn.data, rdn.length);
    at += rdn.length;
    size_t length = (size_t)(at - name) - HEADER_SIZE;
    octets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
    uint8_t *start = name + HEADER_SIZE - 2 - octets;
    start[0] = SEKI_DER_SEQUENCE;
    start[1] = (uint8_t)(octets == 0 ? length : 0x80 | octets);
    for (size_t i = 0; i < octets; i++)
        start[2 + i] = (uint8_t)(length >> 8 * (octets - 1 - i));
    uint8_t digest[SHA256_DIGEST_LENGTH];
    directory_name((seki_span){start, (size_t)(at - start)}, digest);
    point(issuer_form, digest, out);
    free(name);
    return true;
}

static void point(const uint8_t issuer_form[32], const uint8_t name_digest[SHA256_DIGEST_LENGTH], uint8_t out[SEKI_POINT_SIZE])
{
    static const uint8_t domain[32] = "sekisho point 1";
    seki_sha256_parts((seki_span[]){{domain, sizeof domain}, {issuer_form, 32}, {name_digest, SHA256_DIGEST_LENGTH}}, 3, out);
}

static void directory_name(seki_span name, uint8_t out[SHA256_DIGEST_LENGTH])
{
    uint8_t form[33] = {SEKI_DER_CONTEXT_CONSTRUCTED(4)};
    seki_name_digest(name, form + 1);
    seki_sha256((seki_span){form, sizeof form}, out);
}
