/* value.h: values whose type the bytes themselves tell: character strings and ASN.1's ANY.
 *
 * Nothing is converted or normalised: a value is of the form its tag promises, or it is not. */
#ifndef SEKI_VALUE_H
#define SEKI_VALUE_H

#include "der.h"

enum { SEKI_VALUE_DEPTH_MAX = 16 }; /* levels inside one ANY; EC parameters spelled out, the deepest in use, have 4 */

/* Whether `content` is what a character string of universal tag `tag` may hold:
 *   UTF8String       well-formed UTF-8 (RFC 3629: shortest form, no surrogates, at most U+10FFFF)
 *   PrintableString  its 74 characters (X.680, 41.4)
 *   NumericString    digits and space
 *   IA5String        octets below 80; VisibleString 20 to 7e
 *   TeletexString    any octets, since nobody agrees on its characters
 *   BMPString        whole 16-bit units without surrogates
 *   UniversalString  whole 32-bit units that are code points
 * and in each of them no NUL, which hides the rest of a name from careless readers (CVE-2009-2408).
 * Strings may be empty here.  False for any other tag. */
bool seki_string_is_valid(uint8_t tag, seki_span content);

/* Whether `content` is a DirectoryString (RFC 5280, 4.1.2.4) of at least one character. */
bool seki_directory_string_is_valid(uint8_t tag, seki_span content);

/* Whether `octets` are an IA5String's, without NUL, and at least one. */
bool seki_ia5_is_valid(seki_span octets);

/* Whether one element of tag `tag` and content `content` is DER as far as it can be told without its type: all
 * nested lengths fit, universal types have their form, no universal string is constructed, at most
 * SEKI_VALUE_DEPTH_MAX levels.  Looks at each octet once. */
bool seki_value_is_valid(uint8_t tag, seki_span content);

#endif
