// Writes and reads what is published: published <directory> <mode>. It prints a line when it is
// ready, and ends when its input does.

#include "check.h"
#include "layouts.h"

static rp_error *error = NULL;

static rp_publish_options publish = {.size = sizeof publish, .layout = Position_DESCRIPTION};
static rp_read_options reading = {.size = sizeof reading, .layout = Position_DESCRIPTION};

static void say(const char *line)
{
    puts(line);
    fflush(stdout);
}

static void until_input_ends(void)
{
    while (getchar() != EOF) {
    }
}

static void write_frames(void)
{
    rp_frame_writer *writer = NULL;
    OK(rp_frame_writer_create("position", &publish, &writer, &error));
    for (uint32_t id = 1; id <= 3; id++) {
        uint64_t number = 0;
        Position position = {.id = id, .x = id * 1.5, .label = "c"};
        const uint8_t *bytes = (const uint8_t *)&position;
        OK(rp_frame_writer_write(writer, bytes, sizeof position, &number, &error));
        CHECK(number == id);
    }
    say("written");
    until_input_ends();
    // What it has written stays.
    OK(rp_frame_writer_close(&writer, false, &error));
}

struct seen {
    rp_frame_reader *reader;
    rp_frame_state last;
    uint32_t id;
};

static void looks(void *data)
{
    struct seen *seen = data;
    rp_frame frame;
    OK(rp_frame_reader_read(seen->reader, &frame, &error));
    if (frame.state == RP_FRAME_STATE_FRESH || frame.state == RP_FRAME_STATE_STALE) {
        Position position;
        size_t len = 0;
        OK(rp_frame_reader_copy(seen->reader, (uint8_t *)&position, sizeof position, &len, &error));
        CHECK(len == sizeof position && frame.len == len && frame.number > 0);
        CHECK(position.x == position.id * 2.5 && strcmp(position.label, "ts") == 0);
        seen->id = position.id;
    }
    seen->last = frame.state;
}

// Waits for a writer that is not there yet, reads what it writes, and sees it go.
static void read_frames(void)
{
    rp_loop *loop = NULL;
    struct seen seen = {.last = RP_FRAME_STATE_EMPTY};
    OK(rp_loop_new(&loop, &error));
    OK(rp_frame_reader_open("place", &reading, &seen.reader, &error));
    looks(&seen);
    CHECK(seen.last == RP_FRAME_STATE_EMPTY);
    OK(rp_frame_reader_watch(seen.reader, loop, looks, &seen, &error));
    say("waits");
    UNTIL(seen.id == 1, loop);
    say("one");
    UNTIL(seen.id == 2, loop);
    uint32_t codec = 0;
    char description[256];
    size_t len = 0;
    OK(rp_frame_reader_format(seen.reader, &codec, description, sizeof description, &len, &error));
    CHECK(codec == RP_CODEC_CUSTOM);
    CHECK(is_text((const uint8_t *)description, len, Position_DESCRIPTION));
    say("two");
    UNTIL(seen.last == RP_FRAME_STATE_STALE, loop);
    CHECK(seen.id == 2);
    OK(rp_frame_reader_close(&seen.reader, &error));

    // Records of another shape are refused, and nothing of them is seen.
    reading.layout = "{id:f64@0}8";
    OK(rp_frame_reader_open("place", &reading, &seen.reader, &error));
    rp_frame frame = {.number = 77};
    EXPECT(RP_STATUS_LAYOUT, rp_frame_reader_read(seen.reader, &frame, &error));
    CHECK(frame.number == 77);
    EXPECT(RP_STATUS_LAYOUT, rp_frame_reader_copy(seen.reader, NULL, 0, NULL, &error));
    OK(rp_frame_reader_close(&seen.reader, &error));
    // One that knows only their beginning sees that.
    reading.layout = "{id:u32@0}4";
    OK(rp_frame_reader_open("place", &reading, &seen.reader, &error));
    OK(rp_frame_reader_read(seen.reader, &frame, &error));
    CHECK(frame.len == 4 && frame.number == 2);
    OK(rp_frame_reader_close(&seen.reader, &error));
    OK(rp_loop_free(&loop, &error));
}

struct received {
    rp_subscriber *subscriber;
    uint64_t count;
};

static void receives(void *data)
{
    struct received *received = data;
    for (;;) {
        rp_topic_message message;
        rp_status status = rp_subscriber_read(received->subscriber, &message, &error);
        if (status == RP_STATUS_NOTHING) {
            return;
        }
        OK(status);
        uint64_t value = 0;
        size_t len = 0;
        OK(rp_subscriber_copy(received->subscriber, (uint8_t *)&value, sizeof value, &len, &error));
        CHECK(len == sizeof value && message.len == len && message.skipped == 0);
        CHECK(value == ++received->count && message.number == value && message.generation > 0);
    }
}

