/* test_certificate.c: certificates, extensions and keys: a well-formed certificate in parts, and for each rule one that
 * breaks it and nothing else, with the reason and the place it must be refused for.
 *
 *   cc -std=gnu11 -O2 -Inative/include native/tests/test_certificate.c native/src/{cert,extensions,name,algorithm,spki}.c \
 *      native/src/{value,der,inspect}.c
 *
 * Exit status 0 if everything held. */
#define _GNU_SOURCE

#include "hex.h"

#include "../src/cert.h"
#include "../src/extensions.h"
#include "../src/name.h"

/* ---- a certificate in parts ------------------------------------------------------------------------ */

enum part {
    VERSION,
    SERIAL,
    ALGORITHM, /* inside; the outer one is a copy unless OUTER is given */
    ISSUER,
    VALIDITY,
    SUBJECT,
    SPKI,
    UNIQUE,     /* issuerUniqueID, subjectUniqueID */
    EXTENSIONS, /* the [3] */
    TBS_TAIL,   /* nothing belongs here */
    OUTER,
    SIGNATURE,
    TAIL,  /* nor here, inside of the outermost SEQUENCE */
    AFTER, /* nor here, behind it */
    PARTS
};

#define RSA_SHA256 "300d06092a864886f70d01010b0500"
#define JP "310b3009060355040613024a50"
#define ED25519 "302a300506032b65700321008888888888888888888888888888888888888888888888888888888888888888"
#define KEY_USAGE "300e0603551d0f0101ff040403020780"

static const char *const good[PARTS] = {
    [VERSION] = "a003020102",
    [SERIAL] = "020101",
    [ALGORITHM] = RSA_SHA256,
    [ISSUER] = "300d" JP,
    [VALIDITY] = "301e 170d3236303130313030303030305a 170d3330303130313030303030305a",
    [SUBJECT] = "300d" JP,
    [SPKI] = ED25519,
    [UNIQUE] = "",
    [EXTENSIONS] = "a312 3010" KEY_USAGE,
    [TBS_TAIL] = "",
    [OUTER] = NULL,
    [SIGNATURE] = "0303 00aabb",
    [TAIL] = "",
    [AFTER] = "",
};

static size_t put_header(uint8_t *out, uint8_t tag, size_t length)
{
    size_t size = 0;
    out[size++] = tag;
    if (length >= 0x10000) {
        out[size++] = 0x83;
        out[size++] = (uint8_t)(length >> 16);
    } else if (length >= 0x100) {
        out[size++] = 0x82;
    } else if (length >= 0x80) {
        out[size++] = 0x81;
    }
    if (length >= 0x100)
        out[size++] = (uint8_t)(length >> 8);
    out[size++] = (uint8_t)length;
    return size;
}

/* The certificate of these parts in a block of exactly its size; where[i] is the offset of part i, where[PARTS] its end. */
static seki_span assemble(const seki_span parts[PARTS], size_t where[PARTS + 1])
{
    uint8_t header[2][5];
    size_t tbs = 0, all = 0;
    for (int i = VERSION; i <= TBS_TAIL; i++)
        tbs += parts[i].length;
    size_t tbs_header = put_header(header[1], 0x30, tbs);
    all = tbs_header + tbs + parts[OUTER].length + parts[SIGNATURE].length + parts[TAIL].length;
    size_t all_header = put_header(header[0], 0x30, all);
    uint8_t *der = malloc(all_header + all + parts[AFTER].length), *at = der;
    if (der == NULL)
        exit(2);
    memcpy(at, header[0], all_header);
    at += all_header;
    memcpy(at, header[1], tbs_header);
    at += tbs_header;
    for (int i = 0; i < PARTS; i++) {
        where[i] = (size_t)(at - der);
        memcpy(at, parts[i].data, parts[i].length);
        at += parts[i].length;
    }
    where[PARTS] = (size_t)(at - der);
    return (seki_span){der, where[PARTS]};
}

/* Parses the good certificate with one part replaced (replace < 0: none). */
static seki_reason parse_with(int replace, seki_span part, bool anchor, seki_certificate *out, seki_span *der,
                              size_t *fault, size_t where[PARTS + 1])
{
    seki_span parts[PARTS];
    for (int i = 0; i < PARTS; i++) {
        const char *hex = good[i] == NULL ? "" : good[i];
        parts[i] = i == replace ? part : from_hex(hex);
    }
    if (replace != OUTER) {
        release(parts[OUTER]);
        parts[OUTER] = parts[ALGORITHM];
    }
    *der = assemble(parts, where);
    for (int i = 0; i < PARTS; i++)
        if (i != replace && (i != OUTER || replace == OUTER))
            release(parts[i]);
    return anchor ? seki_certificate_parse_anchor(*der, out, fault) : seki_certificate_parse(*der, out, fault);
}

/* One rule, one fault: the reason, a place within the part, and nothing written. */
static void expect(const char *rule, int replace, seki_span part, seki_reason wanted)
{
    seki_certificate certificate;
    size_t where[PARTS + 1], fault = SIZE_MAX;
    seki_span der;
    memset(&certificate, 0xee, sizeof certificate);
    seki_reason reason = parse_with(replace, part, false, &certificate, &der, &fault, where);
    char detail[160];
    snprintf(detail, sizeof detail, "%s: reason %d, wanted %d, fault at %zu", rule, (int)reason, (int)wanted, fault);
    check(reason == wanted, "certificate", detail);
    if (reason == SEKI_NOT_DECIDED) {
        check(certificate.der.data == der.data && certificate.version != 0xee, "parsed certificate", detail);
    } else {
        /* An outer algorithm that differs is the outer one's fault; all else lies where it was put. */
        size_t from = where[replace], to = where[replace + 1];
        if (wanted == SEKI_CERTIFICATE_ALGORITHMS_DIFFER)
            from = where[OUTER], to = where[SIGNATURE];
        check(fault >= from && fault <= to, "the fault's place", detail);
        check(certificate.version == 0xee && certificate.critical == 0xeeeeeeee, "refused, and yet written", detail);
    }
    free((void *)(uintptr_t)der.data);
}

static void expect_hex(const char *rule, int replace, const char *hex, seki_reason wanted)
{
    seki_span part = from_hex(hex);
    expect(rule, replace, part, wanted);
    release(part);
}

#define OK SEKI_NOT_DECIDED
#define MALFORMED SEKI_CERTIFICATE_MALFORMED
#define EXTENSION SEKI_CERTIFICATE_EXTENSION_MALFORMED
#define NAME SEKI_CERTIFICATE_NAME_MALFORMED
#define VALIDITY_WRONG SEKI_CERTIFICATE_VALIDITY_MALFORMED

#define PSS(content) "06092a864886f70d01010a" content

