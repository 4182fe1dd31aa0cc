/* authority.c: see authority.h. */
#include "authority.h"

#include <openssl/evp.h>

#include "../../src/der.h"
#include "../hex.h"
#include "fuzz.h"
#include "tlv.h"

#define ALGORITHM "300506032b6570"
#define VALIDITY "301e 170d3030303130313030303030305a 170d3439303130313030303030305a"
#define BASIC "300f 0603551d13 0101ff 0405 30030101ff"
#define SIGNS "300e 0603551d0f 0101ff 0404 03020106"

enum { CERTIFICATE_SIZE = 1024 };

typedef struct {
    size_t issuer;
    const char *subject;    /* hex of the Name */
    const char *extensions; /* hex of what stands beside keyUsage and basicConstraints */
    bool no_length;         /* basicConstraints with pathLenConstraint 0 */
} description;

#define SUBJECT(letter) "301f 310b3009060355040613024a50 3110 300e 06035504030c07 666f72747265" letter
static const description described[AUTHORITY_ISSUERS] = {
    {AUTHORITY_ROOT, SUBJECT("61"), "", false},
    {AUTHORITY_ROOT_AGAIN, SUBJECT("61"), "", false},
    {AUTHORITY_ROOT, SUBJECT("62"), "", false},
    {AUTHORITY_ROOT, SUBJECT("63"),
     "3046 0603551d1e 0101ff 043c 303a"
     "a02d 3005 8203612e62 300a 8708c0000200ffffff00 3011 a40f 300d 310b3009060355040613024a50 3005 8103612e62"
     "a109 3007 8205782e612e62",
     false},
    {AUTHORITY_ROOT, SUBJECT("64"),
     "3015 0603551d20 040e 300c 3004 06022a03 3004 06022a04"
     "3016 0603551d21 0101ff 040c 300a 3008 06022a03 06022a04"
     "300f 0603551d24 0101ff 0405 3003 800100",
     false},
    {AUTHORITY_ROOT, SUBJECT("65"), "3013 0603551d25 040c 300a 0608 2b06010505070302", true},
};

static EVP_PKEY *keys[AUTHORITY_KEYS];
static uint8_t publics[AUTHORITY_KEYS][32];
static uint8_t certificates[AUTHORITY_ISSUERS][CERTIFICATE_SIZE];
static size_t sizes[AUTHORITY_ISSUERS];
static seki_span names[AUTHORITY_ISSUERS];
static seki_trust *trust;
static seki_profile profiles[AUTHORITY_PROFILES];

/* ---- building ---------------------------------------------------------------------------------- */

static size_t put(uint8_t *out, uint8_t tag, seki_span content)
{
    size_t at = 0, octets = content.length < 0x80 ? 0 : content.length < 0x100 ? 1 : content.length < 0x10000 ? 2 : 3;
    out[at++] = tag;
    out[at++] = (uint8_t)(octets == 0 ? content.length : 0x80 | octets);
    for (size_t i = octets; i-- > 0;)
        out[at++] = (uint8_t)(content.length >> 8 * i);
    memmove(out + at, content.data, content.length);
    return at + content.length;
}

static size_t put_hex(uint8_t *out, const char *hex)
{
    seki_span octets = from_hex(hex);
    memcpy(out, octets.data, octets.length);
    release(octets);
    return octets.length;
}

static size_t put_key(uint8_t *out, size_t key)
{
    size_t at = put_hex(out, "302a 3005 06032b6570 0321 00");
    memcpy(out + at, publics[key], 32);
    return at + 32;
}

void authority_sign(size_t key, seki_span message, uint8_t signature[64])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t length = 64;
    require(EVP_DigestSignInit(ctx, NULL, NULL, NULL, keys[key]) == 1 &&
                EVP_DigestSign(ctx, signature, &length, message.data, message.length) == 1 && length == 64,
            "a signature");
    EVP_MD_CTX_free(ctx);
}

