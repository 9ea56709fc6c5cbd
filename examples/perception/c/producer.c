// The producer of the perception pipeline in C: the same frames as the one in Rust, from a simpler
// world, in which everything circles. Of the commands it takes REFRESH_TIMELINES, which the API
// sends.
//
//   perception-producer [--name <name>] [--seed <number>] [--attached]
//
// It has one thread, and no loop but poll. Writing a frame waits for no one. It ends with SIGTERM
// or Ctrl-C, and with --attached also when its standard input ends.

#define _GNU_SOURCE

#include <ringpost.h>

#include "layouts.h"
#include "messagepack.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { OBJECTS = 20, FRAMES_PER_SECOND = 10, SNAPSHOTS = 5, PATH_MAX_POINTS = 7 };
enum { HORIZON_MS = 5000, HORIZON_MS_MIN = 100, HORIZON_MS_MAX = 60000, REQUEST_ID_MAX = 64 };

static const char *const LABELS[] = {"person", "bicycle", "car", "truck", "dog"};

// What circles around some point. All of it follows from these and from the time.
struct object {
    uint32_t id;
    const char *label;
    double x, y, radius, rate, phase;
};

struct state {
    double x, y, velocity_x, velocity_y, heading;
};

struct producer {
    rp_frame_writer *detections, *tracks, *timelines;
    rp_loop *loop;
    rp_server *server;
    struct object objects[OBJECTS];
    uint64_t frame;
    double horizon_ms;
    Detections seen;
    Tracks followed;
    Timelines expected;
};

static rp_error *error = NULL;

// Says why it cannot go on. The kernel tells readers that it is gone.
static void check(rp_status status, const char *doing)
{
    if (status != RP_STATUS_OK) {
        fprintf(stderr, "producer: %s: %s\n", doing, rp_error_message(error));
        exit(EXIT_FAILURE);
    }
}