static const struct {
    const char *rule;
    enum part part;
    const char *hex;
    seki_reason reason;
} rules[] = {
    {"v3", VERSION, "a003020102", OK},
    {"v1 written out", VERSION, "a003020100", SEKI_CERTIFICATE_VERSION},
    {"v4", VERSION, "a003020103", SEKI_CERTIFICATE_VERSION},
    {"version -1", VERSION, "a0030201ff", SEKI_CERTIFICATE_VERSION},
    {"version 256", VERSION, "a00402020100", SEKI_CERTIFICATE_VERSION},
    {"version padded", VERSION, "a00402020002", MALFORMED},
    {"version of another type", VERSION, "a003040102", MALFORMED},
    {"version with something behind", VERSION, "a0050201020500", MALFORMED},
    {"version empty", VERSION, "a000", MALFORMED},

    {"serial of 20 octets", SERIAL, "02147f00000000000000000000000000000000000001", OK},
    {"serial of 20 octets with its 00", SERIAL, "021400ff000000000000000000000000000000000001", OK},
    {"serial of 21 octets", SERIAL, "02157f0000000000000000000000000000000000000001", SEKI_CERTIFICATE_SERIAL},
    {"serial of 20 octets and a 00", SERIAL, "021500ff00000000000000000000000000000000000001", SEKI_CERTIFICATE_SERIAL},
    {"serial zero", SERIAL, "020100", SEKI_CERTIFICATE_SERIAL},
    {"serial negative", SERIAL, "0201ff", SEKI_CERTIFICATE_SERIAL},
    {"serial padded", SERIAL, "02020001", SEKI_CERTIFICATE_SERIAL},
    {"serial empty", SERIAL, "0200", SEKI_CERTIFICATE_SERIAL},
    {"serial NULL", SERIAL, "0500", SEKI_CERTIFICATE_SERIAL},
    {"serial absent", SERIAL, "", SEKI_CERTIFICATE_SERIAL},

    {"RSA without NULL", ALGORITHM, "300b06092a864886f70d01010b", MALFORMED},
    {"RSA with NULL and more", ALGORITHM, "300f06092a864886f70d01010b05000500", MALFORMED},
    {"RSA with a NULL that is not empty", ALGORITHM, "300e06092a864886f70d01010b050100", MALFORMED},
    {"ECDSA with NULL", ALGORITHM, "300c06082a8648ce3d0403020500", MALFORMED},
    {"ECDSA", ALGORITHM, "300a06082a8648ce3d040302", OK},
    {"Ed25519 with NULL", ALGORITHM, "300706032b65700500", MALFORMED},
    {"Ed25519", ALGORITHM, "300506032b6570", OK},
    {"SHA-1 with RSA, not known", ALGORITHM, "300d06092a864886f70d0101050500", OK},
    {"not known, no parameters", ALGORITHM, "300506032b6571", OK},
    {"not known, two parameters", ALGORITHM, "300906032b657105000500", MALFORMED},
    {"not known, parameters not DER", ALGORITHM, "300806032b657130023000", MALFORMED},
    {"algorithm without OID", ALGORITHM, "30020500", MALFORMED},
    {"algorithm empty", ALGORITHM, "3000", MALFORMED},
    {"algorithm of another type", ALGORITHM, "310506032b6570", MALFORMED},
    {"PSS without parameters", ALGORITHM, "300b" PSS(""), MALFORMED},
    {"PSS with NULL", ALGORITHM, "300d" PSS("0500"), MALFORMED},
    {"PSS, all defaults", ALGORITHM, "300d" PSS("3000"), OK},
    {"PSS, an unknown field", ALGORITHM, "3011" PSS("3004a4020500"), MALFORMED},
    {"PSS, default salt written", ALGORITHM, "3012" PSS("3005a203020114"), MALFORMED},
    {"PSS, default trailer written", ALGORITHM, "3012" PSS("3005a303020101"), MALFORMED},
    {"PSS, salt negative", ALGORITHM, "3012" PSS("3005a2030201ff"), MALFORMED},
    {"PSS, default hash written", ALGORITHM, "3018" PSS("300ba009300706052b0e03021a"), MALFORMED},
    {"PSS, fields out of order", ALGORITHM, "3017" PSS("300aa303020102a203020115"), MALFORMED},

    {"outer algorithm differs", OUTER, "300506032b6570", SEKI_CERTIFICATE_ALGORITHMS_DIFFER},
    {"outer algorithm differs in parameters", OUTER, "300b06092a864886f70d01010b",
     SEKI_CERTIFICATE_ALGORITHMS_DIFFER},
    {"outer algorithm of another type", OUTER, "310506032b6570", MALFORMED},
    {"outer algorithm absent", OUTER, "", MALFORMED},

    {"issuer empty", ISSUER, "3000", NAME},
    {"subject empty", SUBJECT, "3000", OK},
    {"issuer of another type", ISSUER, "310d" JP, NAME},
    {"two RDNs", SUBJECT, "301a" JP JP, OK},
    {"RDN empty", SUBJECT, "30023100", NAME},
    {"RDN of another type", SUBJECT, "300d300b3009060355040613024a50", NAME},
    {"attribute of another type", SUBJECT, "300d310b3109060355040613024a50", NAME},
    {"attribute without type", SUBJECT, "300831063004 13024a50", NAME},
    {"attribute without value", SUBJECT, "3009310730050603550406", NAME},
    {"attribute with two values", SUBJECT, "3011310f300d060355040613024a5013024a50", NAME},
    {"attribute type padded", SUBJECT, "300c310a30080602800113024a50", NAME},
    {"attribute type padded in three octets", SUBJECT, "300d310b3009060355800613024a50", NAME},
    {"value empty", SUBJECT, "300b3109300706035504061300", NAME},
    {"value: PrintableString with *", SUBJECT, "300c310a300806035504061301 2a", NAME},
    {"value: UTF8String that is none", SUBJECT, "300c310a30080603550403 0c01ff", NAME},
    {"value: UTF8String with NUL", SUBJECT, "300d310b30090603550403 0c026100", NAME},
    {"value: UTF8String", SUBJECT, "300e310c300a0603550403 0c03e585ac", OK},
    {"value: IA5String empty", SUBJECT, "300b3109300706035504031600", NAME},
    {"value: INTEGER", SUBJECT, "300c310a30080603550403 020101", NAME},
    {"value: VisibleString", SUBJECT, "300c310a30080603550403 1a0161", NAME},
    {"value: NumericString", SUBJECT, "300c310a30080603550403 120131", OK},
    {"value: NumericString empty", SUBJECT, "300b310930070603550403 1200", NAME},
    {"value: BIT STRING", SUBJECT, "300d310b3009060355042d 03020780", OK},
    {"value: BIT STRING of another attribute", SUBJECT, "300d310b30090603550403 03020780", NAME},
    {"value: BIT STRING, unused bit set", SUBJECT, "300d310b3009060355042d 03020781", NAME},
    {"value: SEQUENCE", SUBJECT, "300e310c300a0603550410 30030c0161", NAME},
    {"value: SEQUENCE that is not DER", SUBJECT, "300d310b30090603550403 3002 0401", NAME},
    {"two attributes in order", SUBJECT, "30163114 3008 0603550403 0c0161 3008 0603550406 130161", OK},
    {"two attributes alike", SUBJECT, "30163114 3008 0603550403 0c0161 3008 0603550403 0c0161", NAME},
    {"two attributes of a type", SUBJECT, "30163114 3008 0603550403 0c0161 3008 0603550403 0c0162", NAME},
    {"two attributes of a type, one between", SUBJECT,
     "3020311e 3008 0603550403 0c0161 3008 0603550406 130161 3008 0603550403 0c0162", NAME},
    {"two attributes out of order", SUBJECT, "30163114 3008 0603550406 130161 3008 0603550403 0c0161", NAME},
    {"shorter attribute after longer", SUBJECT, "30173115 3009 0603550403 0c026162 3008 0603550406 130161", NAME},
    {"shorter attribute before longer", SUBJECT, "30173115 3008 0603550406 130161 3009 0603550403 0c026162", OK},

    {"both GeneralizedTime", VALIDITY,
     "3022 180f32303236303130313030303030305a 180f32303530303130313030303030305a", OK},
    {"an instant", VALIDITY, "301e 170d3236303130313030303030305a 170d3236303130313030303030305a", OK},
    {"ends before it begins", VALIDITY, "301e 170d3236303130313030303030315a 170d3236303130313030303030305a",
     VALIDITY_WRONG},
    {"no such day", VALIDITY, "301e 170d3236303232393030303030305a 170d3330303130313030303030305a", VALIDITY_WRONG},
    {"offset instead of Z", VALIDITY, "3022 17113236303130313030303030302b30393030 170d3330303130313030303030305a",
     VALIDITY_WRONG},
    {"one time", VALIDITY, "300f 170d3236303130313030303030305a", VALIDITY_WRONG},
    {"three times", VALIDITY,
     "302d 170d3236303130313030303030305a 170d3330303130313030303030305a 170d3330303130313030303030305a",
     VALIDITY_WRONG},
    {"validity of another type", VALIDITY, "0500", VALIDITY_WRONG},

    {"key unreadable, certificate well formed", SPKI, "300c 300706032b65700500 030100", OK},
    {"key unknown", SPKI, "300a 300506032b6571 030100", OK},
    {"no SubjectPublicKeyInfo", SPKI, "3000", MALFORMED},
    {"key's BIT STRING without count", SPKI, "3009 300506032b6570 0300", MALFORMED},
    {"key's parameters not DER", SPKI, "300d 300806032b6570 300205 030100", MALFORMED},
    {"key of another type", SPKI, "3100", MALFORMED},
    {"key's length wrong", SPKI, "308100", MALFORMED},

    {"issuerUniqueID", UNIQUE, "8102 00aa", OK},
    {"both unique ids", UNIQUE, "8102 00aa 8202 00bb", OK},
    {"unique ids out of order", UNIQUE, "8202 00aa 8102 00bb", MALFORMED},
    {"unique id, unused bit set", UNIQUE, "8102 01ff", MALFORMED},
    {"unique id, empty", UNIQUE, "8100", MALFORMED},
    {"unique id, constructed", UNIQUE, "a104 030200aa", MALFORMED},

    {"no extensions", EXTENSIONS, "", OK},
    {"extensions empty", EXTENSIONS, "a3023000", EXTENSION},
    {"extensions: SET", EXTENSIONS, "a312 3110" KEY_USAGE, MALFORMED},
    {"extensions: something behind", EXTENSIONS, "a314 3010" KEY_USAGE "0500", MALFORMED},
    {"extensions: nothing", EXTENSIONS, "a300", MALFORMED},
    {"the same extension twice", EXTENSIONS, "a322 3020" KEY_USAGE KEY_USAGE, SEKI_CERTIFICATE_EXTENSION_DUPLICATE},
    {"the same unknown extension twice", EXTENSIONS, "a316 3014 3008 06032a0304 040161 3008 06032a0304 040162",
     SEKI_CERTIFICATE_EXTENSION_DUPLICATE},
    {"two unknown extensions", EXTENSIONS, "a316 3014 3008 06032a0304 040161 3008 06032a0305 040161", OK},
    {"unknown, critical", EXTENSIONS, "a30f 300d 300b 06032a0304 0101ff 040161", OK},
    {"unknown, empty", EXTENSIONS, "a30b 3009 3007 06032a0304 0400", OK},
    {"critical FALSE written", EXTENSIONS, "a30f 300d 300b 06032a0304 010100 040161", EXTENSION},
    {"critical 01", EXTENSIONS, "a30f 300d 300b 06032a0304 010101 040161", EXTENSION},
    {"critical of two octets", EXTENSIONS, "a310 300e 300c 06032a0304 0102ffff 040161", EXTENSION},
    {"extension without value", EXTENSIONS, "a309 3007 3005 06032a0304", EXTENSION},
    {"extension with two values", EXTENSIONS, "a30f 300d 300b 06032a0304 040161 040162", EXTENSION},
    {"extension's value of another type", EXTENSIONS, "a30c 300a 3008 06032a0304 030161", EXTENSION},
    {"extension without OID", EXTENSIONS, "a307 3005 3003 040161", EXTENSION},
    {"extension of another type", EXTENSIONS, "a30c 300a 3108 06032a0304 040161", EXTENSION},
    {"something behind the extensions", TBS_TAIL, "0500", MALFORMED},
    {"extensions twice", TBS_TAIL, "a312 3010" KEY_USAGE, MALFORMED},

    {"signature with unused bits", SIGNATURE, "030301aa80", MALFORMED},
    {"signature without count", SIGNATURE, "0300", MALFORMED},
    {"signature of another type", SIGNATURE, "040200aa", MALFORMED},
    {"signature absent", SIGNATURE, "", MALFORMED},
    {"something behind the signature", TAIL, "0500", MALFORMED},
    {"something behind the certificate", AFTER, "00", SEKI_CERTIFICATE_TRAILING_DATA},
};

