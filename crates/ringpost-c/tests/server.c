// A server for the client in run.mjs, which ends it: server <directory>

#include "check.h"

#include <poll.h>

static rp_error *error = NULL;

struct service {
    rp_server *server;
    rp_request *waiting;
    bool is_over;
};

static void shout(void *data, rp_request *request, const rp_message *message)
{
    (void)data;
    CHECK(strcmp(message->name, "shout") == 0 && message->codec == RP_CODEC_BYTES);
    uint8_t *bytes = malloc(message->len + 1);
    CHECK(bytes != NULL);
    for (size_t at = 0; at < message->len; at++) {
        bytes[at] = message->bytes[at] & 0xdf;
    }
    OK(rp_request_reply(&request, bytes, message->len, NULL, &error));
    CHECK(request == NULL);
    EXPECT(RP_STATUS_INVALID_ARGUMENT, rp_request_reply(&request, NULL, 0, NULL, &error));
    free(bytes);
}

static void refuse(void *data, rp_request *request, const rp_message *message)
{
    (void)data, (void)message;
    OK(rp_request_fail(&request, "E_NEVER", "this is refused", &error));
}

// Answered by the next one.
static void later(void *data, rp_request *request, const rp_message *message)
{
    (void)message;
    struct service *service = data;
    CHECK(service->waiting == NULL);
    service->waiting = request;
}

static void now(void *data, rp_request *request, const rp_message *message)
{
    struct service *service = data;
    CHECK(service->waiting != NULL);
    OK(rp_request_reply(&service->waiting, message->bytes, message->len, NULL, &error));
    OK(rp_request_reply(&request, NULL, 0, NULL, &error));
    size_t count = 0;
    OK(rp_server_notify(service->server, "done", TEXT("all"), NULL, &count, &error));
    CHECK(count == 1);
}

static void stop(void *data, rp_request *request, const rp_message *message)
{
    (void)message;
    ((struct service *)data)->is_over = true;
    OK(rp_request_reply(&request, NULL, 0, NULL, &error));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    rp_loop *loop = NULL;
    struct service service = {0};
    OK(rp_loop_new(&loop, &error));
    rp_server_options options = {.size = sizeof options, .directory = argv[1]};
    OK(rp_server_bind(loop, "c-server", &options, &service.server, &error));
    rp_server *second = NULL;
    EXPECT(RP_STATUS_NAME_IN_USE, rp_server_bind(loop, "c-server", &options, &second, &error));
    const struct {
        const char *name;
        rp_request_fn function;
    } methods[] = {
        {"shout", shout},
        {"refuse", refuse},
        {"later", later},
        {"now", now},
        {"stop", stop},
    };
    for (size_t at = 0; at < sizeof methods / sizeof *methods; at++) {
        rp_request_fn function = methods[at].function;
        OK(rp_server_handle(service.server, methods[at].name, function, &service, &error));
    }
    struct pollfd ready = {.events = POLLIN};
    OK(rp_loop_fd(loop, &ready.fd, &error));
    while (!service.is_over) {
        CHECK(poll(&ready, 1, LONG_MS) == 1);
        OK(rp_loop_drive(loop, &error));
    }
    OK(rp_server_close(&service.server, &error));
    EXPECT(RP_STATUS_INVALID_ARGUMENT, rp_server_close(&service.server, &error));
    OK(rp_loop_free(&loop, &error));
    return 0;
}
