/* base64url.h: base64url without padding (RFC 4648, section 5) for sizes that are multiples of three bytes.
 *
 * Three bytes are four characters with no bits to spare, so a text has exactly one reading and a
 * value exactly one text: there is no second spelling of a token to slip past a comparison. */
#ifndef SEKI_BASE64URL_H
#define SEKI_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes size / 3 * 4 characters, no terminator.  size MUST be a multiple of 3. */
void seki_base64url_encode(const uint8_t *bytes, size_t size, uint8_t *text);

/* Reads size / 3 * 4 characters into `size` bytes.  size MUST be a multiple of 3.
 * False if any character is outside the alphabet; *bytes is then unspecified. */
bool seki_base64url_decode(const uint8_t *text, size_t size, uint8_t *bytes);

#endif