/* ---- extensions: the value alone ------------------------------------------------------------------- */

#define URI "8606 783a2f2f7a7a" /* x://zz */
#define POLICY_A "3004 06022a03"
#define POLICY_B "3004 06022a04"

static const struct {
    const char *rule, *oid, *value;
    bool valid;
} extensions[] = {
    {"SKI", "551d0e", "0401aa", true},
    {"SKI empty", "551d0e", "0400", false},
    {"SKI of another type", "551d0e", "0201aa", false},
    {"SKI and more", "551d0e", "0401aa00", false},

    {"KU decipherOnly", "551d0f", "0303070080", true},
    {"KU no bit", "551d0f", "030100", false},
    {"KU all zero", "551d0f", "03020000", false},
    {"KU trailing zero bits", "551d0f", "03020006", false},
    {"KU a tenth bit", "551d0f", "0303060040", false},
    {"KU of another type", "551d0f", "04020780", false},
    {"KU and more", "551d0f", "0302078000", false},
    {"KU empty", "551d0f", "", false},

    {"BC empty sequence", "551d13", "3000", true},
    {"BC CA", "551d13", "30030101ff", true},
    {"BC CA, pathLen 0", "551d13", "30060101ff020100", true},
    {"BC cA FALSE written", "551d13", "3003010100", false},
    {"BC cA 01", "551d13", "3003010101", false},
    {"BC pathLen without cA", "551d13", "3003020100", false},
    {"BC pathLen negative", "551d13", "30060101ff0201ff", false},
    {"BC pathLen padded", "551d13", "30070101ff02020001", false},
    {"BC pathLen 2^31 - 1", "551d13", "30090101ff02047fffffff", true},
    {"BC pathLen 2^31", "551d13", "300a0101ff02050080000000", false},
    {"BC pathLen, then cA", "551d13", "30060201000101ff", false},
    {"BC and more inside", "551d13", "30050101ff0500", false},
    {"BC and more", "551d13", "30000500", false},
    {"BC of another type", "551d13", "0101ff", false},

    {"EKU clientAuth", "551d25", "300a06082b06010505070302", true},
    {"EKU the same twice", "551d25", "301406082b0601050507030206082b06010505070302", true},
    {"EKU empty", "551d25", "3000", false},
    {"EKU not an OID", "551d25", "3003020101", false},
    {"EKU OID padded", "551d25", "300406028001", false},
    {"EKU and more", "551d25", "300a06082b0601050507030200", false},

    {"SAN URI", "551d11", "3008" URI, true},
    {"SAN empty", "551d11", "3000", false},
    {"SAN of another type", "551d11", "3108" URI, false},
    {"SAN and more", "551d11", "3008" URI "0500", false},
    {"SAN bytes that are no sequence", "551d11", "616263", false},
    {"SAN otherName", "551d11", "300b a009 06022a03 a003 0c0161", true},
    {"SAN otherName, value not explicit", "551d11", "3009 a007 06022a03 0c0161", false},
    {"SAN otherName, value empty", "551d11", "3008 a006 06022a03 a000", false},
    {"SAN otherName, two values", "551d11", "300e a00c 06022a03 a006 0c0161 0c0161", false},
    {"SAN otherName, value not UTF-8", "551d11", "300b a009 06022a03 a003 0c01ff", false},
    {"SAN otherName, value not DER inside", "551d11", "300c a00a 06022a03 a004 30020401", false},
    {"SAN otherName, no type", "551d11", "3007 a005 a003 0c0161", false},
    {"SAN otherName, primitive", "551d11", "300b 8009 06022a03 a003 0c0161", false},
    {"SAN rfc822Name", "551d11", "3005 8103 614062", true},
    {"SAN rfc822Name empty", "551d11", "3002 8100", false},
    {"SAN rfc822Name, not ASCII", "551d11", "3005 8103 6140ff", false},
    {"SAN rfc822Name, NUL", "551d11", "3006 8104 61406200", false},
    {"SAN rfc822Name, constructed", "551d11", "3005 a103 160161", false},
    {"SAN dNSName", "551d11", "3005 8203 612e62", true},
    {"SAN dNSName, wildcard", "551d11", "3005 8203 2a2e62", true},
    {"SAN dNSName, underscore", "551d11", "3006 8204 5f612e62", true},
    {"SAN dNSName empty", "551d11", "3002 8200", false},
    {"SAN dNSName, a space", "551d11", "3003 8201 20", false},
    {"SAN dNSName, leading period", "551d11", "3004 8202 2e62", false},
    {"SAN dNSName, trailing period", "551d11", "3004 8202 622e", false},
    {"SAN dNSName, two periods", "551d11", "3006 8204 612e2e62", false},
    {"SAN dNSName, wildcard inside", "551d11", "3007 8205 612e2a2e62", false},
    {"SAN dNSName, wildcard in a label", "551d11", "3006 8204 612a2e62", false},
    {"SAN dNSName, bare wildcard", "551d11", "3003 8201 2a", false},
    {"SAN dNSName, leading hyphen", "551d11", "3004 8202 2d61", false},
    {"SAN dNSName, trailing hyphen", "551d11", "3006 8204 612d2e62", false},
    {"SAN dNSName, last octet a hyphen", "551d11", "3004 8202 612d", false},
    {"SAN dNSName, an IPv4 address", "551d11", "3009 8207 312e322e332e34", false},
    {"SAN dNSName, a URI", "551d11", "3008 8206 783a2f2f7a7a", false},
    {"SAN dNSName, label of 63", "551d11",
     "3041 823f 6161616161616161616161616161616161616161616161616161616161616161"
     "61616161616161616161616161616161616161616161616161616161616161",
     true},
    {"SAN dNSName, label of 64", "551d11",
     "3042 8240 6161616161616161616161616161616161616161616161616161616161616161"
     "6161616161616161616161616161616161616161616161616161616161616161",
     false},
    {"SAN x400Address", "551d11", "3006 a304 a002 0500", true},
    {"SAN x400Address, not DER", "551d11", "3004 a302 3005", false},
    {"SAN directoryName", "551d11", "3011 a40f 300d" JP, true},
    {"SAN directoryName empty", "551d11", "3004 a402 3000", false},
    {"SAN directoryName implicit", "551d11", "300f a40d" JP, false},
    {"SAN directoryName, two", "551d11", "3020 a41e 300d" JP "300d" JP, false},
    {"SAN directoryName, name malformed", "551d11", "3006 a404 30023100", false},
    {"SAN ediPartyName", "551d11", "300c a50a a003 0c0161 a103 0c0162", true},
    {"SAN ediPartyName without assigner", "551d11", "3007 a505 a103 0c0162", true},
    {"SAN ediPartyName without party", "551d11", "3007 a505 a003 0c0161", false},
    {"SAN ediPartyName, no DirectoryString", "551d11", "3007 a505 a103 160162", false},
    {"SAN ediPartyName and more", "551d11", "3009 a507 a103 0c0162 0500", false},
    {"SAN URI empty", "551d11", "3002 8600", false},
    {"SAN IPv4", "551d11", "3006 8704 c0000201", true},
    {"SAN IPv6", "551d11", "3012 8710 00000000000000000000000000000001", true},
    {"SAN IPv4 with a mask", "551d11", "300a 8708 c0000200ffffff00", false},
    {"SAN IP of 5", "551d11", "3007 8705 c000020100", false},
    {"SAN registeredID", "551d11", "3004 8802 2a03", true},
    {"SAN registeredID padded", "551d11", "3004 8802 8003", false},
    {"SAN unknown choice", "551d11", "3004 8902 2a03", false},
    {"SAN universal tag", "551d11", "3003 0c0161", false},
    {"IAN directoryName", "551d12", "3011 a40f 300d" JP, true},
    {"IAN empty", "551d12", "3000", false},

    {"NC permitted dNSName", "551d1e", "3009 a007 3005 8203 612e62", true},
    {"NC both", "551d1e", "3012 a007 3005 8203 612e62 a107 3005 8203 612e62", true},
    {"NC empty dNSName", "551d1e", "3006 a104 3002 8200", true},
    {"NC empty directoryName", "551d1e", "3008 a106 3004 a402 3000", true},
    {"NC dNSName, leading period", "551d1e", "3008 a006 3004 8202 2e62", false},
    {"NC dNSName, wildcard", "551d1e", "3009 a007 3005 8203 2a2e62", false},
    {"NC empty", "551d1e", "3000", false},
    {"NC permitted empty", "551d1e", "3002 a000", false},
    {"NC excluded, then permitted", "551d1e", "3012 a107 3005 8203 612e62 a007 3005 8203 612e62", false},
    {"NC a third field", "551d1e", "300b a007 3005 8203 612e62 a200", false},
    {"NC subtree without base", "551d1e", "3004 a002 3000", false},
    {"NC default minimum written", "551d1e", "300c a00a 3008 8203 612e62 800100", false},
    {"NC minimum 1", "551d1e", "300c a00a 3008 8203 612e62 800101", false},
    {"NC maximum", "551d1e", "300c a00a 3008 8203 612e62 810101", false},
    {"NC IPv4 with a mask", "551d1e", "300e a00c 300a 8708 c0000200ffffff00", true},
    {"NC IPv4 with a mask of /25", "551d1e", "300e a00c 300a 8708 c0000200ffffff80", true},
    {"NC IPv4 without mask", "551d1e", "300a a008 3006 8704 c0000201", false},
    {"NC mask with a hole", "551d1e", "300e a00c 300a 8708 c0000200ff00ff00", false},
    {"NC mask with a hole in an octet", "551d1e", "300e a00c 300a 8708 c0000200ffffffa0", false},

    {"CDP fullName", "551d1f", "300e 300c a00a a008" URI, true},
    {"CDP relative name", "551d1f", "3011 300f a00d a10b3009060355040613024a50", true},
    {"CDP relative name empty", "551d1f", "3006 3004 a002 a100", false},
    {"CDP fullName empty", "551d1f", "3006 3004 a002 a000", false},
    {"CDP with reasons", "551d1f", "3012 3010 a00a a008" URI "81020640", true},
    {"CDP with reasons, trailing zero bit", "551d1f", "3012 3010 a00a a008" URI "81020540", false},
    {"CDP reasons alone", "551d1f", "3006 3004 81020640", false},
    {"CDP cRLIssuer alone", "551d1f", "3015 3013 a211 a40f 300d" JP, true},
    {"CDP cRLIssuer empty", "551d1f", "3004 3002 a200", false},
    {"CDP point empty", "551d1f", "3002 3000", false},
    {"CDP empty", "551d1f", "3000", false},
    {"CDP fields out of order", "551d1f", "3012 3010 81020640 a00a a008" URI, false},
    {"CDP a third choice", "551d1f", "300e 300c a00a a208" URI, false},
    {"CDP name not explicit", "551d1f", "300c 300a a008" URI, false},
    {"CDP two names", "551d1f", "3018 3016 a014 a008" URI "a008" URI, false},
    {"freshest CRL", "551d2e", "300e 300c a00a a008" URI, true},
    {"freshest CRL empty", "551d2e", "3000", false},

    {"CP one", "551d20", "3006" POLICY_A, true},
    {"CP two", "551d20", "300c" POLICY_A POLICY_B, true},
    {"CP the same twice", "551d20", "300c" POLICY_A POLICY_A, false},
    {"CP empty", "551d20", "3000", false},
    {"CP information empty", "551d20", "3002 3000", false},
    {"CP qualifiers empty", "551d20", "3008 3006 06022a03 3000", false},
    {"CP CPS", "551d20", "3019 3017 06022a03 3011 300f 06082b06010505070201 1603 613a62", true},
    {"CP CPS with a NUL", "551d20", "3019 3017 06022a03 3011 300f 06082b06010505070201 1603 613a00", true},
    {"CP CPS empty", "551d20", "3016 3014 06022a03 300e 300c 06082b06010505070201 1600", false},
    {"CP CPS not ASCII", "551d20", "3019 3017 06022a03 3011 300f 06082b06010505070201 1603 613aff", false},
    {"CP CPS of another type", "551d20", "3019 3017 06022a03 3011 300f 06082b06010505070201 0c03 613a62", false},
    {"CP qualifier without value", "551d20", "3014 3012 06022a03 300c 300a 06082b06010505070201", false},
    {"CP notice empty", "551d20", "3016 3014 06022a03 300e 300c 06082b06010505070202 3000", true},
    {"CP notice with text", "551d20", "3019 3017 06022a03 3011 300f 06082b06010505070202 3003 0c0161", true},
    {"CP notice with text that is Printable", "551d20", "3019 3017 06022a03 3011 300f 06082b06010505070202 3003 130161",
     false},
    {"CP notice with empty text", "551d20", "3018 3016 06022a03 3010 300e 06082b06010505070202 3002 0c00", false},
    {"CP notice with two texts", "551d20", "301c 301a 06022a03 3014 3012 06082b06010505070202 3006 0c0161 0c0161", false},
    {"CP notice with reference", "551d20",
     "3020 301e 06022a03 3018 3016 06082b06010505070202 300a 3008 1a0161 3003 020101", true},
    {"CP notice with reference and text", "551d20",
     "3023 3021 06022a03 301b 3019 06082b06010505070202 300d 3008 1a0161 3003 020101 0c0161", true},
    {"CP notice, reference without numbers", "551d20",
     "301b 3019 06022a03 3013 3011 06082b06010505070202 3005 3003 1a0161", false},
    {"CP notice, a number that is none", "551d20",
     "3020 301e 06022a03 3018 3016 06082b06010505070202 300a 3008 1a0161 3003 010101", false},
    {"CP notice of another type", "551d20", "3019 3017 06022a03 3011 300f 06082b06010505070202 3103 0c0161", false},
    {"CP unknown qualifier", "551d20", "300f 300d 06022a03 3007 3005 06012a 0500", true},
    {"CP unknown qualifier, not DER", "551d20", "3011 300f 06022a03 3009 3007 06012a 3002 0401", false},
    {"CP and more inside", "551d20", "300a 3008 06022a03 0500 0500", false},

    {"PM", "551d21", "300a 3008 06022a03 06022a04", true},
    {"PM empty", "551d21", "3000", false},
    {"PM half", "551d21", "3006 3004 06022a03", false},
    {"PM three", "551d21", "300e 300c 06022a03 06022a04 06022a05", false},
    {"PM not OIDs", "551d21", "3008 3006 020101 020101", false},
    {"PC explicit", "551d24", "3003 800100", true},
    {"PC both", "551d24", "3006 800100 810102", true},
    {"PC empty", "551d24", "3000", false},
    {"PC out of order", "551d24", "3006 810102 800100", false},
    {"PC negative", "551d24", "3003 8001ff", false},
    {"PC padded", "551d24", "3004 80020001", false},
    {"PC a third field", "551d24", "3006 800100 820100", false},
    {"inhibitAnyPolicy", "551d36", "020100", true},
    {"inhibitAnyPolicy negative", "551d36", "0201ff", false},
    {"inhibitAnyPolicy and more", "551d36", "0201000500", false},
    {"inhibitAnyPolicy of another type", "551d36", "0401ff", false},

    {"AKI empty", "551d23", "3000", true},
    {"AKI key", "551d23", "3003 8001aa", true},
    {"AKI key empty", "551d23", "3002 8000", false},
    {"AKI key, issuer and serial", "551d23", "3019 8001aa a111 a40f 300d" JP "820101", true},
    {"AKI issuer and serial", "551d23", "3016 a111 a40f 300d" JP "820101", true},
    {"AKI issuer alone", "551d23", "3013 a111 a40f 300d" JP, false},
    {"AKI serial alone", "551d23", "3003 820101", false},
    {"AKI issuer empty", "551d23", "3005 a100 820101", false},
    {"AKI serial padded", "551d23", "3017 a111 a40f 300d" JP "82020001", false},
    {"AKI serial empty", "551d23", "3015 a111 a40f 300d" JP "8200", false},
    {"AKI out of order", "551d23", "3019 a111 a40f 300d" JP "820101 8001aa", false},
    {"AKI key twice", "551d23", "3006 8001aa 8001aa", false},
    {"AKI not a sequence", "551d23", "020101", false},
    {"AKI and more", "551d23", "3003 8001aa 0500", false},

    {"AIA", "2b06010505070101", "3014 3012 06082b06010505073001" URI, true},
    {"AIA empty", "2b06010505070101", "3000", false},
    {"AIA without location", "2b06010505070101", "300c 300a 06082b06010505073001", false},
    {"AIA without method", "2b06010505070101", "300a 3008" URI, false},
    {"AIA two locations", "2b06010505070101", "301c 301a 06082b06010505073001" URI URI, false},
    {"SIA", "2b0601050507010b", "3014 3012 06082b06010505073001" URI, true},
    {"SIA empty", "2b0601050507010b", "3000", false},
    {"directory attributes", "551d09", "300b 3009 06022a03 3103 0c0161", true},
    {"directory attributes empty", "551d09", "3000", false},
    {"directory attributes without value", "551d09", "3008 3006 06022a03 3100", false},
    {"directory attributes, value not DER", "551d09", "300a 3008 06022a03 3102 0401", false},
    {"directory attributes, SEQUENCE of values", "551d09", "300b 3009 06022a03 3003 0c0161", false},
    {"not known: anything", "2a0304", "ffff", true},
};

