// A client of the server in run.mjs: client <directory> <mode>

#include "check.h"

#include <poll.h>

static rp_error *error = NULL;

static rp_client *connected(rp_loop *loop, const char *directory)
{
    rp_client *client = NULL;
    rp_client_options options = {
        .size = sizeof options, .directory = directory, .wait_for_server_ms = LONG_MS};
    OK(rp_client_connect(loop, "demo", &options, &client, &error));
    return client;
}

static void requests(const rp_client *client)
{
    rp_reply *reply = NULL;
    OK(rp_client_request(client, "shout", TEXT("hello"), NULL, &reply, &error));
    CHECK(is_text(rp_reply_bytes(reply), rp_reply_len(reply), "HELLO"));
    CHECK(rp_reply_codec(reply) == RP_CODEC_BYTES);
    uint8_t buffer[5];
    size_t len = 0;
    EXPECT(RP_STATUS_BUFFER_TOO_SMALL, rp_reply_copy(reply, buffer, 4, &len, &error));
    CHECK(len == 5);
    OK(rp_reply_copy(reply, buffer, len, NULL, &error));
    CHECK(is_text(buffer, len, "HELLO"));
    OK(rp_reply_free(&reply, &error));
    CHECK(reply == NULL);

    // More than one frame of a ring.
    size_t large = 3 << 20;
    uint8_t *bytes = malloc(large);
    CHECK(bytes != NULL);
    memset(bytes, 'a', large);
    OK(rp_client_request(client, "shout", bytes, large, NULL, &reply, &error));
    CHECK(rp_reply_len(reply) == large && rp_reply_bytes(reply)[large - 1] == 'A');
    free(bytes);
    OK(rp_reply_free(&reply, &error));

    rp_call_options json = {.size = sizeof json, .codec = RP_CODEC_JSON, .lane = RP_LANE_HIGH};
    OK(rp_client_request(client, "sum", TEXT("{\"a\":1,\"b\":2}"), &json, &reply, &error));
    CHECK(is_text(rp_reply_bytes(reply), rp_reply_len(reply), "3"));
    CHECK(rp_reply_codec(reply) == RP_CODEC_JSON);
    OK(rp_reply_free(&reply, &error));

    // With its own code and message, and what is stable beside them.
    rp_status status = rp_client_request(client, "fail", NULL, 0, NULL, &reply, &error);
    CHECK(status == RP_STATUS_HANDLER && rp_error_status(error) == status && reply == NULL);
    CHECK(strcmp(rp_error_code(error), "E_ON_FIRE") == 0 && rp_error_is_remote(error));
    CHECK(strcmp(rp_error_message(error), "this cannot work") == 0);
    rp_error_free(&error);

    EXPECT(RP_STATUS_UNKNOWN_METHOD,
           rp_client_request(client, "unknown", NULL, 0, NULL, &reply, &error));
    rp_call_options soon = {.size = sizeof soon, .timeout_ms = 20};
    EXPECT(RP_STATUS_TIMEOUT, rp_client_request(client, "hang", NULL, 0, &soon, &reply, &error));
    soon.lane = 4;
    EXPECT(RP_STATUS_INVALID_ARGUMENT,
           rp_client_request(client, "shout", NULL, 0, &soon, &reply, &error));
    CHECK(reply == NULL);
}

struct outcome {
    int count;
    rp_status status;
    char text[16];
};

static void settled(void *data, const rp_message *reply, const rp_error *failed)
{
    struct outcome *outcome = data;
    outcome->count++;
    outcome->status = rp_error_status(failed);
    if (reply != NULL) {
        CHECK(failed == NULL && reply->len < sizeof outcome->text && reply->name == NULL);
        memcpy(outcome->text, reply->bytes, reply->len);
    }
}

