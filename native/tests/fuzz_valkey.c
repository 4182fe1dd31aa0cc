/* fuzz_valkey.c: libFuzzer target for what a Valkey says: any bytes in place of its answer to one pipeline.
 *
 * Invariant: every claim has a reason; unless all was understood, that is CLAIMS_UNAVAILABLE; nothing is accepted without an OK or
 * the claim's own request in the bytes; and an answer that was understood bears the question's nonce.
 *
 * The input: edits (place, value, and which of three: put, insert, cut) of a good answer if the first byte is odd, else the answer.
 *
 *   make fuzz TARGET=valkey */
#include "fuzz/fuzz.h"
#include "fuzz/valkey_answer.h"

enum { ROOM = 1 << 16 };

static bool holds(const uint8_t *bytes, size_t size, const char *text)
{
    const size_t length = strlen(text);
    for (size_t at = 0; at + length <= size; at++)
        if (memcmp(bytes + at, text, length) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t answer[ROOM];
    char good[ANSWER_ROOM];
    seki_shared_claim claims[ANSWER_CLAIMS];
    const int64_t now = (int64_t)time(NULL);
    if (size < 1 || size > ROOM - ANSWER_ROOM)
        return 0;
    size_t length = size - 1;
    if (data[0] % 2 == 0) {
        memcpy(answer, data + 1, length);
    } else {
        length = answer_make(good, now, now - 1000);
        memcpy(answer, good, length);
        for (size_t i = 1; i + 3 < size; i += 4) {
            size_t at = ((size_t)data[i] << 8 | data[i + 1]) % (length + 1);
            if (data[i + 3] % 3 == 2) {
                length = at;
            } else if (data[i + 3] % 3 == 1 && length + 1 < ROOM) {
                memmove(answer + at + 1, answer + at, length - at);
                answer[at] = data[i + 2];
                length++;
            } else if (at < length) {
                answer[at] = data[i + 2];
            }
        }
    }
    seki_valkey_trouble trouble = answer_read(answer, length, now, claims);
    size_t accepted = 0;
    for (size_t i = 0; i < ANSWER_CLAIMS; i++) {
        require(claims[i].reason != SEKI_NOT_DECIDED, "a reason each");
        require(trouble == SEKI_VALKEY_FINE || (claims[i].reason == SEKI_CLAIMS_UNAVAILABLE && !claims[i].repeated), "all or nothing");
        require(claims[i].reason == SEKI_ACCEPTED || !claims[i].repeated, "only an acceptance is repeated");
        require(claims[i].reason != SEKI_ACCEPTED || holds(answer, length, "+OK\r\n") || holds(answer, length, ANSWER_OWN),
                "accepted by the server's word");
        accepted += claims[i].reason == SEKI_ACCEPTED;
    }
    if (trouble == SEKI_VALKEY_FINE)
        require(holds(answer, length, ANSWER_NONCE) && holds(answer, length, "noeviction"), "the answer to this question");
    require(accepted <= ANSWER_CLAIMS, "no more than were asked for");
    return 0;
}
