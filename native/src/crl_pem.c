/* crl_pem.c: see crl_pem.h. */
#include "crl_pem.h"

enum { BEGIN = 0, BEGIN_EOL, BODY, END, BEHIND }; /* what the next character belongs to; 0 is where a zeroed one starts */
enum { LINE_CHARACTERS = 64, LINE_OCTETS = 48 };  /* RFC 7468, 2 */
enum { NOT_BASE64 = 0xff };

static const char begin_line[] = "-----BEGIN X509 CRL-----", end_line[] = "-----END X509 CRL-----";

static bool whole_line(const uint8_t *line, const uint8_t *values, uint8_t *out);
static bool body_character(seki_crl_pem *pem, uint8_t c, uint8_t *out, size_t *written);
static bool group_is_whole(seki_crl_pem *pem, uint8_t *out, size_t *written);
static bool end_of_line(seki_crl_pem *pem, uint8_t c, bool *ended);

void seki_crl_pem_init(seki_crl_pem *pem)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    *pem = (seki_crl_pem){0};
    memset(pem->value, NOT_BASE64, sizeof pem->value);
    for (uint8_t i = 0; i < sizeof alphabet - 1; i++)
        pem->value[(uint8_t)alphabet[i]] = i;
}

seki_reason seki_crl_pem_take(seki_crl_pem *pem, seki_span *in, uint8_t *out, size_t capacity, size_t *written)
{
    bool ended;
    *written = 0;
    while (in->length != 0 && capacity - *written >= LINE_OCTETS) {
        uint8_t c = in->data[0];
        switch (pem->state) {
        case BEGIN:
            if (c != (uint8_t)begin_line[pem->column])
                return SEKI_CRL_PEM_MALFORMED;
            if (++pem->column == sizeof begin_line - 1)
                pem->state = BEGIN_EOL;
            break;
        case BEGIN_EOL:
            if (!end_of_line(pem, c, &ended))
                return SEKI_CRL_PEM_MALFORMED;
            if (ended) {
                pem->state = BODY;
                pem->column = 0;
            }
            break;
        case BODY:
            if (pem->column == 0 && !pem->short_line && pem->padding == 0 && in->length > LINE_CHARACTERS &&
                in->data[LINE_CHARACTERS] == '\n' && whole_line(in->data, pem->value, out + *written)) {
                *written += LINE_OCTETS;
                in->data += LINE_CHARACTERS + 1;
                in->length -= LINE_CHARACTERS + 1;
                pem->at += LINE_CHARACTERS + 1;
                continue;
            }
            if (!body_character(pem, c, out, written))
                return SEKI_CRL_PEM_MALFORMED;
            break;
        case END:
            if (c != (uint8_t)end_line[pem->column])
                return SEKI_CRL_PEM_MALFORMED;
            if (++pem->column == sizeof end_line - 1)
                pem->state = BEHIND;
            break;
        default:
            if (c != '\n' && c != '\r' && c != ' ' && c != '\t')
                return SEKI_CRL_TRAILING_DATA;
        }
        in->data++;
        in->length--;
        pem->at++;
    }
    return SEKI_NOT_DECIDED;
}

bool seki_crl_pem_ended(const seki_crl_pem *pem)
{
    return pem->state == BEHIND;
}

/* One of 64 characters without padding. */
static bool whole_line(const uint8_t *line, const uint8_t *values, uint8_t *out)
{
    uint32_t any = 0;
    for (size_t i = 0; i < LINE_CHARACTERS / 4; i++) {
        uint32_t a = values[line[4 * i]], b = values[line[4 * i + 1]], c = values[line[4 * i + 2]], d = values[line[4 * i + 3]];
        any |= a | b | c | d;
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        out[3 * i] = (uint8_t)(bits >> 16);
        out[3 * i + 1] = (uint8_t)(bits >> 8);
        out[3 * i + 2] = (uint8_t)bits;
    }
    return (any & 0x80) == 0;
}

static bool body_character(seki_crl_pem *pem, uint8_t c, uint8_t *out, size_t *written)
{
    bool ended;
    if (c == '-' && pem->column == 0) {
        pem->state = END;
        pem->column = 1;
        return true;
    }
    if (c == '\n' || c == '\r' || pem->carriage) {
        if (pem->column == 0 || pem->held != 0 || !end_of_line(pem, c, &ended))
            return false;
        if (ended) {
            pem->short_line = pem->column < LINE_CHARACTERS;
            pem->column = 0;
        }
        return true;
    }
    if (pem->short_line || pem->column == LINE_CHARACTERS)
        return false;
    if (c == '=') {
        if (pem->held < 2)
            return false;
        pem->padding++;
        pem->bits <<= 6;
    } else {
        if (pem->value[c] == NOT_BASE64 || pem->padding != 0)
            return false;
        pem->bits = pem->bits << 6 | pem->value[c];
    }
    pem->column++;
    return ++pem->held < 4 || group_is_whole(pem, out, written);
}

/* RFC 4648, 3.5: the bits that padding leaves over are zero, so that an octet string has one text. */
static bool group_is_whole(seki_crl_pem *pem, uint8_t *out, size_t *written)
{
    uint32_t bits = pem->bits;
    if ((bits & ((UINT32_C(1) << 8 * pem->padding) - 1)) != 0)
        return false;
    for (uint32_t i = 0; i < 3 - pem->padding; i++)
        out[(*written)++] = (uint8_t)(bits >> (16 - 8 * i));
    pem->bits = 0;
    pem->held = 0;
    return true;
}

/* LF or CR LF. */
static bool end_of_line(seki_crl_pem *pem, uint8_t c, bool *ended)
{
    *ended = c == '\n';
    if (pem->carriage && c != '\n')
        return false;
    pem->carriage = c == '\r';
    return c == '\n' || c == '\r';
}
