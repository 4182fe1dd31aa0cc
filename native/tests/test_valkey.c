/* test_valkey.c: resp.c and valkey.c: what an answer of the server decides, and that no other bytes decide more.
 *
 * Exit status 0 if everything held. */
#include <stdlib.h>

#include "fuzz/valkey_answer.h"

static size_t failures;

static void check_at(bool held, const char *what, int line)
{
    if (held)
        return;
    failures++;
    fprintf(stderr, "FAILED, line %d: %s\n", line, what);
}
#define CHECK(condition) check_at((condition), #condition, __LINE__)

static void items(void)
{
    static const struct {
        const char *bytes;
        seki_resp_state state;
        seki_resp_kind kind;
        int64_t number;
    } cases[] = {
        {"+OK\r\n", SEKI_RESP_WHOLE, SEKI_RESP_STATUS, 0},   {"-ERR no\r\n", SEKI_RESP_WHOLE, SEKI_RESP_ERROR, 0},
        {":-12\r\n", SEKI_RESP_WHOLE, SEKI_RESP_NUMBER, -12}, {"$-1\r\n", SEKI_RESP_WHOLE, SEKI_RESP_NIL, -1},
        {"$0\r\n\r\n", SEKI_RESP_WHOLE, SEKI_RESP_BULK, 0},   {"*-1\r\n", SEKI_RESP_WHOLE, SEKI_RESP_NIL, -1},
        {"*2\r\n", SEKI_RESP_WHOLE, SEKI_RESP_ARRAY, 2},      {"$2\r\nab\r\n", SEKI_RESP_WHOLE, SEKI_RESP_BULK, 2},
        {"+OK\r", SEKI_RESP_MORE, 0, 0},                      {"$2\r\nab", SEKI_RESP_MORE, 0, 0},
        {"+OK\rx", SEKI_RESP_BAD, 0, 0},                      {"$2\r\nabc\r", SEKI_RESP_BAD, 0, 0},
        {"$-2\r\n", SEKI_RESP_BAD, 0, 0},                     {"$65537\r\n", SEKI_RESP_BAD, 0, 0},
        {"*16385\r\n", SEKI_RESP_BAD, 0, 0},                  {":\r\n", SEKI_RESP_BAD, 0, 0},
        {":1x\r\n", SEKI_RESP_BAD, 0, 0},                     {":1234567890123456789\r\n", SEKI_RESP_BAD, 0, 0},
        {"%1\r\n", SEKI_RESP_BAD, 0, 0},                      {"", SEKI_RESP_MORE, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        seki_resp_item item;
        size_t at = 0, size = strlen(cases[i].bytes);
        seki_resp_state state = seki_resp_read((seki_span){(const uint8_t *)cases[i].bytes, size}, &at, &item);
        CHECK(state == cases[i].state);
        CHECK(state != SEKI_RESP_WHOLE || (item.kind == cases[i].kind && item.number == cases[i].number && at == size));
        CHECK(state == SEKI_RESP_WHOLE || at == 0);
    }
}

static void an_answer_decides(void)
{
    char answer[ANSWER_ROOM];
    seki_shared_claim claims[ANSWER_CLAIMS];
    int64_t now = (int64_t)time(NULL);
    size_t size = answer_make(answer, now, now - 1000);
    CHECK(answer_read(answer, size, now, claims) == SEKI_VALKEY_FINE);
    CHECK(claims[0].reason == SEKI_ACCEPTED && !claims[0].repeated);
    CHECK(claims[1].reason == SEKI_CHALLENGE_USED);
    CHECK(claims[2].reason == SEKI_ACCEPTED && claims[2].repeated);
    CHECK(claims[3].reason == SEKI_CHALLENGE_USED);

    /* Issued ten seconds ago: the epoch must have begun before that, by more than the clocks' tolerance. */
    static const struct {
        int64_t ago;
        seki_reason reason;
    } epochs[] = {{13, SEKI_ACCEPTED}, {12, SEKI_CLAIMS_LOST}, {10, SEKI_CLAIMS_LOST}, {-15, SEKI_CLAIMS_LOST}};
    for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++) {
        size = answer_make(answer, now, now - epochs[i].ago);
        CHECK(answer_read(answer, size, now, claims) == SEKI_VALKEY_FINE && claims[0].reason == epochs[i].reason);
        CHECK(epochs[i].reason == SEKI_ACCEPTED || !claims[2].repeated);
    }

    /* Another process, or another history, than the epoch is of: each alone is enough. */
    static const char *const of_server[] = {"run_id:0", "master_replid:a"};
    for (size_t i = 0; i < 2; i++) {
        size = answer_make(answer, now, now - 1000);
        char *found = strstr(answer, of_server[i]);
        CHECK(found != NULL);
        if (found == NULL)
            continue;
        found[strlen(of_server[i]) - 1] = 'f';
        CHECK(answer_read(answer, size, now, claims) == SEKI_VALKEY_FINE && claims[0].reason == SEKI_CLAIMS_LOST);
        CHECK(claims[2].reason == SEKI_CLAIMS_LOST && !claims[2].repeated);
    }

    /* Its clock, two seconds of ours and more. */
    for (int64_t ahead = -6; ahead <= 6; ahead++) {
        int64_t read_at = (int64_t)time(NULL);
        size = answer_make(answer, read_at + ahead, read_at - 1000);
        seki_valkey_trouble trouble = answer_read(answer, size, read_at, claims);
        CHECK(ahead < -2 || ahead > 4 ? trouble == SEKI_VALKEY_CLOCK : trouble == SEKI_VALKEY_FINE || ahead > 2);
        CHECK((claims[0].reason == SEKI_ACCEPTED) == (trouble == SEKI_VALKEY_FINE));
    }
}

