/* name.h: Name and GeneralName (RFC 5280, 4.1.2.4 and 4.2.1.6): their form, not whom they name.
 *
 * Every function here looks at each octet a bounded number of times; on false it sets *fault to the octet
 * at which the fault was seen and writes nothing else. */
#ifndef SEKI_NAME_H
#define SEKI_NAME_H

#include "der.h"

/* Where a GeneralName stands decides what it may hold. */
typedef enum {
    SEKI_GENERAL_NAME = 0,           /* SAN, IAN, distribution points, …: no empty name, addresses of 4 or 16 octets */
    SEKI_GENERAL_NAME_CONSTRAINT = 1 /* base of a GeneralSubtree: empty matches all, addresses carry a mask */
} seki_general_name_place;

enum { SEKI_RDN_ATTRIBUTES_MAX = 16 }; /* attributes in one RDN, whose types must all differ; more than three are not seen */

/* Content of a Name: RelativeDistinguishedNames, none of them empty, each in DER's order for a SET OF
 * (X.690, 11.6) and without a type twice (X.501, 9.3).  Attribute values: character strings of valid form and
 * not empty, or the BIT STRING of an x500UniqueIdentifier: what OpenSSL and cryptography both read in names.
 * Upper bounds on lengths (RFC 5280, appendix A.1) are not checked: real CAs exceed them, and nothing
 * here depends on them. */
bool seki_name_is_valid(seki_span content, const uint8_t **fault);

/* Content of one RelativeDistinguishedName. */
bool seki_rdn_is_valid(seki_span content, const uint8_t **fault);

/* Takes one GeneralName off the front of `in`, which is advanced only on true. */
bool seki_take_general_name(seki_span *in, seki_general_name_place place, const uint8_t **fault);

/* Content of GeneralNames: at least one, each valid. */
bool seki_general_names_are_valid(seki_span content, const uint8_t **fault);

#endif
