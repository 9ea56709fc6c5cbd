// Everything that can be passed wrongly is an error, with a sentence, and leaves all as it was.

#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

static void never(void *data)
{
    (void)data;
    CHECK(!"it is not called");
}

static void errors(const char *directory)
{
    rp_error *error = NULL;
    rp_frame_reader *reader = NULL;
    CHECK(rp_frame_reader_open("../up", NULL, &reader, &error) == RP_STATUS_INVALID_NAME);
    CHECK(strcmp(rp_error_code(error), "ERR_INVALID_NAME") == 0);
    CHECK(strlen(rp_error_message(error)) > 0 && !rp_error_is_remote(error));
    rp_error_free(&error);
    rp_error_free(&error);
    rp_error_free(NULL);
    CHECK(rp_error_status(NULL) == RP_STATUS_OK && strcmp(rp_error_message(NULL), "") == 0);
    CHECK(strcmp(rp_error_code(NULL), "") == 0 && !rp_error_is_remote(NULL));
    // No one has to ask why.
    CHECK(rp_frame_reader_open("../up", NULL, &reader, NULL) == RP_STATUS_INVALID_NAME);
    EXPECT(RP_STATUS_INVALID_ARGUMENT, rp_frame_reader_open("\xff", NULL, &reader, &error));
    CHECK(reader == NULL);

    rp_loop *loop = NULL;
    OK(rp_loop_new(&loop, &error));
    rp_client *client = NULL;
    rp_client_options options = {.size = sizeof options, .directory = directory};
    EXPECT(RP_STATUS_NO_SERVER, rp_client_connect(loop, "nobody", &options, &client, &error));
    options.size--;
    EXPECT(RP_STATUS_INVALID_ARGUMENT,
           rp_client_connect(loop, "nobody", &options, &client, &error));
    options.size++;
    options.wait_for_server_ms = 1;
    CHECK(rp_client_connect(loop, "nobody", &options, &client, NULL) > RP_STATUS_NOTHING);
    CHECK(client == NULL);
    OK(rp_loop_free(&loop, &error));
    CHECK(loop == NULL);
    EXPECT(RP_STATUS_INVALID_ARGUMENT, rp_loop_free(&loop, &error));
}

