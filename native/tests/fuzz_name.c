/* fuzz_name.c: libFuzzer target for Name, RelativeDistinguishedName, GeneralName and GeneralNames.
 *
 * Invariant: what is taken, OpenSSL reads to its end and writes as the same octets again, a Name even when put together anew from
 * its attributes; a fault lies within the input; names behind each other are taken as each is alone.
 *
 * The input's first byte says what the rest is.
 *
 *   make fuzz TARGET=name */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "../src/name.h"
#include "fuzz/fuzz.h"
#include "fuzz/tlv.h"

enum { NAME, RDN, GENERAL, CONSTRAINT, GENERALS, KINDS };

TLV_CUSTOM_MUTATOR(1)

/* `content` under `tag`, in a block that the caller frees. */
static uint8_t *under(uint8_t tag, seki_span content, size_t *length)
{
    uint8_t *out = malloc(content.length + 5);
    require(out != NULL && content.length < 1 << 24, "memory");
    size_t octets = content.length < 0x80 ? 0 : content.length < 0x100 ? 1 : content.length < 0x10000 ? 2 : 3, at = 0;
    out[at++] = tag;
    out[at++] = (uint8_t)(octets == 0 ? content.length : 0x80 | octets);
    for (size_t i = octets; i-- > 0;)
        out[at++] = (uint8_t)(content.length >> 8 * i);
    memcpy(out + at, content.data, content.length);
    *length = at + content.length;
    return out;
}

static void same_name(seki_span content)
{
    size_t length;
    uint8_t *der = under(SEKI_DER_SEQUENCE, content, &length);
    const uint8_t *at = der;
    X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)length), *anew = X509_NAME_new();
    require(name != NULL && anew != NULL && at == der + length, "OpenSSL reads the name");
    int set = -1;
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        bool same_rdn = X509_NAME_ENTRY_set(entry) == set;
        set = X509_NAME_ENTRY_set(entry);
        require(X509_NAME_add_entry(anew, entry, -1, same_rdn ? -1 : 0) == 1, "an attribute added");
    }
    unsigned char *again = NULL;
    int size = i2d_X509_NAME(anew, &again);
    require(size >= 0 && (size_t)size == length && memcmp(again, der, length) == 0, "a name is the same octets again");
    OPENSSL_free(again);
    X509_NAME_free(anew);
    X509_NAME_free(name);
    free(der);
    ERR_clear_error();
}

static void same_general_name(seki_span whole)
{
    const uint8_t *at = whole.data;
    GENERAL_NAME *name = d2i_GENERAL_NAME(NULL, &at, (long)whole.length);
    require(name != NULL && at == whole.data + whole.length, "OpenSSL reads the general name");
    unsigned char *again = NULL;
    int size = i2d_GENERAL_NAME(name, &again);
    require(size >= 0 && (size_t)size == whole.length && memcmp(again, whole.data, whole.length) == 0,
            "a general name is the same octets again");
    OPENSSL_free(again);
    GENERAL_NAME_free(name);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned kind = data[0] % KINDS;
    seki_span in = {data + 1, size - 1}, rest = in;
    const uint8_t *fault = in.data;
    bool valid = false;
    switch (kind) {
    case NAME:
        valid = seki_name_is_valid(in, &fault);
        if (valid)
            same_name(in);
        break;
    case RDN:
        valid = seki_rdn_is_valid(in, &fault);
        if (valid) {
            size_t length;
            uint8_t *set = under(SEKI_DER_SET, in, &length);
            same_name((seki_span){set, length});
            require(seki_name_is_valid((seki_span){set, length}, &fault), "an RDN is a name");
            free(set);
        }
        break;
    case GENERAL:
    case CONSTRAINT:
        valid = seki_take_general_name(&rest, kind == GENERAL ? SEKI_GENERAL_NAME : SEKI_GENERAL_NAME_CONSTRAINT, &fault);
        if (valid) {
            require(rest.data + rest.length == in.data + in.length && rest.length < in.length, "one taken");
            same_general_name((seki_span){in.data, in.length - rest.length});
        } else {
            require(rest.data == in.data && rest.length == in.length, "none taken");
        }
        break;
    default:
        valid = seki_general_names_are_valid(in, &fault);
        bool each = in.length != 0;
        const uint8_t *elsewhere;
        while (each && rest.length != 0)
            each = seki_take_general_name(&rest, SEKI_GENERAL_NAME, &elsewhere);
        require(valid == each, "all are valid when each is");
    }
    require(valid || (fault >= in.data && fault <= in.data + in.length), "a fault within the input");
    return 0;
}
