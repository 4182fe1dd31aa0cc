/* oid.h: the object identifiers the core knows, as content octets (X.690, 8.19). */
#ifndef SEKI_OID_H
#define SEKI_OID_H

#include "span.h"

/* Whether span `oid` holds exactly the octets of the string literal. */
#define SEKI_OID_IS(oid, literal)                                                                                      \
    ((oid).length == sizeof(literal) - 1 && memcmp((oid).data, (literal), sizeof(literal) - 1) == 0)

/* keys: RFC 3279, RFC 4055, RFC 5480, RFC 8410 */
#define SEKI_OID_RSA "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"     /* 1.2.840.113549.1.1.1 */
#define SEKI_OID_EC "\x2a\x86\x48\xce\x3d\x02\x01"              /* 1.2.840.10045.2.1 */
#define SEKI_OID_P256 "\x2a\x86\x48\xce\x3d\x03\x01\x07"        /* 1.2.840.10045.3.1.7 */
#define SEKI_OID_P384 "\x2b\x81\x04\x00\x22"                    /* 1.3.132.0.34 */
#define SEKI_OID_ED25519 "\x2b\x65\x70"                         /* 1.3.101.112, key and signature */

/* signatures: RFC 4055, RFC 5758 */
#define SEKI_OID_PSS "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"          /* 1.2.840.113549.1.1.10 */
#define SEKI_OID_RSA_SHA256 "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"   /* 1.2.840.113549.1.1.11 */
#define SEKI_OID_RSA_SHA384 "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"   /* 1.2.840.113549.1.1.12 */
#define SEKI_OID_RSA_SHA512 "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"   /* 1.2.840.113549.1.1.13 */
#define SEKI_OID_ECDSA_SHA256 "\x2a\x86\x48\xce\x3d\x04\x03\x02"     /* 1.2.840.10045.4.3.2 */
#define SEKI_OID_ECDSA_SHA384 "\x2a\x86\x48\xce\x3d\x04\x03\x03"     /* 1.2.840.10045.4.3.3 */
#define SEKI_OID_ECDSA_SHA512 "\x2a\x86\x48\xce\x3d\x04\x03\x04"     /* 1.2.840.10045.4.3.4 */
#define SEKI_OID_MGF1 "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"         /* 1.2.840.113549.1.1.8 */
#define SEKI_OID_SHA1 "\x2b\x0e\x03\x02\x1a"                         /* 1.3.14.3.2.26 */
#define SEKI_OID_SHA256 "\x60\x86\x48\x01\x65\x03\x04\x02\x01"       /* 2.16.840.1.101.3.4.2.1 */
#define SEKI_OID_SHA384 "\x60\x86\x48\x01\x65\x03\x04\x02\x02"       /* 2.16.840.1.101.3.4.2.2 */
#define SEKI_OID_SHA512 "\x60\x86\x48\x01\x65\x03\x04\x02\x03"       /* 2.16.840.1.101.3.4.2.3 */

/* the one attribute that is a BIT STRING: X.520, 6.2.7 */
#define SEKI_OID_UNIQUE_IDENTIFIER "\x55\x04\x2d" /* 2.5.4.45 */

/* an address in a subject: RFC 5280, 4.1.2.6 */
#define SEKI_OID_EMAIL_ADDRESS "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01" /* 1.2.840.113549.1.9.1 */

/* extensions: RFC 5280, 4.2; id-ce is 2.5.29 */
#define SEKI_OID_ID_CE "\x55\x1d"
#define SEKI_OID_ANY_POLICY "\x55\x1d\x20\x00"              /* 2.5.29.32.0: RFC 5280, 4.2.1.4 */
#define SEKI_OID_AUTHORITY_INFO "\x2b\x06\x01\x05\x05\x07\x01\x01" /* 1.3.6.1.5.5.7.1.1 */
#define SEKI_OID_IP_BLOCKS "\x2b\x06\x01\x05\x05\x07\x01\x07"      /* 1.3.6.1.5.5.7.1.7, RFC 3779, 2 */
#define SEKI_OID_AS_NUMBERS "\x2b\x06\x01\x05\x05\x07\x01\x08"     /* 1.3.6.1.5.5.7.1.8, RFC 3779, 3 */
#define SEKI_OID_PROXY "\x2b\x06\x01\x05\x05\x07\x01\x0e"          /* 1.3.6.1.5.5.7.1.14, RFC 3820 */
#define SEKI_OID_NETSCAPE_TYPE "\x60\x86\x48\x01\x86\xf8\x42\x01\x01" /* 2.16.840.1.113730.1.1 */
#define SEKI_OID_SUBJECT_INFO "\x2b\x06\x01\x05\x05\x07\x01\x0b"   /* 1.3.6.1.5.5.7.1.11 */

/* OCSP: RFC 6960, appendix B.1; id-pkix-ocsp is 1.3.6.1.5.5.7.48.1 */
#define SEKI_OID_OCSP "\x2b\x06\x01\x05\x05\x07\x30\x01"
#define SEKI_OID_OCSP_BASIC SEKI_OID_OCSP "\x01"

/* extended key usage: RFC 5280, 4.2.1.12 */
#define SEKI_OID_EKU_ANY "\x55\x1d\x25\x00"                        /* 2.5.29.37.0 */
#define SEKI_OID_ID_KP "\x2b\x06\x01\x05\x05\x07\x03"              /* 1.3.6.1.5.5.7.3, the last arc follows */

/* policy qualifiers: RFC 5280, 4.2.1.4 */
#define SEKI_OID_QUALIFIER_CPS "\x2b\x06\x01\x05\x05\x07\x02\x01"     /* 1.3.6.1.5.5.7.2.1 */
#define SEKI_OID_QUALIFIER_NOTICE "\x2b\x06\x01\x05\x05\x07\x02\x02"  /* 1.3.6.1.5.5.7.2.2 */

#endif