static void nulls(void)
{
    rp_error *error = NULL;
    int fd;
    bool is;
    uint64_t id;
    rp_frame frame;
    rp_topic_message message;
    rp_client *client = NULL;
    rp_reply *reply = NULL;
    rp_server *server = NULL;
    rp_request *request = NULL;
    rp_frame_writer *writer = NULL;
    rp_frame_reader *reader = NULL;
    rp_publisher *publisher = NULL;
    rp_subscriber *subscriber = NULL;
#define REFUSED(call) EXPECT(RP_STATUS_INVALID_ARGUMENT, call)
    REFUSED(rp_loop_new(NULL, &error));
    REFUSED(rp_loop_fd(NULL, &fd, &error));
    REFUSED(rp_loop_drive(NULL, &error));
    REFUSED(rp_loop_wait(NULL, 0, &is, &error));
    REFUSED(rp_loop_free(NULL, &error));
    REFUSED(rp_client_connect(NULL, "demo", NULL, &client, &error));
    REFUSED(rp_client_request(NULL, "a", NULL, 0, NULL, &reply, &error));
    REFUSED(rp_client_start(NULL, "a", NULL, 0, NULL, NULL, NULL, &id, &error));
    REFUSED(rp_client_cancel(NULL, 1, &error));
    REFUSED(rp_client_notify(NULL, "a", NULL, 0, NULL, &error));
    REFUSED(rp_client_on(NULL, "a", NULL, NULL, &id, &error));
    REFUSED(rp_client_off(NULL, 1, &error));
    REFUSED(rp_client_on_closed(NULL, NULL, NULL, &error));
    REFUSED(rp_client_is_closed(NULL, &is, &error));
    REFUSED(rp_client_close(NULL, &error));
    REFUSED(rp_client_close(&client, &error));
    REFUSED(rp_reply_copy(NULL, NULL, 0, NULL, &error));
    REFUSED(rp_reply_free(&reply, &error));
    CHECK(rp_reply_bytes(NULL) == NULL && rp_reply_len(NULL) == 0 && rp_reply_codec(NULL) == 0);
    REFUSED(rp_server_bind(NULL, "demo", NULL, &server, &error));
    REFUSED(rp_server_handle(NULL, "a", NULL, NULL, &error));
    REFUSED(rp_server_notify(NULL, "a", NULL, 0, NULL, NULL, &error));
    REFUSED(rp_server_close(&server, &error));
    REFUSED(rp_request_reply(&request, NULL, 0, NULL, &error));
    REFUSED(rp_request_fail(&request, "E", "no", &error));
    REFUSED(rp_request_fail(&request, NULL, "no", &error));
    REFUSED(rp_frame_writer_create(NULL, NULL, &writer, &error));
    REFUSED(rp_frame_writer_create("a", NULL, NULL, &error));
    REFUSED(rp_frame_writer_write(NULL, NULL, 0, &id, &error));
    REFUSED(rp_frame_writer_close(&writer, true, &error));
    REFUSED(rp_frame_reader_open("a", NULL, NULL, &error));
    REFUSED(rp_frame_reader_read(NULL, &frame, &error));
    REFUSED(rp_frame_reader_copy(NULL, NULL, 0, NULL, &error));
    REFUSED(rp_frame_reader_format(NULL, NULL, NULL, 0, NULL, &error));
    REFUSED(rp_frame_reader_watch(NULL, NULL, never, NULL, &error));
    REFUSED(rp_frame_reader_close(&reader, &error));
    REFUSED(rp_publisher_create(NULL, NULL, &publisher, &error));
    REFUSED(rp_publisher_publish(NULL, NULL, 0, &id, &error));
    REFUSED(rp_publisher_try_publish(NULL, NULL, 0, &id, &error));
    REFUSED(rp_publisher_cut_off(NULL, &error));
    REFUSED(rp_publisher_watch(NULL, NULL, never, NULL, &error));
    REFUSED(rp_publisher_close(&publisher, true, &error));
    REFUSED(rp_subscriber_open(NULL, 0, 0, NULL, &subscriber, &error));
    REFUSED(rp_subscriber_read(NULL, &message, &error));
    REFUSED(rp_subscriber_copy(NULL, NULL, 0, NULL, &error));
    REFUSED(rp_subscriber_has_publisher(NULL, &is, &error));
    REFUSED(rp_subscriber_watch(NULL, NULL, never, NULL, &error));
    REFUSED(rp_subscriber_close(&subscriber, &error));
}

static void handles(const char *directory)
{
    rp_error *error = NULL;
    rp_loop *loop = NULL;
    OK(rp_loop_new(&loop, &error));
    rp_publish_options publish = {.size = sizeof publish, .directory = directory};
    rp_read_options read = {.size = sizeof read, .directory = directory};
    rp_frame_writer *writer = NULL, *second = NULL;
    OK(rp_frame_writer_create("misuse", &publish, &writer, &error));
    EXPECT(RP_STATUS_NAME_IN_USE, rp_frame_writer_create("misuse", &publish, &second, &error));
    CHECK(second == NULL);
    REFUSED(rp_frame_writer_write(writer, NULL, 1, NULL, &error));
    REFUSED(rp_frame_writer_write(writer, (const uint8_t *)"a", SIZE_MAX, NULL, &error));
    uint64_t number = 0;
    OK(rp_frame_writer_write(writer, TEXT("value"), &number, &error));
    CHECK(number == 1);

    publish.codec = 9;
    REFUSED(rp_publisher_create("misuse", &publish, &(rp_publisher *){NULL}, &error));
    publish.codec = 0;
    publish.layout = "{nonsense}";
    EXPECT(RP_STATUS_LAYOUT, rp_frame_writer_create("other", &publish, &second, &error));
    publish.layout = NULL;
    publish.capacity = 1000;
    REFUSED(rp_publisher_create("misuse", &publish, &(rp_publisher *){NULL}, &error));

    rp_frame_reader *reader = NULL;
    rp_frame frame;
    OK(rp_frame_reader_open("misuse", &read, &reader, &error));
    EXPECT(RP_STATUS_NOTHING, rp_frame_reader_format(reader, NULL, NULL, 0, NULL, &error));
    OK(rp_frame_reader_read(reader, &frame, &error));
    CHECK(frame.state == RP_FRAME_STATE_FRESH && is_text(frame.bytes, frame.len, "value"));
    uint8_t buffer[5] = "?????";
    size_t len = 0;
    EXPECT(RP_STATUS_BUFFER_TOO_SMALL, rp_frame_reader_copy(reader, buffer, 4, &len, &error));
    CHECK(len == 5 && is_text(buffer, 5, "?????"));
    REFUSED(rp_frame_reader_copy(reader, NULL, 5, NULL, &error));
    OK(rp_frame_reader_copy(reader, buffer, 5, NULL, &error));
    CHECK(is_text(buffer, 5, "value"));
    REFUSED(rp_frame_reader_watch(reader, NULL, never, NULL, &error));
    REFUSED(rp_frame_reader_watch(reader, loop, NULL, NULL, &error));
    OK(rp_frame_reader_watch(reader, loop, never, NULL, &error));
    // It is watched no more when it is closed, and closing twice is an error that harms nothing.
    OK(rp_frame_reader_close(&reader, &error));
    CHECK(reader == NULL);
    REFUSED(rp_frame_reader_close(&reader, &error));
    OK(rp_loop_drive(loop, &error));

    rp_subscriber *subscriber = NULL;
    REFUSED(rp_subscriber_open("misuse", 3, 0, &read, &subscriber, &error));
    REFUSED(rp_subscriber_open("misuse", 0, 3, &read, &subscriber, &error));
    OK(rp_subscriber_open("misuse", RP_SUBSCRIBER_MODE_LATEST, 0, &read, &subscriber, &error));
    // What is on a loop outlives it.
    OK(rp_subscriber_watch(subscriber, loop, never, NULL, &error));
    OK(rp_loop_free(&loop, &error));
    rp_topic_message message;
    EXPECT(RP_STATUS_NOTHING, rp_subscriber_read(subscriber, &message, &error));
    OK(rp_subscriber_close(&subscriber, &error));
    OK(rp_frame_writer_close(&writer, true, &error));
}