// Reads all of more messages than the ring has room for.
static void subscribe_lossless(void)
{
    rp_loop *loop = NULL;
    struct received received = {0};
    OK(rp_loop_new(&loop, &error));
    reading.layout = NULL;
    OK(rp_subscriber_open("numbers", RP_SUBSCRIBER_MODE_LOSSLESS, RP_SUBSCRIBER_START_NEXT,
                          &reading, &received.subscriber, &error));
    OK(rp_subscriber_watch(received.subscriber, loop, receives, &received, &error));
    say("waits");
    UNTIL(received.count == 10000, loop);
    bool has_publisher = false;
    OK(rp_subscriber_has_publisher(received.subscriber, &has_publisher, &error));
    CHECK(has_publisher);
    say("received");
    until_input_ends();
    OK(rp_subscriber_close(&received.subscriber, &error));
    OK(rp_loop_free(&loop, &error));
}

static void publish_messages(void)
{
    rp_publisher *publisher = NULL;
    publish.layout = NULL;
    publish.capacity = 4096;
    OK(rp_publisher_create("letters", &publish, &publisher, &error));
    say("publishes");
    CHECK(getchar() == '\n');
    for (uint64_t value = 1; value <= 10000; value++) {
        uint64_t number = 0;
        OK(rp_publisher_publish(publisher, (uint8_t *)&value, sizeof value, &number, &error));
        CHECK(number == value);
    }
    uint8_t large[4096] = {0};
    EXPECT(RP_STATUS_TOO_LARGE, rp_publisher_publish(publisher, large, sizeof large, NULL, &error));
    say("published");
    until_input_ends();
    OK(rp_publisher_close(&publisher, true, &error));
}

static void notes_room(void *data)
{
    *(bool *)data = true;
}

// Both ends in one process: one that is held up, and one that is too slow.
static void hold_up(void)
{
    rp_loop *loop = NULL;
    rp_publisher *publisher = NULL;
    rp_subscriber *all = NULL, *some = NULL, *newest = NULL;
    OK(rp_loop_new(&loop, &error));
    publish.layout = reading.layout = NULL;
    publish.capacity = 4096;
    OK(rp_publisher_create("held", &publish, &publisher, &error));
    OK(rp_subscriber_open("held", RP_SUBSCRIBER_MODE_LOSSLESS, 0, &reading, &all, &error));
    OK(rp_subscriber_open("held", RP_SUBSCRIBER_MODE_LOSSY, 0, &reading, &some, &error));
    OK(rp_subscriber_open("held", RP_SUBSCRIBER_MODE_LATEST, 0, &reading, &newest, &error));
    bool has_room = false;
    OK(rp_publisher_watch(publisher, loop, notes_room, &has_room, &error));
    uint64_t number = 0;
    while (rp_publisher_try_publish(publisher, TEXT("0123456789abcdef"), &number, &error)
           == RP_STATUS_OK) {
    }
    CHECK(error == NULL && number > 10);
    OK(rp_loop_drive(loop, &error));
    has_room = false;
    rp_topic_message message;
    for (uint64_t at = 1; at <= number; at++) {
        OK(rp_subscriber_read(all, &message, &error));
        CHECK(message.number == at);
    }
    UNTIL(has_room, loop);
    OK(rp_publisher_try_publish(publisher, TEXT("there is room"), NULL, &error));

    OK(rp_subscriber_read(newest, &message, &error));
    CHECK(message.number == number + 1 && is_text(message.bytes, message.len, "there is room"));
    CHECK(message.skipped == number);
    EXPECT(RP_STATUS_NOTHING, rp_subscriber_read(newest, &message, &error));
    while (rp_publisher_try_publish(publisher, TEXT("0123456789abcdef"), NULL, &error)
           == RP_STATUS_OK) {
    }
    OK(rp_publisher_cut_off(publisher, &error));
    OK(rp_publisher_try_publish(publisher, TEXT("without it"), NULL, &error));
    EXPECT(RP_STATUS_LAGGED, rp_subscriber_read(all, &message, &error));
    OK(rp_subscriber_read(some, &message, &error));
    CHECK(message.skipped > 0);
    OK(rp_subscriber_close(&all, &error));
    OK(rp_subscriber_close(&some, &error));
    OK(rp_subscriber_close(&newest, &error));
    OK(rp_publisher_close(&publisher, true, &error));
    OK(rp_loop_free(&loop, &error));
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    publish.directory = reading.directory = argv[1];
    const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {
        {"write", write_frames},
        {"read", read_frames},
        {"subscribe", subscribe_lossless},
        {"publish", publish_messages},
        {"hold-up", hold_up},
    };
    for (size_t at = 0; at < sizeof modes / sizeof *modes; at++) {
        if (strcmp(argv[2], modes[at].name) == 0) {
            modes[at].run();
            return 0;
        }
    }
    CHECK(!"there is such a mode");
}