/* Certificate ::= SEQUENCE { tbs, algorithm, signature }; `tbs` is the content of the first. */
static size_t put_certificate(uint8_t *out, seki_span tbs, size_t key)
{
    static uint8_t whole[SEKI_CERTIFICATE_SIZE_MAX * 2];
    require(tbs.length + 128 < sizeof whole, "room for a certificate");
    uint8_t signature[65] = {0};
    size_t at = put(whole, SEKI_DER_SEQUENCE, tbs);
    authority_sign(key, (seki_span){whole, at}, signature + 1);
    at += put_hex(whole + at, ALGORITHM);
    at += put(whole + at, SEKI_DER_BIT_STRING, (seki_span){signature, sizeof signature});
    return put(out, SEKI_DER_SEQUENCE, (seki_span){whole, at});
}

static size_t put_ca(uint8_t *out, size_t number)
{
    const description *d = &described[number];
    uint8_t tbs[CERTIFICATE_SIZE], extensions[CERTIFICATE_SIZE], list[CERTIFICATE_SIZE];
    uint8_t serial = (uint8_t)(number + 1);
    size_t at = put_hex(tbs, "a003020102"), size;
    at += put(tbs + at, SEKI_DER_INTEGER, (seki_span){&serial, 1});
    at += put_hex(tbs + at, ALGORITHM);
    at += put_hex(tbs + at, described[d->issuer].subject);
    at += put_hex(tbs + at, VALIDITY);
    at += put_hex(tbs + at, d->subject);
    at += put_key(tbs + at, number);
    size = put_hex(extensions, d->no_length ? "3012 0603551d13 0101ff 0408 30060101ff020100" : BASIC);
    size += put_hex(extensions + size, SIGNS);
    uint8_t id[] = {0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x03, 0x04, 0x01, serial};
    uint8_t parent[] = {0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x05, 0x30, 0x03, 0x80, 0x01, (uint8_t)(d->issuer + 1)};
    memcpy(extensions + size, id, sizeof id);
    size += sizeof id;
    memcpy(extensions + size, parent, sizeof parent);
    size += sizeof parent;
    size += put_hex(extensions + size, d->extensions);
    size = put(list, SEKI_DER_SEQUENCE, (seki_span){extensions, size});
    at += put(tbs + at, SEKI_DER_CONTEXT_CONSTRUCTED(3), (seki_span){list, size});
    return put_certificate(out, (seki_span){tbs, at}, d->issuer);
}

size_t authority_leaf(size_t issuer, uint8_t *out, size_t room)
{
    (void)authority_trust();
    uint8_t tbs[CERTIFICATE_SIZE];
    require(room >= CERTIFICATE_SIZE, "room for a leaf");
    size_t at = put_hex(tbs, "a003020102 020107" ALGORITHM);
    at += put_hex(tbs + at, described[issuer].subject);
    at += put_hex(tbs + at, VALIDITY "3019 310b3009060355040613024a50 310a 3008 06035504030c0161");
    at += put_key(tbs + at, AUTHORITY_LEAF_KEY);
    at += put_hex(tbs + at, "a356 3054 300e 0603551d0f 0101ff 0404 03020780"
                            "300c 0603551d23 0405 3003 8001");
    tbs[at++] = (uint8_t)(issuer + 1);
    at += put_hex(tbs + at, "300f 0603551d20 0408 3006 3004 06022a03"
                            "3013 0603551d25 040c 300a 0608 2b06010505070302"
                            "300e 0603551d11 0407 3005 8203612e62");
    return put_certificate(out, (seki_span){tbs, at}, issuer);
}

static seki_profile plain_profile(uint64_t id)
{
    return (seki_profile){.id = id,
                          .rsa_mode = 0,
                          .ed25519_mode = SEKI_FAMILY_ED25519,
                          .rsa_bits_min = SEKI_RSA_BITS_MIN,
                          .rsa_bits_max = SEKI_RSA_BITS_MAX,
                          .signature_algorithms = 0x7fe,
                          .path_length_max = 5,
                          .intermediates_max = 4,
                          .revocation = SEKI_REVOCATION_OFF,
                          .challenge = SEKI_CHALLENGE_FOREIGN};
}