static void started(const rp_client *client, const rp_loop *loop)
{
    struct outcome shout = {0}, hang = {0};
    uint64_t id = 0;
    OK(rp_client_start(client, "shout", TEXT("later"), NULL, settled, &shout, NULL, &error));
    OK(rp_client_start(client, "hang", NULL, 0, NULL, settled, &hang, &id, &error));
    // A call that waits for something else calls no callback.
    rp_reply *reply = NULL;
    OK(rp_client_request(client, "shout", TEXT("now"), NULL, &reply, &error));
    OK(rp_reply_free(&reply, &error));
    CHECK(shout.count == 0);
    UNTIL(shout.count > 0, loop);
    CHECK(shout.status == RP_STATUS_OK && strcmp(shout.text, "LATER") == 0);
    CHECK(hang.count == 0);
    OK(rp_client_cancel(client, id, &error));
    UNTIL(hang.count > 0, loop);
    CHECK(hang.status == RP_STATUS_CANCELLED);
    // It has its outcome.
    OK(rp_client_cancel(client, id, &error));
    OK(rp_loop_drive(loop, &error));
    CHECK(hang.count == 1 && shout.count == 1);
}

struct heard {
    const rp_client *client;
    uint64_t subscription;
    int count;
};

static void hears(void *data, const rp_message *event)
{
    struct heard *heard = data;
    char expected[8];
    snprintf(expected, sizeof expected, "%d", heard->count++);
    CHECK(strcmp(event->name, "tick") == 0 && is_text(event->bytes, event->len, expected));
    // Callbacks may call everything.
    rp_reply *reply = NULL;
    OK(rp_client_request(heard->client, "shout", event->bytes, event->len, NULL, &reply, &error));
    OK(rp_reply_free(&reply, &error));
    if (heard->count == 3) {
        OK(rp_client_off(heard->client, heard->subscription, &error));
    }
}

// One thread, whose own loop waits for nothing but descriptors.
static void events(const rp_client *client, const rp_loop *loop)
{
    struct heard heard = {.client = client};
    OK(rp_client_on(client, "tick", hears, &heard, &heard.subscription, &error));
    EXPECT(RP_STATUS_INVALID_ARGUMENT, rp_client_on(client, "tick", NULL, NULL, NULL, &error));
    struct pollfd ready = {.events = POLLIN};
    OK(rp_loop_fd(loop, &ready.fd, &error));
    OK(rp_client_notify(client, "ticks", TEXT("5"), NULL, &error));
    while (heard.count < 3) {
        CHECK(poll(&ready, 1, LONG_MS) == 1);
        OK(rp_loop_drive(loop, &error));
    }
    // Those behind are for no one.
    rp_reply *reply = NULL;
    OK(rp_client_request(client, "shout", NULL, 0, NULL, &reply, &error));
    OK(rp_reply_free(&reply, &error));
    OK(rp_loop_drive(loop, &error));
    CHECK(heard.count == 3);
    EXPECT(RP_STATUS_NOTHING, rp_client_off(client, heard.subscription, &error));
}

static void counts(void *data, const rp_message *event)
{
    (void)event;
    ++*(int *)data;
}

static void say(const char *line)
{
    puts(line);
    fflush(stdout);
}

// Longer than a loop takes from one look at what it was not told of to the next.
#define QUIET_MS 2000

// The descriptor says what comes behind something that concerns no one.
static void unheard(rp_loop *loop, const char *directory)
{
    rp_client *client = NULL;
    // Without a deadline, which would have the loop look as well.
    rp_client_options options = {
        .size = sizeof options, .directory = directory, .connect_timeout_ms = -1};
    OK(rp_client_connect(loop, "demo", &options, &client, &error));
    int heard = 0;
    OK(rp_client_on(client, "tick", counts, &heard, NULL, &error));
    struct pollfd ready = {.events = POLLIN};
    OK(rp_loop_fd(loop, &ready.fd, &error));
    while (poll(&ready, 1, QUIET_MS) == 1) {
        OK(rp_loop_drive(loop, &error));
    }
    say("listens");
    CHECK(poll(&ready, 1, LONG_MS) == 1);
    bool has_called = true;
    OK(rp_loop_wait(loop, 0, &has_called, &error));
    CHECK(!has_called);
    say("waits");
    CHECK(poll(&ready, 1, LONG_MS) == 1);
    UNTIL(heard > 0, loop);
    OK(rp_client_close(&client, &error));
}

struct rivals {
    rp_client *client;
    // 0: the client is closed with it.
    uint64_t next;
    bool is_over;
};