/* The [3] with one extension of this OID and value. */
static seki_span one_extension(const char *oid_hex, const char *value_hex, bool critical)
{
    seki_span oid = from_hex(oid_hex), value = from_hex(value_hex);
    uint8_t body[512], *at = body;
    at += put_header(at, 0x06, oid.length);
    memcpy(at, oid.data, oid.length);
    at += oid.length;
    if (critical) {
        memcpy(at, "\x01\x01\xff", 3);
        at += 3;
    }
    at += put_header(at, 0x04, value.length);
    memcpy(at, value.data, value.length);
    at += value.length;
    release(oid);
    release(value);
    static const uint8_t around[] = {0x30, 0x30, 0xa3};
    for (size_t i = 0; i < sizeof around; i++) {
        uint8_t header[5];
        size_t length = (size_t)(at - body), size = put_header(header, around[i], length);
        memmove(body + size, body, length);
        memcpy(body, header, size);
        at += size;
    }
    uint8_t *exact = malloc((size_t)(at - body));
    if (exact == NULL)
        exit(2);
    memcpy(exact, body, (size_t)(at - body));
    return (seki_span){exact, (size_t)(at - body)};
}

static void test_rules(void)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        expect_hex(rules[i].rule, rules[i].part, rules[i].hex, rules[i].reason);
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        for (int critical = 0; critical < 2; critical++) {
            seki_span part = one_extension(extensions[i].oid, extensions[i].value, critical != 0);
            expect(extensions[i].rule, EXTENSIONS, part, extensions[i].valid ? OK : EXTENSION);
            release(part);
        }
}