static void make_profiles(void)
{
    for (size_t i = 0; i < AUTHORITY_PROFILES; i++)
        profiles[i] = plain_profile(i + 1);
    profiles[1].policy_count = 1;
    profiles[1].policies[0] = (seki_oid){2, {0x2a, 0x03}};
    profiles[2].key_usage_required = SEKI_KU_DIGITAL_SIGNATURE;
    profiles[2].key_usage_forbidden = SEKI_KU_KEY_CERT_SIGN;
    profiles[2].extended_key_usage = SEKI_EKU_CLIENT_AUTH;
    profiles[2].extended_key_usage_required = 1;
    profiles[2].clock_skew = 300;
    profiles[3].policy_count = 2;
    profiles[3].policies[0] = (seki_oid){2, {0x2a, 0x04}};
    profiles[3].policies[1] = (seki_oid){2, {0x2a, 0x05}};
    profiles[3].path_length_max = 1;
}

static void make(void)
{
    for (size_t i = 0; i < AUTHORITY_KEYS; i++) {
        uint8_t secret[32] = {(uint8_t)(i + 1)};
        size_t length = sizeof publics[i];
        keys[i] = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof secret);
        require(keys[i] != NULL && EVP_PKEY_get_raw_public_key(keys[i], publics[i], &length) == 1, "a key");
    }
    static uint8_t all[AUTHORITY_ISSUERS * CERTIFICATE_SIZE];
    int32_t offsets[AUTHORITY_ISSUERS + 1] = {0};
    uint16_t reasons[AUTHORITY_ISSUERS];
    for (size_t i = 0; i < AUTHORITY_ISSUERS; i++) {
        seki_certificate c;
        sizes[i] = put_ca(certificates[i], i);
        require(seki_certificate_parse((seki_span){certificates[i], sizes[i]}, &c, NULL) == SEKI_NOT_DECIDED, described[i].subject);
        names[i] = c.subject;
        memcpy(all + offsets[i], certificates[i], sizes[i]);
        offsets[i + 1] = offsets[i] + (int32_t)sizes[i];
    }
    seki_column anchors = {all, (uint64_t)offsets[2], offsets, 4}, others = {all, (uint64_t)offsets[AUTHORITY_ISSUERS], offsets + 2, 4};
    require(seki_trust_new(&anchors, 2, &others, AUTHORITY_ISSUERS - 2, reasons, &trust) == SEKI_OK, "a store");
    for (size_t i = 0; i < AUTHORITY_ISSUERS; i++)
        require(reasons[i] == 0, "an issuer of the store");
    make_profiles();
}

const seki_trust *authority_trust(void)
{
    if (trust == NULL)
        make();
    return trust;
}

seki_span authority_certificate(size_t issuer)
{
    (void)authority_trust();
    return (seki_span){certificates[issuer], sizes[issuer]};
}

const seki_profile *authority_profile(size_t number)
{
    (void)authority_trust();
    return &profiles[number % AUTHORITY_PROFILES];
}

/* ---- issuing ----------------------------------------------------------------------------------- */

/* Where the parts of a certificate stand in a tree, by their place and tag. */
typedef struct {
    size_t certificate, tbs, algorithm, issuer, subject, spki;
} places;

static bool find(const tlv_tree *tree, size_t certificate, places *p)
{
    p->certificate = certificate;
    p->tbs = tlv_child(tree, certificate, 0);
    if (p->tbs == SIZE_MAX || !tree->at[p->tbs].open || tree->at[p->tbs].tag != SEKI_DER_SEQUENCE)
        return false;
    size_t at = tlv_child(tree, p->tbs, 0), found[6] = {0}, count = 0;
    for (; at != SIZE_MAX && count < 6; at = tlv_sibling(tree, at))
        if (tree->at[at].tag != SEKI_DER_CONTEXT_CONSTRUCTED(0))
            found[count++] = at;
    if (count < 6 || tree->at[found[0]].tag != SEKI_DER_INTEGER)
        return false;
    for (size_t i = 1; i < 6; i++)
        if (tree->at[found[i]].tag != SEKI_DER_SEQUENCE)
            return false;
    p->algorithm = found[1];
    p->issuer = found[2];
    p->subject = found[4];
    p->spki = found[5];
    return true;
}