static atomic_bool was_busy = false;

static atomic_int calls = 0;

static void counts(void *data)
{
    (void)data;
    calls++;
}

static void *waits(void *loop)
{
    while (!was_busy) {
        rp_loop_wait(loop, 20, NULL, NULL);
    }
    return NULL;
}

// A second thread is sent away, whatever the first does.
static void threads(const char *directory)
{
    rp_error *error = NULL;
    rp_loop *loop = NULL;
    rp_loop *another = NULL;
    rp_frame_reader *reader = NULL;
    rp_frame_writer *writer = NULL;
    pthread_t other;
    const rp_read_options read = {.size = sizeof read, .directory = directory};
    const rp_publish_options publish = {.size = sizeof publish, .directory = directory};
    OK(rp_loop_new(&loop, &error));
    OK(rp_loop_new(&another, &error));
    OK(rp_frame_reader_open("threads", &read, &reader, &error));
    OK(rp_frame_reader_watch(reader, loop, counts, NULL, &error));
    CHECK(pthread_create(&other, NULL, waits, loop) == 0);
    while (rp_loop_drive(loop, &error) != RP_STATUS_BUSY) {
        // The other one has its turn, also where threads take turns.
        poll(NULL, 0, 1);
    }
    CHECK(strcmp(rp_error_code(error), "ERR_BUSY") == 0);
    rp_error_free(&error);
    // What cannot be taken from a loop stays there, so that closing it takes it from there.
    rp_status taken = rp_frame_reader_watch(reader, another, counts, NULL, NULL);
    CHECK(taken == RP_STATUS_BUSY || taken == RP_STATUS_OK);
    was_busy = true;
    CHECK(pthread_join(other, NULL) == 0);
    OK(rp_frame_reader_close(&reader, &error));
    int called = calls;
    OK(rp_frame_writer_create("threads", &publish, &writer, &error));
    OK(rp_frame_writer_write(writer, TEXT("news"), NULL, &error));
    for (int turn = 0; turn < 20; turn++) {
        OK(rp_loop_wait(loop, 5, NULL, &error));
        OK(rp_loop_drive(another, &error));
    }
    CHECK(calls == called);
    OK(rp_frame_writer_close(&writer, true, &error));
    OK(rp_loop_free(&another, &error));
    OK(rp_loop_free(&loop, &error));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    threads(argv[1]);
    errors(argv[1]);
    nulls();
    handles(argv[1]);
    return 0;
}
