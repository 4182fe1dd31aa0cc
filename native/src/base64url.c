/* base64url.c: see base64url.h. */
#include "base64url.h"

static const char ALPHABET[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ALPHABET inverted; 255 for what is not in it.  A text is public, so look-ups by its bytes leak nothing. */
static const uint8_t VALUE[256] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,  62, 255, 255,
     52,  53,  54,  55,  56,  57,  58,  59,  60,  61, 255, 255, 255, 255, 255, 255,
    255,   0,   1,   2,   3,   4,   5,   6,   7,   8,   9,  10,  11,  12,  13,  14,
     15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25, 255, 255, 255, 255,  63,
    255,  26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,
     41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

void seki_base64url_encode(const uint8_t *bytes, size_t size, uint8_t *text)
{
    for (size_t i = 0; i + 3 <= size; i += 3, text += 4) {
        uint32_t v = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        text[0] = (uint8_t)ALPHABET[v >> 18];
        text[1] = (uint8_t)ALPHABET[v >> 12 & 63];
        text[2] = (uint8_t)ALPHABET[v >> 6 & 63];
        text[3] = (uint8_t)ALPHABET[v & 63];
    }
}

bool seki_base64url_decode(const uint8_t *text, size_t size, uint8_t *bytes)
{
    uint32_t all = 0;
    for (size_t i = 0; i + 3 <= size; i += 3, text += 4) {
        uint32_t a = VALUE[text[0]], b = VALUE[text[1]], c = VALUE[text[2]], d = VALUE[text[3]];
        uint32_t v = a << 18 | b << 12 | c << 6 | d;
        all |= a | b | c | d; /* only 255 has a bit above the sixth */
        bytes[i] = (uint8_t)(v >> 16);
        bytes[i + 1] = (uint8_t)(v >> 8);
        bytes[i + 2] = (uint8_t)v;
    }
    return all < 64;
}