/* The encoding of the element at `i` and all in it. */
static seki_span encoded(const tlv_tree *tree, size_t i, uint8_t *out, size_t room)
{
    static tlv_tree one;
    one.count = 1 + tree->at[i].below;
    memcpy(one.at, &tree->at[i], one.count * sizeof one.at[0]);
    return (seki_span){out, tlv_write(&one, out, room)};
}

static void exchange(tlv_tree *tree, size_t i, seki_span der)
{
    static tlv_tree one;
    if (tlv_read(&one, der))
        (void)tlv_replace(tree, i, one.at, one.count);
}

/* Whoever has this name among those above and in the store. */
static size_t signer(seki_span name, const seki_span *above, size_t first, size_t count, size_t issuer)
{
    for (size_t i = first; i < count; i++)
        if (seki_span_equal(above[i], name))
            return AUTHORITY_LEAF_KEY + i;
    if (issuer < AUTHORITY_ISSUERS && seki_span_equal(names[issuer], name))
        return issuer;
    for (size_t i = 0; i < AUTHORITY_ISSUERS; i++)
        if (seki_span_equal(names[i], name))
            return i;
    return AUTHORITY_ROOT;
}

size_t authority_issue(seki_span der, size_t issuer, bool keep_names, uint8_t *out, size_t room, size_t *leaf)
{
    static tlv_tree tree;
    static uint8_t subjects[6][SEKI_CERTIFICATE_SIZE_MAX], scratch[SEKI_CERTIFICATE_SIZE_MAX * 2];
    (void)authority_trust();
    seki_span parts[6], subject[6];
    size_t count = 0, used = 0;
    while (count < 6 && der.length != 0) {
        seki_span content;
        uint8_t tag;
        if (!seki_der_take_any(&der, &tag, &content, &parts[count])) {
            parts[count] = der;
            der.length = 0;
        }
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        places p;
        subject[i] = (seki_span){subjects[i], 0};
        if (tlv_read(&tree, parts[i]) && find(&tree, 0, &p))
            subject[i] = encoded(&tree, p.subject, subjects[i], sizeof subjects[i]);
    }
    *leaf = 0;
    for (size_t i = 0; i < count; i++) {
        places p;
        size_t size = 0;
        if (parts[i].length < SEKI_CERTIFICATE_SIZE_MAX && tlv_read(&tree, parts[i]) && find(&tree, 0, &p)) {
            uint8_t key[64], algorithm[16];
            bool by_sent = i + 1 < count && subject[i + 1].length != 0;
            seki_span wanted = by_sent ? subject[i + 1] : issuer < AUTHORITY_ISSUERS ? names[issuer] : (seki_span){NULL, 0};
            /* From the last to the first, so that places stay what they are. */
            exchange(&tree, p.spki, (seki_span){key, put_key(key, AUTHORITY_LEAF_KEY + i)});
            if (!keep_names && wanted.length != 0)
                exchange(&tree, p.issuer, wanted);
            exchange(&tree, p.algorithm, (seki_span){algorithm, put_hex(algorithm, ALGORITHM)});
            seki_span tbs = encoded(&tree, p.tbs, scratch, sizeof scratch), content, name;
            uint8_t tag;
            places now;
            static uint8_t issuer_name[SEKI_CERTIFICATE_SIZE_MAX];
            if (find(&tree, 0, &now) && seki_der_take_any(&tbs, &tag, &content, NULL) && content.length < SEKI_CERTIFICATE_SIZE_MAX
                && room - used > content.length + 256) {
                name = encoded(&tree, now.issuer, issuer_name, sizeof issuer_name);
                size = put_certificate(out + used, content, signer(name, subject, i + 1, count, issuer));
            }
        }
        if (size == 0 && parts[i].length <= room - used) {
            memcpy(out + used, parts[i].data, parts[i].length);
            size = parts[i].length;
        }
        used += size;
        if (i == 0)
            *leaf = used;
    }
    return used;
}