static size_t accepted(const seki_shared_claim claims[ANSWER_CLAIMS])
{
    size_t number = 0;
    for (size_t i = 0; i < ANSWER_CLAIMS; i++)
        number += claims[i].reason == SEKI_ACCEPTED;
    return number;
}

/* Cut anywhere it decides nothing; with any byte changed it accepts nothing that it did not accept before. */
static void no_other_bytes_decide_more(void)
{
    char answer[ANSWER_ROOM], other[ANSWER_ROOM];
    seki_shared_claim claims[ANSWER_CLAIMS];
    int64_t now = (int64_t)time(NULL);
    size_t size = answer_make(answer, now, now - 1000), changed = 0;
    for (size_t cut = 0; cut < size; cut++) {
        CHECK(answer_read(answer, cut, now, claims) != SEKI_VALKEY_FINE);
        CHECK(accepted(claims) == 0 && claims[3].reason == SEKI_CLAIMS_UNAVAILABLE);
    }
    for (size_t at = 0; at < size; at++)
        for (int value = 0; value < 256; value++) {
            memcpy(other, answer, size);
            other[at] = (char)value;
            seki_valkey_trouble trouble = answer_read(other, size, now, claims);
            CHECK(trouble == SEKI_VALKEY_FINE || accepted(claims) == 0);
            CHECK(claims[1].reason != SEKI_ACCEPTED && claims[3].reason != SEKI_ACCEPTED);
            CHECK(claims[0].reason != SEKI_NOT_DECIDED && claims[3].reason != SEKI_NOT_DECIDED);
            changed += accepted(claims) != 2;
        }
    CHECK(changed > size * 50); /* most bytes matter */
    memcpy(other, answer, size);
    memcpy(other + size, "+OK\r\n", 5);
    CHECK(answer_read(other, size + 5, now, claims) == SEKI_VALKEY_BROKEN && accepted(claims) == 0);
}

/* A process that was stopped while it waited does not believe what it then hears. */
static void an_old_link_decides_nothing(void)
{
    static seki_link link;
    char answer[ANSWER_ROOM];
    seki_shared_claim claims[ANSWER_CLAIMS];
    seki_valkey_state state;
    int64_t now = (int64_t)time(NULL);
    seki_valkey_terms terms = answer_terms(now);
    size_t size = answer_make(answer, now, now - 1000);
    answer_claims(claims, now);
    seki_link_begin(&link);
    link.fd = -1;
    memcpy(link.in, answer, size);
    link.in_length = size;
    terms.link_until = seki_link_now() - 1;
    CHECK(seki_valkey_read(&link, &terms, claims, ANSWER_CLAIMS, &state) == SEKI_VALKEY_SLOW && accepted(claims) == 0);
}

static void names(void)
{
    seki_challenge_fields one = {.tenant = 7, .random = {1}, .mac = {2}, .issued = 5, .expires = 6}, other = one;
    seki_shared_claim a = {0}, b = {0};
    seki_shared_claim_name(&a, &one);
    seki_shared_claim_name(&b, &other);
    CHECK(memcmp(a.name, b.name, sizeof a.name) == 0 && a.issued == 5 && a.expires == 6);
    other.tenant = 8;
    seki_shared_claim_name(&b, &other);
    CHECK(memcmp(a.name, b.name, sizeof a.name) != 0);
    other = one;
    other.random[15] = 1;
    seki_shared_claim_name(&b, &other);
    CHECK(memcmp(a.name, b.name, sizeof a.name) != 0);
}

static void addresses(void)
{
    static const struct {
        const char *host;
        bool loopback;
    } hosts[] = {{"127.0.0.1", true}, {"127.8.9.1", true}, {"::1", true}, {"10.0.0.1", false}, {"::", false},
                 {"0.0.0.0", false}, {"::ffff:127.0.0.1", false}, {"localhost", false}, {"", false}};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        seki_valkey *valkey = NULL;
        seki_valkey_options options = {.host = hosts[i].host, .port = 6379, .timeout_ms = 1};
        CHECK(seki_link_loopback(hosts[i].host) == hosts[i].loopback);
        CHECK(seki_valkey_new(&options, &valkey) == (hosts[i].loopback ? SEKI_OK : SEKI_E_ARGUMENT));
        seki_valkey_free(valkey);
    }
    static const seki_valkey_options bad[] = {{.timeout_ms = 1},
                                              {.path = "/a", .host = "127.0.0.1", .port = 1, .timeout_ms = 1},
                                              {.path = "/a"},
                                              {.path = "/a", .timeout_ms = 1001},
                                              {.path = "/a", .timeout_ms = 1, .skew = 61},
                                              {.path = "/a", .timeout_ms = 1, .skew = -1},
                                              {.path = "/a", .timeout_ms = 1, .hold = 301},
                                              {.host = "127.0.0.1", .timeout_ms = 1},
                                              {.host = "127.0.0.1", .port = 65536, .timeout_ms = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        seki_valkey *valkey = NULL;
        CHECK(seki_valkey_new(&bad[i], &valkey) == SEKI_E_ARGUMENT);
    }
}

int main(void)
{
    items();
    an_answer_decides();
    no_other_bytes_decide_more();
    an_old_link_decides_nothing();
    names();
    addresses();
    printf("%s\n", failures == 0 ? "ok" : "FAILED");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