/* Version 1 and 2 leave things out that version 3 has. */
static void test_versions(void)
{
    static const struct {
        const char *version, *unique, *extensions;
        seki_reason reason;
    } cases[] = {
        {"", "", "", OK},
        {"", "810200aa", "", SEKI_CERTIFICATE_VERSION},
        {"", "", "a312 3010" KEY_USAGE, SEKI_CERTIFICATE_VERSION},
        {"a003020101", "", "", OK},
        {"a003020101", "810200aa", "", OK},
        {"a003020101", "", "a312 3010" KEY_USAGE, SEKI_CERTIFICATE_VERSION},
        {"a003020102", "810200aa", "a312 3010" KEY_USAGE, OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        seki_span parts[PARTS];
        size_t where[PARTS + 1];
        for (int k = 0; k < PARTS; k++)
            parts[k] = from_hex(k == VERSION      ? cases[i].version
                                : k == UNIQUE     ? cases[i].unique
                                : k == EXTENSIONS ? cases[i].extensions
                                : k == OUTER      ? good[ALGORITHM]
                                                  : good[k]);
        seki_span der = assemble(parts, where);
        seki_certificate certificate;
        char detail[64];
        snprintf(detail, sizeof detail, "case %zu", i);
        check(seki_certificate_parse(der, &certificate, NULL) == cases[i].reason, "version", detail);
        if (cases[i].reason == OK)
            check(certificate.version == (cases[i].version[0] == '\0' ? 1 : cases[i].version[9] - '0' + 1), "version",
                  detail);
        for (int k = 0; k < PARTS; k++)
            release(parts[k]);
        release(der);
    }
}

/* ---- what is read --------------------------------------------------------------------------------- */

static const struct {
    const char *rule, *hex;
    seki_signature_algorithm algorithm;
} algorithms[] = {
    {"RSA SHA-256", RSA_SHA256, SEKI_SIGALG_RSA_SHA256},
    {"RSA SHA-384", "300d06092a864886f70d01010c0500", SEKI_SIGALG_RSA_SHA384},
    {"RSA SHA-512", "300d06092a864886f70d01010d0500", SEKI_SIGALG_RSA_SHA512},
    {"RSA SHA-224", "300d06092a864886f70d01010e0500", SEKI_SIGALG_UNKNOWN},
    {"RSA SHA-1", "300d06092a864886f70d0101050500", SEKI_SIGALG_UNKNOWN},
    {"ECDSA SHA-1", "300906072a8648ce3d0401", SEKI_SIGALG_UNKNOWN},
    {"ECDSA SHA-256", "300a06082a8648ce3d040302", SEKI_SIGALG_ECDSA_SHA256},
    {"ECDSA SHA-384", "300a06082a8648ce3d040303", SEKI_SIGALG_ECDSA_SHA384},
    {"ECDSA SHA-512", "300a06082a8648ce3d040304", SEKI_SIGALG_ECDSA_SHA512},
    {"Ed25519", "300506032b6570", SEKI_SIGALG_ED25519},
    {"Ed448", "300506032b6571", SEKI_SIGALG_UNKNOWN},
    {"PSS SHA-1", "300d" PSS("3000"), SEKI_SIGALG_UNKNOWN},
    {"PSS SHA-256", "3041" PSS("3034 a00f 300d 0609608648016503040201 0500"
                               "a11c 301a 06092a864886f70d010108 300d 0609608648016503040201 0500 a203 020120"),
     SEKI_SIGALG_PSS_SHA256},
    {"PSS SHA-256, hashes without NULL",
     "303d" PSS("3030 a00d 300b 0609608648016503040201"
                "a11a 3018 06092a864886f70d010108 300b 0609608648016503040201 a203 020120"),
     SEKI_SIGALG_PSS_SHA256},
    {"PSS SHA-384", "3041" PSS("3034 a00f 300d 0609608648016503040202 0500"
                               "a11c 301a 06092a864886f70d010108 300d 0609608648016503040202 0500 a203 020130"),
     SEKI_SIGALG_PSS_SHA384},
    {"PSS SHA-512", "3041" PSS("3034 a00f 300d 0609608648016503040203 0500"
                               "a11c 301a 06092a864886f70d010108 300d 0609608648016503040203 0500 a203 020140"),
     SEKI_SIGALG_PSS_SHA512},
    {"PSS SHA-256 with MGF1 of SHA-1", "3023" PSS("3016 a00f 300d 0609608648016503040201 0500 a203 020120"),
     SEKI_SIGALG_UNKNOWN},
    {"PSS SHA-256 with MGF1 of SHA-384",
     "3041" PSS("3034 a00f 300d 0609608648016503040201 0500"
                "a11c 301a 06092a864886f70d010108 300d 0609608648016503040202 0500 a203 020120"),
     SEKI_SIGALG_UNKNOWN},
    {"PSS SHA-256, salt of 32 left to the default of 20",
     "303c" PSS("302f a00f 300d 0609608648016503040201 0500"
                "a11c 301a 06092a864886f70d010108 300d 0609608648016503040201 0500"),
     SEKI_SIGALG_UNKNOWN},
    {"PSS SHA-256, trailer 2",
     "3046" PSS("3039 a00f 300d 0609608648016503040201 0500"
                "a11c 301a 06092a864886f70d010108 300d 0609608648016503040201 0500 a203 020120 a303 020102"),
     SEKI_SIGALG_UNKNOWN},
    {"PSS SHA-256 with another mask", "3033" PSS("3026 a00f 300d 0609608648016503040201 0500"
                                                 "a10e 300c 06062a864886f70d 06022a03 a203 020120"),
     SEKI_SIGALG_UNKNOWN},
};

static void test_fields(void)
{
    seki_certificate c;
    seki_span der;
    size_t where[PARTS + 1], fault;
    check(parse_with(-1, (seki_span){NULL, 0}, false, &c, &der, &fault, where) == OK, "fields", "the good certificate");
    check(c.version == 3 && c.serial.length == 1 && c.serial.data == der.data + where[SERIAL] + 2, "fields", "serial");
    check(c.issuer.data == der.data + where[ISSUER] && c.issuer.length == where[VALIDITY] - where[ISSUER], "fields",
          "issuer");
    check(c.subject.data == der.data + where[SUBJECT] && c.subject.length == where[SPKI] - where[SUBJECT], "fields",
          "subject");
    check(c.spki.data == der.data + where[SPKI] && c.spki.length == where[UNIQUE] - where[SPKI], "fields", "spki");
    check(c.tbs.data + c.tbs.length == der.data + where[OUTER] && c.tbs.data[0] == 0x30, "fields", "tbs");
    check(c.signature.length == 2 && c.signature.data == der.data + where[SIGNATURE] + 3, "fields", "signature");
    check(c.not_before == 1767225600 && c.not_after == 1893456000, "fields", "validity");
    check(c.key_reason == 0 && c.key.kind == SEKI_KEY_ED25519 && c.key.point.length == 32, "fields", "key");
    check(c.extensions == SEKI_EXT_KEY_USAGE && c.critical == SEKI_EXT_KEY_USAGE &&
              c.key_usage == SEKI_KU_DIGITAL_SIGNATURE,
          "fields", "keyUsage");
    check(!c.is_ca && c.path_length == -1 && c.departures == 0, "fields", "no basicConstraints");

    /* Every beginning of a certificate is none, in a block that ends where it ends. */
    for (size_t length = 0; length < der.length; length++) {
        uint8_t *cut = malloc(length != 0 ? length : 1);
        if (cut == NULL)
            exit(2);
        memcpy(cut, der.data, length);
        seki_certificate ignored;
        seki_reason wanted = length == 0 ? SEKI_INPUT_MISSING : MALFORMED;
        char detail[32];
        snprintf(detail, sizeof detail, "%zu octets", length);
        check(seki_certificate_parse((seki_span){cut, length}, &ignored, &fault) == wanted && fault <= length, "cut off",
              detail);
        free(cut);
    }
    release(der);

    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        seki_span part = from_hex(algorithms[i].hex);
        seki_reason reason = parse_with(ALGORITHM, part, false, &c, &der, &fault, where);
        check(reason == OK && c.signature_algorithm == algorithms[i].algorithm, "signature algorithm",
              algorithms[i].rule);
        release(part);
        release(der);
    }

    static const struct {
        const char *rule, *oid, *value;
        uint32_t bit, key_usage, extended;
        int is_ca, path_length;
    } read[] = {
        {"KU keyCertSign, cRLSign", "551d0f", "03020106", SEKI_EXT_KEY_USAGE,
         SEKI_KU_KEY_CERT_SIGN | SEKI_KU_CRL_SIGN, 0, 0, -1},
        {"KU decipherOnly", "551d0f", "0303070080", SEKI_EXT_KEY_USAGE, SEKI_KU_DECIPHER_ONLY, 0, 0, -1},
        {"BC CA", "551d13", "30030101ff", SEKI_EXT_BASIC_CONSTRAINTS, 0, 0, 1, -1},
        {"BC CA, pathLen 7", "551d13", "30060101ff020107", SEKI_EXT_BASIC_CONSTRAINTS, 0, 0, 1, 7},
        {"EKU all", "551d25",
         "304606082b0601050507030106082b0601050507030206082b0601050507030306082b0601050507030406082b06010505070308"
         "06082b060105050703090604551d250006022a03",
         SEKI_EXT_EXTENDED_KEY_USAGE, 0, 0xff, 0, -1},
        {"EKU clientAuth", "551d25", "300a06082b06010505070302", SEKI_EXT_EXTENDED_KEY_USAGE, 0, SEKI_EKU_CLIENT_AUTH,
         0, -1},
        {"EKU emailProtection's neighbour", "551d25", "300a06082b06010505070305", SEKI_EXT_EXTENDED_KEY_USAGE, 0,
         SEKI_EKU_OTHER, 0, -1},
        {"not known", "2a0304", "ff", SEKI_EXT_UNKNOWN, 0, 0, 0, -1},
        {"id-ce not known", "551d10", "ff", SEKI_EXT_UNKNOWN, 0, 0, 0, -1},
    };
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        for (int critical = 0; critical < 2; critical++) {
            seki_span part = one_extension(read[i].oid, read[i].value, critical != 0);
            seki_reason reason = parse_with(EXTENSIONS, part, false, &c, &der, &fault, where);
            check(reason == OK && c.extensions == read[i].bit && c.critical == (critical ? read[i].bit : 0) &&
                      c.key_usage == read[i].key_usage && c.extended_key_usage == read[i].extended &&
                      c.is_ca == (read[i].is_ca != 0) && c.path_length == read[i].path_length,
                  "extension read", read[i].rule);
            release(part);
            release(der);
        }

    seki_span part = one_extension("551d23", "3019 8001aa a111 a40f 300d" JP "820105", false);
    check(parse_with(EXTENSIONS, part, false, &c, &der, &fault, where) == OK && c.authority_key_id.length == 1 &&
              c.authority_key_id.data[0] == 0xaa && c.authority_issuer.length == 17 &&
              c.authority_issuer.data[0] == 0xa4 && c.authority_serial.length == 1 && c.authority_serial.data[0] == 5,
          "extension read", "AKI");
    release(part);
    release(der);
    part = one_extension("551d20", "300c" POLICY_A POLICY_B, true);
    check(parse_with(EXTENSIONS, part, false, &c, &der, &fault, where) == OK, "extension read", "CP");
    check(seki_certificate_has_policy(&c, (seki_span){(const uint8_t *)"\x2a\x04", 2}), "policy", "there");
    check(!seki_certificate_has_policy(&c, (seki_span){(const uint8_t *)"\x2a\x05", 2}), "policy", "not there");
    check(!seki_certificate_has_policy(&c, (seki_span){(const uint8_t *)"\x2a", 1}), "policy", "a beginning");
    release(part);
    release(der);
    check(parse_with(-1, part, false, &c, &der, &fault, where) == OK &&
              !seki_certificate_has_policy(&c, (seki_span){(const uint8_t *)"\x2a\x04", 2}),
          "policy", "no extension");
    release(der);
}