static void ends_next(void *data, const rp_message *event)
{
    struct rivals *rivals = data;
    (void)event;
    if (rivals->next != 0) {
        OK(rp_client_off(rivals->client, rivals->next, &error));
    } else {
        OK(rp_client_close(&rivals->client, &error));
    }
    rivals->is_over = true;
}

static void is_next(void *data, const rp_message *event)
{
    (void)event;
    CHECK(!((struct rivals *)data)->is_over);
}

// The first callback of an event ends what is called next, with its subscription or its client.
static void rivals(rp_client *client, const rp_loop *loop, bool closes)
{
    struct rivals rivals = {.client = client};
    uint64_t next = 0;
    OK(rp_client_on(client, "tick", ends_next, &rivals, NULL, &error));
    OK(rp_client_on(client, "tick", is_next, &rivals, &next, &error));
    rivals.next = closes ? 0 : next;
    OK(rp_client_notify(client, "ticks", TEXT("1"), NULL, &error));
    UNTIL(rivals.is_over, loop);
    CHECK((rivals.client == NULL) == closes);
    if (!closes) {
        OK(rp_client_close(&rivals.client, &error));
    }
}

static void ended(void *data, const rp_error *failed)
{
    *(rp_status *)data = failed == NULL ? RP_STATUS_NOTHING : rp_error_status(failed);
}

// The server dies while a request is in flight, another was started, and this end listens.
static void lost(rp_client *client, const rp_loop *loop)
{
    struct outcome outcome = {0};
    rp_status end = RP_STATUS_OK;
    bool is_closed = true;
    OK(rp_client_is_closed(client, &is_closed, &error));
    CHECK(!is_closed);
    OK(rp_client_on_closed(client, ended, &end, &error));
    OK(rp_client_start(client, "hang", NULL, 0, NULL, settled, &outcome, NULL, &error));
    rp_reply *reply = NULL;
    EXPECT(RP_STATUS_PEER_LOST, rp_client_request(client, "die", NULL, 0, NULL, &reply, &error));
    UNTIL(outcome.count > 0 && end != RP_STATUS_OK, loop);
    CHECK(outcome.status == RP_STATUS_PEER_LOST && end == RP_STATUS_PEER_LOST);
    OK(rp_client_is_closed(client, &is_closed, &error));
    CHECK(is_closed);
    EXPECT(RP_STATUS_CLOSED, rp_client_request(client, "shout", NULL, 0, NULL, &reply, &error));
    EXPECT(RP_STATUS_CLOSED, rp_client_notify(client, "ticks", NULL, 0, NULL, &error));
}

// The server dies behind more events than may wait for callbacks, none of which is called here.
static void flooded(const rp_client *client)
{
    rp_reply *reply = NULL;
    rp_call_options late = {.size = sizeof late, .timeout_ms = LONG_MS};
    EXPECT(RP_STATUS_PEER_LOST,
           rp_client_request(client, "flood", NULL, 0, &late, &reply, &error));
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    rp_loop *loop = NULL;
    OK(rp_loop_new(&loop, &error));
    if (strcmp(argv[2], "unheard") == 0) {
        unheard(loop, argv[1]);
        OK(rp_loop_free(&loop, &error));
        return 0;
    }
    rp_client *client = connected(loop, argv[1]);
    if (strcmp(argv[2], "lost") == 0) {
        lost(client, loop);
        OK(rp_client_close(&client, &error));
    } else if (strcmp(argv[2], "flooded") == 0) {
        flooded(client);
        OK(rp_client_close(&client, &error));
    } else {
        requests(client);
        started(client, loop);
        events(client, loop);
        rivals(connected(loop, argv[1]), loop, false);
        rivals(connected(loop, argv[1]), loop, true);
        // What is in flight is over when this is.
        struct outcome outcome = {0};
        OK(rp_client_start(client, "hang", NULL, 0, NULL, settled, &outcome, NULL, &error));
        OK(rp_client_close(&client, &error));
        CHECK(outcome.count == 1 && outcome.status == RP_STATUS_CLOSED);
    }
    CHECK(client == NULL);
    EXPECT(RP_STATUS_INVALID_ARGUMENT, rp_client_close(&client, &error));
    OK(rp_loop_free(&loop, &error));
    return 0;
}