// Replaces the value of a frame. Returns its number.
static uint64_t write_frame(rp_frame_writer *writer, const void *frame, size_t size)
{
    uint64_t number = 0;
    check(rp_frame_writer_write(writer, frame, size, &number, &error), "writing a frame");
    return number;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static double between(double min, double max)
{
    return min + (max - min) * (random() / (double)RAND_MAX);
}

static struct state at(const struct object *object, double seconds)
{
    double angle = object->phase + object->rate * seconds;
    double speed = object->radius * object->rate;
    return (struct state){
        .x = object->x + object->radius * cos(angle),
        .y = object->y + object->radius * sin(angle),
        .velocity_x = -speed * sin(angle),
        .velocity_y = speed * cos(angle),
        .heading = atan2(speed * cos(angle), -speed * sin(angle)),
    };
}

static void detect(struct producer *producer, const struct object *object, double seconds)
{
    Detections *seen = &producer->seen;
    struct state state = at(object, seconds);
    Detections_objects *detection = &seen->objects[seen->objects_count++];
    *detection = (Detections_objects){
        .id = object->id,
        .confidence = 0.9f,
        .x = state.x,
        .y = state.y,
        .length = 1,
        .width = 1,
        .height = 1,
        .heading = state.heading,
        .velocityX = state.velocity_x,
        .velocityY = state.velocity_y,
        .distance = hypot(state.x, state.y),
        .bearing = atan2(state.y, state.x),
        .right = 10,
        .bottom = 10,
        .seenAt = seen->timestamp,
    };
    strcpy(detection->label, object->label);
}

static void follow(struct producer *producer, const struct object *object, double seconds)
{
    Tracks *followed = &producer->followed;
    struct state state = at(object, seconds);
    Tracks_objects *track = &followed->objects[followed->objects_count++];
    *track = (Tracks_objects){
        .id = object->id,
        .age = producer->frame,
        .x = state.x,
        .y = state.y,
        .velocityX = state.velocity_x,
        .velocityY = state.velocity_y,
        .accelerationX = -state.velocity_y * object->rate,
        .accelerationY = state.velocity_x * object->rate,
        .heading = state.heading,
        .turnRate = object->rate,
        .length = 1,
        .width = 1,
        .height = 1,
        .confidence = 0.9f,
        .hits = producer->frame & 0xffff,
        .priority = 1,
    };
    strcpy(track->label, object->label);
    strcpy(track->state, "confirmed");
    while (track->path_count < PATH_MAX_POINTS && (track->path_count + 1) * 5 <= track->age) {
        double before = (track->path_count + 1) * 5 / (double)FRAMES_PER_SECOND;
        struct state past = at(object, seconds - before);
        track->path[track->path_count].x = past.x;
        track->path[track->path_count++].y = past.y;
    }
}

static void look(struct producer *producer)
{
    double timestamp = now_ms();
    producer->seen = (Detections){.frameId = producer->frame, .timestamp = timestamp};
    producer->followed = (Tracks){.frameId = producer->frame, .timestamp = timestamp};
    for (size_t index = 0; index < OBJECTS; index++) {
        detect(producer, &producer->objects[index], timestamp / 1e3);
        follow(producer, &producer->objects[index], timestamp / 1e3);
    }
    write_frame(producer->detections, &producer->seen, sizeof producer->seen);
    write_frame(producer->tracks, &producer->followed, sizeof producer->followed);
    producer->frame++;
}

// What is going to happen, as seen now. Returns the frame's number.
static uint64_t predict(struct producer *producer)
{
    double timestamp = now_ms(), step_ms = producer->horizon_ms / SNAPSHOTS;
    Timelines *expected = &producer->expected;
    *expected = (Timelines){.frameId = producer->frame, .timestamp = timestamp};
    expected->snapshots_count = SNAPSHOTS;
    for (size_t step = 0; step < SNAPSHOTS; step++) {
        double ahead_ms = step_ms * (step + 1);
        expected->snapshots[step].aheadMs = ahead_ms;
        expected->snapshots[step].objects_count = OBJECTS;
        for (size_t index = 0; index < OBJECTS; index++) {
            const struct object *object = &producer->objects[index];
            struct state state = at(object, (timestamp + ahead_ms) / 1e3);
            Timelines_snapshots_objects *to = &expected->snapshots[step].objects[index];
            to->id = object->id;
            strcpy(to->label, object->label);
            to->x = state.x;
            to->y = state.y;
            to->velocityX = state.velocity_x;
            to->velocityY = state.velocity_y;
            to->heading = state.heading;
            to->probability = 1.0f / (step + 1);
        }
    }
    return write_frame(producer->timelines, expected, sizeof *expected);
}

// Answers a command: `id` is what it was sent with.
static void acknowledge(rp_request *request, const struct item *id, const char *status,
                        const char *message)
{
    uint8_t answer[512], *end = answer;
    *end++ = 0x84;
    end = put_text(end, "requestId", 9);
    end = put_text(end, (const char *)id->text, id->len);
    end = put_text(end, "status", 6);
    end = put_text(end, status, strlen(status));
    end = put_text(end, "timestamp", 9);
    end = put_number(end, now_ms());
    end = put_text(end, "message", 7);
    end = put_text(end, message, strlen(message));
    rp_call_options options = {.size = sizeof options, .codec = RP_CODEC_MESSAGE_PACK};
    // A caller that is gone by now needs no answer.
    rp_request_reply(&request, answer, end - answer, &options, NULL);
}

// Makes new timelines, as far ahead as the command says.
static void refresh(void *context, rp_request *request, const rp_message *message)
{
    struct producer *producer = context;
    struct input command = {message->bytes, message->bytes + message->len}, data, found;
    struct item id, horizon = {.kind = NOTHING};
    char text[128];
    bool is_command = message->codec == RP_CODEC_MESSAGE_PACK && find(command, "requestId", &found)
        && take_item(&found, &id) && id.kind == TEXT && id.len > 0 && id.len <= REQUEST_ID_MAX;
    if (!is_command) {
        rp_request_fail(&request, "ERR_INVALID_PAYLOAD", "this is no command", NULL);
        return;
    }
    if (find(command, "data", &data) && find(data, "horizonMs", &found)) {
        // What cannot be read is no number.
        horizon.kind = take_item(&found, &horizon) ? horizon.kind : TRUTH;
    }
    if (horizon.kind == NOTHING) {
        horizon = (struct item){.kind = NUMBER, .number = HORIZON_MS};
    }
    if (horizon.kind != NUMBER
        || !(horizon.number >= HORIZON_MS_MIN && horizon.number <= HORIZON_MS_MAX)) {
        snprintf(text, sizeof text, "horizonMs must be a number from %d to %d", HORIZON_MS_MIN,
                 HORIZON_MS_MAX);
        acknowledge(request, &id, "invalid", text);
        return;
    }
    producer->horizon_ms = horizon.number;
    unsigned long long number = predict(producer);
    snprintf(text, sizeof text, "timelines number %llu look %g ms ahead", number, horizon.number);
    acknowledge(request, &id, "ok", text);
}

static rp_frame_writer *writer(const char *name, const char *which, const char *layout, size_t size)
{
    char full[128];
    snprintf(full, sizeof full, "%s-%s", name, which);
    rp_publish_options options = {.size = sizeof options, .capacity = size, .layout = layout};
    rp_frame_writer *made = NULL;
    rp_status status = rp_frame_writer_create(full, &options, &made, &error);
    if (status == RP_STATUS_NAME_IN_USE) {
        fprintf(stderr, "producer: a producer named \"%s\" is running already\n", name);
        exit(EXIT_FAILURE);
    }
    check(status, full);
    return made;
}

// What can be read when it is time for the next frame.
static int ticks(void)
{
    struct timespec period = {.tv_nsec = 1000000000 / FRAMES_PER_SECOND};
    struct itimerspec times = {.it_interval = period, .it_value = {.tv_nsec = 1}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (timer == -1 || timerfd_settime(timer, 0, &times, NULL) == -1) {
        perror("producer: a timer");
        exit(EXIT_FAILURE);
    }
    return timer;
}

// What can be read when this program is to end.
static int endings(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    // What it prints may be read by no one any more.
    signal(SIGPIPE, SIG_IGN);
    int found = signalfd(-1, &signals, SFD_CLOEXEC);
    if (found == -1) {
        perror("producer: signals");
        exit(EXIT_FAILURE);
    }
    return found;
}

static void produce(struct producer *producer, bool is_attached)
{
    int commands;
    check(rp_loop_fd(producer->loop, &commands, &error), "waiting for commands");
    struct pollfd ready[] = {
        {.fd = ticks(), .events = POLLIN},
        {.fd = endings(), .events = POLLIN},
        {.fd = is_attached ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = commands, .events = POLLIN},
    };
    for (;;) {
        char skipped[64];
        uint64_t due;
        poll(ready, sizeof ready / sizeof *ready, -1);
        if (ready[1].revents != 0) {
            return;
        }
        if (ready[2].revents != 0 && read(STDIN_FILENO, skipped, sizeof skipped) <= 0) {
            return;
        }
        if (ready[0].revents != 0 && read(ready[0].fd, &due, sizeof due) == sizeof due) {
            if (producer->frame % FRAMES_PER_SECOND == 0) {
                predict(producer);
            }
            look(producer);
        }
        if (ready[3].revents != 0) {
            check(rp_loop_drive(producer->loop, &error), "commands");
        }
    }
}

// Takes the names of this producer, so that there is no other.
static void begin(struct producer *producer, const char *name)
{
    producer->horizon_ms = HORIZON_MS;
    producer->detections = writer(name, "detections", Detections_DESCRIPTION, sizeof(Detections));
    producer->tracks = writer(name, "tracks", Tracks_DESCRIPTION, sizeof(Tracks));
    producer->timelines = writer(name, "timelines", Timelines_DESCRIPTION, sizeof(Timelines));
    check(rp_loop_new(&producer->loop, &error), "a loop");
    check(rp_server_bind(producer->loop, name, NULL, &producer->server, &error), name);
    check(rp_server_handle(producer->server, "REFRESH_TIMELINES", refresh, producer, &error), name);
    printf("producer: process %d publishes detections, tracks and timelines of \"%s\"\n", getpid(),
           name);
    fflush(stdout);
}

// Leaves nothing behind.
static void end(struct producer *producer)
{
    check(rp_server_close(&producer->server, &error), "the server");
    check(rp_loop_free(&producer->loop, &error), "the loop");
    check(rp_frame_writer_close(&producer->detections, true, &error), "detections");
    check(rp_frame_writer_close(&producer->tracks, true, &error), "tracks");
    check(rp_frame_writer_close(&producer->timelines, true, &error), "timelines");
    puts("producer: has ended");
}

int main(int argc, char **argv)
{
    const char *name = "perception";
    unsigned int seed = 1;
    bool is_attached = false;
    for (int at = 1; at < argc; at++) {
        bool has_value = at + 1 < argc;
        if (strcmp(argv[at], "--attached") == 0) {
            is_attached = true;
        } else if (strcmp(argv[at], "--name") == 0 && has_value) {
            name = argv[++at];
        } else if (strcmp(argv[at], "--seed") == 0 && has_value) {
            seed = strtoul(argv[++at], NULL, 10);
        } else {
            fprintf(stderr, "producer: there is no option %s, or it needs a value\n", argv[at]);
            return EXIT_FAILURE;
        }
    }
    static struct producer producer;
    srandom(seed);
    for (uint32_t index = 0; index < OBJECTS; index++) {
        producer.objects[index] = (struct object){
            .id = index + 1,
            .label = LABELS[index % (sizeof LABELS / sizeof *LABELS)],
            .x = between(-30, 30),
            .y = between(-30, 30),
            .radius = between(1, 10),
            .rate = between(-1, 1),
            .phase = between(0, 6),
        };
    }
    begin(&producer, name);
    produce(&producer, is_attached);
    end(&producer);
    return EXIT_SUCCESS;
}