/* ---- limits ------------------------------------------------------------------------------------------ */

/* `count` elements of `make` under nested tags; each differs in its number.  An OCTET STRING is that of extension 2.5.29.`extension`. */
static seki_span many(size_t count, const uint8_t *item, size_t item_length, size_t number_at, const uint8_t *around,
                      size_t around_length, uint8_t extension)
{
    uint8_t *data = malloc(count * item_length + 64);
    if (data == NULL)
        exit(2);
    for (size_t i = 0; i < count; i++) {
        memcpy(data + i * item_length, item, item_length);
        data[i * item_length + number_at] = (uint8_t)(0x81 + i / 100);
        data[i * item_length + number_at + 1] = (uint8_t)(i % 100);
    }
    size_t length = count * item_length;
    for (size_t i = 0; i < around_length; i++) {
        uint8_t header[16];
        size_t size = put_header(header, around[i], length);
        memmove(data + size, data, length);
        memcpy(data, header, size);
        length += size;
        if (around[i] == 0x04) {
            memmove(data + 5, data, length);
            memcpy(data, "\x06\x03\x55\x1d", 4);
            data[4] = extension;
            length += 5;
        }
    }
    return (seki_span){data, length};
}

static void test_limits(void)
{
    static const uint8_t unknown[] = {0x30, 0x08, 0x06, 0x04, 0x2a, 0, 0, 0x01, 0x04, 0x00}, list[] = {0x30, 0xa3};
    seki_span part = many(SEKI_EXTENSIONS_MAX, unknown, sizeof unknown, 5, list, sizeof list, 0);
    expect("64 extensions", EXTENSIONS, part, OK);
    release(part);
    part = many(SEKI_EXTENSIONS_MAX + 1, unknown, sizeof unknown, 5, list, sizeof list, 0);
    expect("65 extensions", EXTENSIONS, part, EXTENSION);
    release(part);
    static const uint8_t policy[] = {0x30, 0x06, 0x06, 0x04, 0x2a, 0, 0, 0x01}, policies[] = {0x30, 0x04, 0x30, 0x30, 0xa3};
    part = many(SEKI_POLICIES_MAX, policy, sizeof policy, 5, policies, sizeof policies, 32);
    expect("128 policies", EXTENSIONS, part, OK);
    release(part);
    part = many(SEKI_POLICIES_MAX + 1, policy, sizeof policy, 5, policies, sizeof policies, 32);
    expect("129 policies", EXTENSIONS, part, EXTENSION);
    release(part);

    static const uint8_t attribute[] = {0x30, 0x09, 0x06, 0x04, 0x2a, 0, 0, 0x01, 0x0c, 0x01, 0x61}, name[] = {0x31, 0x30};
    part = many(SEKI_RDN_ATTRIBUTES_MAX, attribute, sizeof attribute, 5, name, sizeof name, 0);
    expect("16 attributes in an RDN", SUBJECT, part, OK);
    release(part);
    part = many(SEKI_RDN_ATTRIBUTES_MAX + 1, attribute, sizeof attribute, 5, name, sizeof name, 0);
    expect("17 attributes in an RDN", SUBJECT, part, NAME);
    release(part);

    static const uint8_t general[] = {0x88, 0x04, 0x2a, 0, 0, 0x01};
    static const uint8_t subtree[] = {0x30, 0x06, 0x88, 0x04, 0x2a, 0, 0, 0x01}, subtrees[] = {0xa0, 0x30, 0x04, 0x30, 0x30, 0xa3};
    static const struct {
        uint8_t extension;
        size_t count;
        seki_reason reason;
        const char *what;
    } counted[] = {{17, SEKI_GENERAL_NAMES_MAX, OK, "256 subject names"},
                   {17, SEKI_GENERAL_NAMES_MAX + 1, EXTENSION, "257 subject names"},
                   {18, SEKI_GENERAL_NAMES_MAX, OK, "256 issuer names"},
                   {18, SEKI_GENERAL_NAMES_MAX + 1, EXTENSION, "257 issuer names"},
                   {30, SEKI_SUBTREES_MAX, OK, "64 subtrees"},
                   {30, SEKI_SUBTREES_MAX + 1, EXTENSION, "65 subtrees"}};
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        part = counted[i].extension == 30
                   ? many(counted[i].count, subtree, sizeof subtree, 5, subtrees, sizeof subtrees, 30)
                   : many(counted[i].count, general, sizeof general, 3, policies, sizeof policies, counted[i].extension);
        expect(counted[i].what, EXTENSIONS, part, counted[i].reason);
        release(part);
    }

    static const uint8_t rdn[] = {0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x2a, 0, 0, 0x0c, 0x01, 0x61}, sequence[] = {0x30};
    for (int which = 0; which < 2; which++) {
        part = many(341, rdn, sizeof rdn, 7, sequence, sizeof sequence, 0);
        check(part.length == SEKI_NAME_SIZE_MAX, "size", "the largest name");
        expect("a name of 4,096 bytes", which == 0 ? ISSUER : SUBJECT, part, OK);
        release(part);
        part = many(342, rdn, sizeof rdn, 7, sequence, sizeof sequence, 0);
        expect("a name of 4,108 bytes", which == 0 ? ISSUER : SUBJECT, part, NAME);
        release(part);
    }

    seki_certificate c;
    size_t fault = 7;
    uint8_t *large = calloc(1, SEKI_CERTIFICATE_SIZE_MAX + 1);
    if (large == NULL)
        exit(2);
    check(seki_certificate_parse((seki_span){large, SEKI_CERTIFICATE_SIZE_MAX + 1}, &c, &fault) == SEKI_INPUT_TOO_LARGE &&
              fault == 0,
          "size", "one more than the limit");
    check(seki_certificate_parse((seki_span){large, SEKI_CERTIFICATE_SIZE_MAX}, &c, &fault) == MALFORMED, "size",
          "the limit");
    fault = 7;
    check(seki_certificate_parse((seki_span){NULL, 0}, &c, &fault) == SEKI_INPUT_MISSING && fault == 0, "size", "nothing");
    free(large);

    /* A certificate of exactly the limit, its signature as long as that takes. */
    size_t where[PARTS + 1];
    seki_span der, small;
    if (parse_with(-1, (seki_span){NULL, 0}, false, &c, &small, &fault, where) != OK)
        exit(2);
    size_t body = SEKI_CERTIFICATE_SIZE_MAX - (where[SIGNATURE] + 2) - 4; /* header grows by two, the BIT STRING has four */
    uint8_t *signature = calloc(1, body + 5);
    if (signature == NULL)
        exit(2);
    memcpy(signature, (uint8_t[]){0x03, 0x82, (uint8_t)(body >> 8), (uint8_t)body}, 4);
    for (size_t more = 0; more < 2; more++) {
        signature[2] = (uint8_t)((body + more) >> 8);
        signature[3] = (uint8_t)(body + more);
        seki_reason reason = parse_with(SIGNATURE, (seki_span){signature, 4 + body + more}, false, &c, &der, &fault, where);
        check(der.length >= SEKI_CERTIFICATE_SIZE_MAX - 1 && reason == (der.length <= SEKI_CERTIFICATE_SIZE_MAX
                                                                            ? OK
                                                                            : SEKI_INPUT_TOO_LARGE),
              "size", more ? "a whole certificate beyond it" : "a whole certificate within it");
        release(der);
    }
    free(signature);
    release(small);
}

