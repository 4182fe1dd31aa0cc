/* resp.c: see resp.h. */
#include "resp.h"

enum { DIGITS_MAX = 18 }; /* of a number that surely fits 64 bits */

static bool number_of(seki_span text, int64_t *out)
{
    bool negative = text.length != 0 && text.data[0] == '-';
    size_t from = negative ? 1 : 0;
    int64_t value = 0;
    if (text.length == from || text.length - from > DIGITS_MAX)
        return false;
    for (size_t i = from; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

/* The line that begins at `at`, without its end. */
static seki_resp_state line_of(seki_span bytes, size_t at, seki_span *out)
{
    const uint8_t *from = bytes.data + at;
    size_t left = bytes.length - at, most = left < SEKI_RESP_LINE_MAX ? left : SEKI_RESP_LINE_MAX;
    const uint8_t *end = most != 0 ? memchr(from, '\r', most) : NULL;
    if (end == NULL)
        return left >= SEKI_RESP_LINE_MAX ? SEKI_RESP_BAD : SEKI_RESP_MORE;
    size_t length = (size_t)(end - from);
    if (length + 1 == left)
        return SEKI_RESP_MORE;
    *out = (seki_span){from, length};
    return from[length + 1] == '\n' ? SEKI_RESP_WHOLE : SEKI_RESP_BAD;
}

static seki_resp_state bulk_of(seki_span bytes, size_t *next, int64_t length, seki_resp_item *out)
{
    if (length == -1) {
        out->kind = SEKI_RESP_NIL;
        return SEKI_RESP_WHOLE;
    }
    if (length < 0 || length > SEKI_RESP_BULK_MAX)
        return SEKI_RESP_BAD;
    if (bytes.length - *next < (size_t)length + 2)
        return SEKI_RESP_MORE;
    out->kind = SEKI_RESP_BULK;
    out->text = (seki_span){bytes.data + *next, (size_t)length};
    *next += (size_t)length + 2;
    return bytes.data[*next - 2] == '\r' && bytes.data[*next - 1] == '\n' ? SEKI_RESP_WHOLE : SEKI_RESP_BAD;
}

seki_resp_state seki_resp_read(seki_span bytes, size_t *at, seki_resp_item *out)
{
    seki_span line;
    memset(out, 0, sizeof *out);
    if (*at >= bytes.length)
        return SEKI_RESP_MORE;
    seki_resp_state state = line_of(bytes, *at + 1, &line);
    if (state != SEKI_RESP_WHOLE)
        return state;
    size_t next = *at + 1 + line.length + 2;
    switch (bytes.data[*at]) {
    case '+':
    case '-':
        out->kind = bytes.data[*at] == '+' ? SEKI_RESP_STATUS : SEKI_RESP_ERROR;
        out->text = line;
        break;
    case ':':
        out->kind = SEKI_RESP_NUMBER;
        if (!number_of(line, &out->number))
            return SEKI_RESP_BAD;
        break;
    case '$':
        if (!number_of(line, &out->number))
            return SEKI_RESP_BAD;
        state = bulk_of(bytes, &next, out->number, out);
        break;
    case '*':
        out->kind = SEKI_RESP_ARRAY;
        if (!number_of(line, &out->number) || out->number < -1 || out->number > SEKI_RESP_ARRAY_MAX)
            return SEKI_RESP_BAD;
        if (out->number == -1)
            out->kind = SEKI_RESP_NIL;
        break;
    default:
        return SEKI_RESP_BAD;
    }
    if (state == SEKI_RESP_WHOLE)
        *at = next;
    return state;
}

bool seki_resp_is(const seki_resp_item *item, seki_resp_kind kind, const char *text)
{
    return item->kind == kind && seki_span_equal(item->text, (seki_span){(const uint8_t *)text, strlen(text)});
}