/* ---- anchors ------------------------------------------------------------------------------------------- */

static void test_anchors(void)
{
    static const struct {
        const char *rule;
        int part;
        const char *hex;
        uint32_t departures;
        seki_reason strict, anchor;
    } cases[] = {
        {"nothing", SERIAL, "020101", 0, OK, OK},
        {"serial zero", SERIAL, "020100", SEKI_DEPARTURE_SERIAL, SEKI_CERTIFICATE_SERIAL, OK},
        {"serial negative", SERIAL, "020180", SEKI_DEPARTURE_SERIAL, SEKI_CERTIFICATE_SERIAL, OK},
        {"serial of 21 octets", SERIAL, "0215010000000000000000000000000000000000000000", 0, SEKI_CERTIFICATE_SERIAL,
         SEKI_CERTIFICATE_SERIAL},
        {"serial padded", SERIAL, "02020001", 0, SEKI_CERTIFICATE_SERIAL, SEKI_CERTIFICATE_SERIAL},
        {"keyUsage untrimmed", EXTENSIONS, "a310 300e 300c 0603551d0f 0405 0303070600", SEKI_DEPARTURE_KEY_USAGE,
         EXTENSION, OK},
        {"keyUsage without bits", EXTENSIONS, "a30f 300d 300b 0603551d0f 0404 03020000", 0, EXTENSION, EXTENSION},
        {"keyUsage, unused bit set", EXTENSIONS, "a30f 300d 300b 0603551d0f 0404 03020103", 0, EXTENSION, EXTENSION},
        {"critical FALSE written", EXTENSIONS, "a30f 300d 300b 06032a0304 010100 040161", 0, EXTENSION, EXTENSION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        seki_certificate c;
        seki_span part = from_hex(cases[i].hex), der;
        size_t fault, where[PARTS + 1];
        expect(cases[i].rule, cases[i].part, part, cases[i].strict);
        seki_reason reason = parse_with(cases[i].part, part, true, &c, &der, &fault, where);
        check(reason == cases[i].anchor, "anchor", cases[i].rule);
        check(reason != OK || c.departures == cases[i].departures, "anchor's departures", cases[i].rule);
        if (cases[i].departures == SEKI_DEPARTURE_KEY_USAGE)
            check(c.key_usage == (SEKI_KU_KEY_CERT_SIGN | SEKI_KU_CRL_SIGN), "anchor's keyUsage", cases[i].rule);
        release(part);
        release(der);
    }
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *rule, *hex;
    seki_reason reason;
} keys[] = {
    {"Ed25519", ED25519, OK},
    {"Ed25519 with NULL", "302c300706032b65700500 0321008888888888888888888888888888888888888888888888888888888888888888",
     SEKI_KEY_MALFORMED},
    {"Ed25519 of 31 octets", "3029300506032b6570 03200088888888888888888888888888888888888888888888888888888888888888",
     SEKI_KEY_MALFORMED},
    {"Ed25519 with unused bits",
     "302a300506032b6570 0321018888888888888888888888888888888888888888888888888888888888888888", SEKI_KEY_MALFORMED},
    {"Ed25519 and more", ED25519 "00", SEKI_KEY_MALFORMED},
    {"Ed448", "3009300506032b6571 030000", SEKI_KEY_MALFORMED},
    {"X25519", "302a300506032b656e 0321008888888888888888888888888888888888888888888888888888888888888888",
     SEKI_KEY_UNSUPPORTED},
    {"RSASSA-PSS key", "3013300b06092a864886f70d01010a 030400300000", SEKI_KEY_UNSUPPORTED},
    {"RSASSA-PSS key, parameters not DER", "3018301006092a864886f70d01010a 30030402ff 030400300000", SEKI_KEY_MALFORMED},
    {"not known, two parameters", "300e 3009 06032a0304 0500 0500 0301 00", SEKI_KEY_MALFORMED},
    {"not known, unused bit set", "300b 3005 06032a0304 0302 0101", SEKI_KEY_MALFORMED},
    {"not known", "300b 3005 06032a0304 0302 0102", SEKI_KEY_UNSUPPORTED},
    {"no key", "3007 3005 06032a0304", SEKI_KEY_MALFORMED},
    {"three fields", "300d 3005 06032a0304 0302 0102 0500", SEKI_KEY_MALFORMED},
    {"no algorithm", "3004 0302 0102", SEKI_KEY_MALFORMED},
    {"algorithm empty", "3006 3000 0302 0102", SEKI_KEY_MALFORMED},
    {"empty", "", SEKI_KEY_MALFORMED},
    {"empty sequence", "3000", SEKI_KEY_MALFORMED},
};

/* SubjectPublicKeyInfo from an algorithm in hex and the octets of the BIT STRING. */
static seki_span spki_of(const char *algorithm_hex, seki_span octets)
{
    seki_span algorithm = from_hex(algorithm_hex);
    uint8_t bits_header[5], header[5];
    size_t bits_size = put_header(bits_header, 0x03, 1 + octets.length);
    size_t length = algorithm.length + bits_size + 1 + octets.length;
    size_t size = put_header(header, 0x30, length);
    uint8_t *data = malloc(size + length), *at = data;
    if (data == NULL)
        exit(2);
    memcpy(at, header, size);
    memcpy(at += size, algorithm.data, algorithm.length);
    memcpy(at += algorithm.length, bits_header, bits_size);
    at += bits_size;
    *at++ = 0;
    memcpy(at, octets.data, octets.length);
    release(algorithm);
    return (seki_span){data, size + length};
}

static seki_reason rsa(const char *algorithm_hex, unsigned bits, uint8_t last, const char *exponent_hex,
                       seki_public_key *key, size_t *modulus_length)
{
    uint8_t content[3000], *at = content;
    seki_span exponent = from_hex(exponent_hex);
    size_t octets = (bits + 7) / 8;
    bool pad = bits % 8 == 0;
    at += put_header(at, 0x02, octets + pad);
    if (pad)
        *at++ = 0;
    memset(at, 0x55, octets);
    at[0] = (uint8_t)(1u << ((bits - 1) % 8));
    at[octets - 1] = last;
    at += octets;
    at += put_header(at, 0x02, exponent.length);
    memcpy(at, exponent.data, exponent.length);
    at += exponent.length;
    uint8_t header[5];
    size_t size = put_header(header, 0x30, (size_t)(at - content));
    memmove(content + size, content, (size_t)(at - content));
    memcpy(content, header, size);
    at += size;
    seki_span spki = spki_of(algorithm_hex, (seki_span){content, (size_t)(at - content)});
    seki_reason reason = seki_spki_parse(spki, key);
    *modulus_length = key->modulus.length;
    release(exponent);
    release(spki);
    return reason;
}

#define RSA_KEY "300d06092a864886f70d0101010500"
#define P256 "301306072a8648ce3d020106082a8648ce3d030107"
#define P384 "301006072a8648ce3d020106052b81040022"

static void test_keys(void)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        seki_span der = from_hex(keys[i].hex);
        seki_public_key key = {.kind = SEKI_KEY_NONE};
        seki_reason reason = seki_spki_parse(der, &key);
        check(reason == keys[i].reason, "key", keys[i].rule);
        check((reason == OK) == (key.kind != SEKI_KEY_NONE), "key written", keys[i].rule);
        release(der);
    }

    static const struct {
        const char *rule, *algorithm;
        unsigned bits;
        uint8_t last;
        const char *exponent;
        seki_reason reason;
        uint64_t value;
    } rsa_keys[] = {
        {"2048", RSA_KEY, 2048, 1, "010001", OK, 65537},
        {"3072", RSA_KEY, 3072, 1, "010001", OK, 65537},
        {"2049", RSA_KEY, 2049, 1, "010001", OK, 65537},
        {"8192", RSA_KEY, 8192, 1, "03", OK, 3},
        {"2047", RSA_KEY, 2047, 1, "010001", SEKI_KEY_TOO_SMALL, 0},
        {"512", RSA_KEY, 512, 1, "010001", SEKI_KEY_TOO_SMALL, 0},
        {"8193", RSA_KEY, 8193, 1, "010001", SEKI_KEY_TOO_LARGE, 0},
        {"even", RSA_KEY, 2048, 2, "010001", SEKI_KEY_MODULUS_EVEN, 0},
        {"e 1", RSA_KEY, 2048, 1, "01", SEKI_KEY_EXPONENT, 0},
        {"e 0", RSA_KEY, 2048, 1, "00", SEKI_KEY_EXPONENT, 0},
        {"e 2", RSA_KEY, 2048, 1, "02", SEKI_KEY_EXPONENT, 0},
        {"e 65536", RSA_KEY, 2048, 1, "010000", SEKI_KEY_EXPONENT, 0},
        {"e negative", RSA_KEY, 2048, 1, "ff", SEKI_KEY_MALFORMED, 0},
        {"e padded", RSA_KEY, 2048, 1, "00010001", SEKI_KEY_MALFORMED, 0},
        {"e of 64 bits", RSA_KEY, 2048, 1, "00ffffffffffffffff", OK, UINT64_MAX},
        {"e of 65 bits", RSA_KEY, 2048, 1, "010000000000000001", SEKI_KEY_UNSUPPORTED, 0},
        {"no NULL", "300b06092a864886f70d010101", 2048, 1, "010001", SEKI_KEY_MALFORMED, 0},
        {"another parameter", "300e06092a864886f70d010101020101", 2048, 1, "010001", SEKI_KEY_MALFORMED, 0},
    };
    for (size_t i = 0; i < sizeof rsa_keys / sizeof *rsa_keys; i++) {
        seki_public_key key = {.kind = SEKI_KEY_NONE};
        size_t modulus;
        seki_reason reason = rsa(rsa_keys[i].algorithm, rsa_keys[i].bits, rsa_keys[i].last, rsa_keys[i].exponent, &key,
                                 &modulus);
        check(reason == rsa_keys[i].reason, "RSA key", rsa_keys[i].rule);
        if (reason == OK)
            check(key.kind == SEKI_KEY_RSA && key.bits == rsa_keys[i].bits && key.exponent == rsa_keys[i].value &&
                      modulus == (rsa_keys[i].bits + 7) / 8,
                  "RSA key's fields", rsa_keys[i].rule);
        else
            check(key.kind == SEKI_KEY_NONE, "RSA key refused and written", rsa_keys[i].rule);
    }
    static const struct {
        const char *rule, *octets;
    } rsa_forms[] = {
        {"modulus zero", "3006 020100 020103"},    {"modulus negative", "3006 0201ff 020103"},
        {"modulus padded", "3007 02020011 020103"}, {"no exponent", "3003 020111"},
        {"three numbers", "3009 020111 020103 020101"}, {"not a sequence", "0500"},
        {"nothing", ""},                            {"and more", "3006 020111 020103 00"},
    };
    for (size_t i = 0; i < sizeof rsa_forms / sizeof *rsa_forms; i++) {
        seki_span octets = from_hex(rsa_forms[i].octets), spki = spki_of(RSA_KEY, octets);
        seki_public_key key;
        check(seki_spki_parse(spki, &key) == SEKI_KEY_MALFORMED, "RSA key", rsa_forms[i].rule);
        release(octets);
        release(spki);
    }

    static const struct {
        const char *rule, *algorithm;
        size_t length;
        uint8_t first;
        seki_reason reason;
        seki_key_kind kind;
    } ec_keys[] = {
        {"P-256", P256, 65, 4, OK, SEKI_KEY_P256},
        {"P-384", P384, 97, 4, OK, SEKI_KEY_P384},
        {"P-256 of P-384's size", P256, 97, 4, SEKI_KEY_POINT, SEKI_KEY_NONE},
        {"P-384 of P-256's size", P384, 65, 4, SEKI_KEY_POINT, SEKI_KEY_NONE},
        {"P-256 compressed", P256, 33, 2, SEKI_KEY_POINT, SEKI_KEY_NONE},
        {"P-256 hybrid", P256, 65, 6, SEKI_KEY_POINT, SEKI_KEY_NONE},
        {"P-256 at infinity", P256, 1, 0, SEKI_KEY_POINT, SEKI_KEY_NONE},
        {"P-256 of no octet", P256, 0, 0, SEKI_KEY_POINT, SEKI_KEY_NONE},
        {"P-521", "301006072a8648ce3d020106052b81040023", 133, 4, SEKI_KEY_UNSUPPORTED, SEKI_KEY_NONE},
        {"secp256k1", "301006072a8648ce3d020106052b8104000a", 65, 4, SEKI_KEY_UNSUPPORTED, SEKI_KEY_NONE},
        {"a curve spelled out", "300b06072a8648ce3d02013000", 65, 4, SEKI_KEY_UNSUPPORTED, SEKI_KEY_NONE},
        {"a curve implied", "300b06072a8648ce3d02010500", 65, 4, SEKI_KEY_UNSUPPORTED, SEKI_KEY_NONE},
        {"no curve", "300906072a8648ce3d0201", 65, 4, SEKI_KEY_MALFORMED, SEKI_KEY_NONE},
        {"curve's OID padded", "300d06072a8648ce3d020106028001", 65, 4, SEKI_KEY_MALFORMED, SEKI_KEY_NONE},
    };
    for (size_t i = 0; i < sizeof ec_keys / sizeof *ec_keys; i++) {
        uint8_t point[200];
        memset(point, 0x11, sizeof point);
        point[0] = ec_keys[i].first;
        seki_span spki = spki_of(ec_keys[i].algorithm, (seki_span){point, ec_keys[i].length});
        seki_public_key key = {.kind = SEKI_KEY_NONE};
        seki_reason reason = seki_spki_parse(spki, &key);
        check(reason == ec_keys[i].reason && key.kind == ec_keys[i].kind, "EC key", ec_keys[i].rule);
        if (reason == OK)
            check(key.point.length == ec_keys[i].length - 1 && key.bits == key.point.length * 4, "EC key's point",
                  ec_keys[i].rule);
        release(spki);
    }
}

/* ---- inspection ---------------------------------------------------------------------------------------- */

static void test_inspection(void)
{
    seki_certificate c;
    seki_certificate_summary s;
    seki_span der;
    size_t where[PARTS + 1], fault;
    uint32_t reason;
    if (parse_with(-1, (seki_span){NULL, 0}, false, &c, &der, &fault, where) != OK)
        exit(2);
    check(seki_certificate_summarize(der.data, der.length, &s, &reason, &fault) == SEKI_OK && reason == 0 && fault == 0,
          "summary", "good");
    check(s.version == 3 && s.serial.offset == where[SERIAL] + 2 && s.serial.length == 1 &&
              s.issuer.offset == where[ISSUER] && s.spki.offset == where[SPKI] && s.key_kind == SEKI_KEY_ED25519 &&
              s.point.length == 32 && s.modulus.length == 0 && s.extension_count == 1 &&
              s.extension[0].known == SEKI_EXT_KEY_USAGE && s.extension[0].critical == 1 && s.extension[0].oid.length == 3 &&
              s.key_usage_der.offset == s.extension[0].value.offset && s.subject_alt_name.offset == 0,
          "summary", "fields");
    seki_element elements[64];
    uint64_t count = 0;
    check(seki_der_list(der.data, der.length, elements, 64, &count, &fault) == SEKI_OK && fault == der.length, "list",
          "whole");
    size_t at = 0;
    bool tiled = count > 20 && elements[0].offset == 0 && elements[0].depth == 0 &&
                 elements[0].content + elements[0].length == der.length;
    for (uint64_t i = 0; tiled && i < count; i++) { /* in order, each begins where the one before ends or opens */
        tiled = elements[i].offset == at && elements[i].content > at && elements[i].tag == der.data[at];
        at = elements[i].content + ((elements[i].tag & 0x20) != 0 ? 0 : elements[i].length);
    }
    check(tiled && at == der.length, "list", "every octet is in one element");
    uint64_t again = 0;
    check(seki_der_list(der.data, der.length, elements, 3, &again, &fault) == SEKI_OK && again == count, "list",
          "no more than the capacity is written");
    check(seki_der_list(der.data, der.length, NULL, 0, &again, &fault) == SEKI_OK && again == count, "list", "count only");
    check(seki_der_list(der.data, der.length - 1, elements, 64, &again, &fault) == SEKI_OK && fault == 0 && again == 0,
          "list", "cut off");
    check(seki_der_list(NULL, 0, NULL, 0, &again, &fault) == SEKI_OK && again == 0 && fault == 0, "list", "nothing");
    check(seki_der_list(NULL, 1, NULL, 0, &again, &fault) == SEKI_E_ARGUMENT, "list", "NULL");
    check(seki_der_list(der.data, 1, NULL, 1, &again, &fault) == SEKI_E_ARGUMENT, "list", "no room");
    check(seki_certificate_summarize(der.data, der.length, NULL, &reason, &fault) == SEKI_E_ARGUMENT, "summary", "NULL");
    check(seki_certificate_summarize(NULL, 0, &s, &reason, &fault) == SEKI_OK && reason == SEKI_INPUT_MISSING &&
              s.version == 0,
          "summary", "nothing");
    release(der);

    seki_span part = from_hex("020100");
    (void)parse_with(SERIAL, part, false, &c, &der, &fault, where);
    check(seki_certificate_summarize(der.data, der.length, &s, &reason, &fault) == SEKI_OK &&
              reason == SEKI_CERTIFICATE_SERIAL && fault >= where[SERIAL] && fault < where[ALGORITHM] && s.version == 3 &&
              s.departures == SEKI_DEPARTURE_SERIAL,
          "summary", "a departure");
    release(part);
    release(der);

    uint8_t nested[200];
    for (size_t level = 0; level < 40; level++)
        memcpy(nested + 2 * level, (uint8_t[]){0x30, (uint8_t)(2 * (39 - level))}, 2);
    check(seki_der_list(nested, 80, elements, 64, &count, &fault) == SEKI_OK && count == 33 && fault == 66, "list", "depth");
}

int main(void)
{
    test_rules();
    test_versions();
    test_fields();
    test_limits();
    test_anchors();
    test_keys();
    test_inspection();
    return verdict("test_certificate");
}
