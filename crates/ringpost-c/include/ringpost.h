// ringpost for C: requests, events, state frames and topics between processes of one machine.
//
// Written by node ci/c.mjs header from crates/ringpost-c/src.
//
// Every function that can fail returns an rp_status. Where it is none of RP_STATUS_OK and
// RP_STATUS_NOTHING, `error`, unless it is NULL, is set to an error that the caller frees with
// rp_error_free; otherwise `error` is left alone, and so is every result that is not mentioned.
//
// What the library makes is behind a pointer, a handle. The function that ends a handle sets the
// caller's pointer to NULL; NULL as a handle is RP_STATUS_INVALID_ARGUMENT everywhere. As of every
// pointer in C, copies of one that was ended must not be used.
//
// Of the caller all functions demand the same: what is not NULL leads to what its type says, texts
// are UTF-8 and end with a NUL, lengths are true, and callbacks neither throw nor jump out. None of
// it has to live longer than the call, but for `data`, which is passed on to callbacks.
//
// Nothing is global: loops and what is on them know nothing of others.


#ifndef RINGPOST_H
#define RINGPOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


// What a function returns. Numbers never change, and others may come.
typedef enum {
    // It is done.
    RP_STATUS_OK = 0,
    // There is nothing to return now. No error.
    RP_STATUS_NOTHING = 1,
    // The caller's buffer is too short. The length it takes is known: call again.
    RP_STATUS_BUFFER_TOO_SMALL = 2,
    // Another thread is in a call with the same handle or loop.
    RP_STATUS_BUSY = 3,
    // This side closed the connection, or it was never open.
    RP_STATUS_CLOSED = 10,
    // The peer went away before the answer came: it closed, was killed, or broke the protocol.
    RP_STATUS_PEER_LOST = 11,
    // The deadline passed before the answer came.
    RP_STATUS_TIMEOUT = 12,
    // The caller cancelled.
    RP_STATUS_CANCELLED = 13,
    // The peer has no handler of that name.
    RP_STATUS_UNKNOWN_METHOD = 14,
    // The peer's handler failed. Its own code is in the error.
    RP_STATUS_HANDLER = 15,
    // A payload that cannot be encoded or decoded, or that a validator refused.
    RP_STATUS_INVALID_PAYLOAD = 16,
    // Longer than it may be.
    RP_STATUS_TOO_LARGE = 17,
    // No room in the lane.
    RP_STATUS_FULL = 18,
    // More requests in flight than were agreed.
    RP_STATUS_TOO_MANY_PENDING = 19,
    // More distinct names of methods and events than were agreed.
    RP_STATUS_TOO_MANY_NAMES = 20,
    // More connections than the server accepts.
    RP_STATUS_TOO_MANY_CONNECTIONS = 21,
    // An argument is NULL, or of the wrong shape or range.
    RP_STATUS_INVALID_ARGUMENT = 22,
    // A name that is empty, too long or has characters a file name should not have.
    RP_STATUS_INVALID_NAME = 23,
    // The name has a writer, publisher or server that lives.
    RP_STATUS_NAME_IN_USE = 24,
    // No server has that name.
    RP_STATUS_NO_SERVER = 25,
    // The other side, or the directory to meet in, belongs to another user.
    RP_STATUS_FOREIGN_USER = 26,
    // The directory to meet in is a link, not a directory, or open to others.
    RP_STATUS_UNSAFE_DIRECTORY = 27,
    // The system does not permit it.
    RP_STATUS_ACCESS = 28,
    // The two sides share no protocol version.
    RP_STATUS_VERSION = 29,
    // One side requires a feature the other does not have.
    RP_STATUS_FEATURE = 30,
    // The token is missing or wrong.
    RP_STATUS_TOKEN = 31,
    // The handshake was malformed, cut short, or took too long.
    RP_STATUS_HANDSHAKE = 32,
    // What was written into shared memory cannot be.
    RP_STATUS_CORRUPT = 33,
    // The layouts of a writer and a reader differ.
    RP_STATUS_LAYOUT = 34,
    // No room for the shared memory.
    RP_STATUS_NO_SPACE = 35,
    // No file descriptors left.
    RP_STATUS_NO_DESCRIPTORS = 36,
    // A lossless subscriber has held its publisher up for too long, and was cut off.
    RP_STATUS_LAGGED = 37,
    // A synchronous request that could never be answered.
    RP_STATUS_WOULD_DEADLOCK = 38,
    // A system call failed in a way that has no status of its own.
    RP_STATUS_SYSTEM = 39,
    // A fault of this library.
    RP_STATUS_INTERNAL = 40,
} rp_status;

// What a value is.
typedef enum {
    // A value that this reader has not returned before.
    RP_FRAME_STATE_FRESH = 0,
    // The value that it has returned last.
    RP_FRAME_STATE_SAME = 1,
    // The last value of a writer that is gone.
    RP_FRAME_STATE_STALE = 2,
    // There is no value yet.
    RP_FRAME_STATE_EMPTY = 3,
} rp_frame_state;

// How a payload is encoded.
typedef enum {
    // Bytes as they are.
    RP_CODEC_BYTES = 0,
    // Plain MessagePack.
    RP_CODEC_MESSAGE_PACK = 1,
    // JSON in UTF-8.
    RP_CODEC_JSON = 2,
    // Something both ends agreed on.
    RP_CODEC_CUSTOM = 3,
} rp_codec;

// Which lane a message travels on.
typedef enum {
    // The one that is used unless something else is said.
    RP_LANE_NORMAL = 0,
    // Read before everything else.
    RP_LANE_CRITICAL = 1,
    // Read before normal traffic.
    RP_LANE_HIGH = 2,
    // Read last, but never starved.
    RP_LANE_LOW = 3,
} rp_lane;

// What a subscriber wants.
typedef enum {
    // Only what is newest when it reads.
    RP_SUBSCRIBER_MODE_LATEST = 0,
    // Everything in order, as far as it is still there.
    RP_SUBSCRIBER_MODE_LOSSY = 1,
    // Everything in order: the publisher waits for it, within its time.
    RP_SUBSCRIBER_MODE_LOSSLESS = 2,
} rp_subscriber_mode;

// Where a subscriber starts.
typedef enum {
    // Behind what is there.
    RP_SUBSCRIBER_START_NEXT = 0,
    // At the newest message that is there.
    RP_SUBSCRIBER_START_NEWEST = 1,
    // At the oldest message that is still there.
    RP_SUBSCRIBER_START_OLDEST = 2,
} rp_subscriber_start;

// A connection to a server. It is one session, and over with it: a program that wants another
// connects again.
typedef struct rp_client rp_client;

// Why a call has failed. Whoever receives one frees it with `rp_error_free`.
typedef struct rp_error rp_error;

// One of any number of readers of a state frame.
typedef struct rp_frame_reader rp_frame_reader;

// The one writer of a state frame. It never waits for readers.
typedef struct rp_frame_writer rp_frame_writer;

// What a program waits for in one place: connections, servers, and readers that are watched.
typedef struct rp_loop rp_loop;

// The one publisher of a topic.
typedef struct rp_publisher rp_publisher;

// The answer to a request.
typedef struct rp_reply rp_reply;

// A request that is to be answered, once.
typedef struct rp_request rp_request;

// A name that clients connect to.
typedef struct rp_server rp_server;

// One of any number of subscribers of a topic.
typedef struct rp_subscriber rp_subscriber;

// How a client connects. Zeros are the defaults: `{.size = sizeof(rp_client_options)}`.
typedef struct {
    // sizeof(rp_client_options).
    size_t size;
    // The directory to meet in. NULL: the one all processes of this user know, which the
    // environment variable RINGPOST_DIR names.
    const char *directory;
    // The secret that the server wants, or NULL.
    const uint8_t *token;
    // Bytes of the secret.
    size_t token_len;
    // How long an attempt may take, in milliseconds. 0: 5 seconds. Below 0: for ever.
    int64_t connect_timeout_ms;
    // How long to wait for a server that is not there yet, in milliseconds. 0: not at all. Below
    // 0: for ever.
    int64_t wait_for_server_ms;
} rp_client_options;

// How one message travels. Zeros are the defaults: `{.size = sizeof(rp_call_options)}`.
typedef struct {
    // sizeof(rp_call_options).
    size_t size;
    // How the payload is encoded, an rp_codec.
    uint32_t codec;
    // The lane, an rp_lane. 0: RP_LANE_NORMAL.
    uint32_t lane;
    // When a request is given up, in milliseconds. 0: after 30 seconds. Below 0: never.
    int64_t timeout_ms;
} rp_call_options;

// A message that callbacks get. It is gone when they return.
typedef struct {
    // The payload. NULL if it is empty.
    const uint8_t *bytes;
    // Bytes of the payload.
    size_t len;
    // How it is encoded, an rp_codec.
    uint32_t codec;
    // The name of the event or method. NULL for a reply.
    const char *name;
} rp_message;

// Called with the outcome of a request: a reply and NULL, or NULL and an error.
typedef void (*rp_reply_fn)(void *data, const rp_message *reply, const rp_error *error);

// Called with an event.
typedef void (*rp_event_fn)(void *data, const rp_message *event);

// Called once a connection is over: with NULL, if one of the two sides has closed it.
typedef void (*rp_closed_fn)(void *data, const rp_error *error);

// How something is published. Zeros are the defaults: `{.size = sizeof(rp_publish_options)}`.
typedef struct {
    // sizeof(rp_publish_options).
    size_t size;
    // As in rp_client_options.
    const char *directory;
    // Of a frame, bytes of the longest value for now; of a topic, bytes of its ring, a power of
    // two. 0: what is usual.
    size_t capacity;
    // The description of the records that are published, as `ringpost layout --c` prints it, or
    // NULL. It stands beside the data, for readers to check. The codec is RP_CODEC_CUSTOM then.
    const char *layout;
    // Of a topic, how long rp_publisher_publish waits for lossless subscribers, in milliseconds.
    // 0: one second. Below 0: for ever.
    int64_t timeout_ms;
    // How values are encoded, an rp_codec.
    uint32_t codec;
    // Takes the name from a writer that lives. Its next write fails with RP_STATUS_NAME_IN_USE.
    bool take_over;
} rp_publish_options;

// How something that is published is read. Zeros are the defaults:
// `{.size = sizeof(rp_read_options)}`.
typedef struct {
    // sizeof(rp_read_options).
    size_t size;
    // As in rp_client_options.
    const char *directory;
    // The description of the records that this program knows, or NULL. What is read is checked
    // against that of the writer: RP_STATUS_LAYOUT, unless one is the other with members appended.
    const char *layout;
} rp_read_options;

// A value of a state frame.
typedef struct {
    // What it is.
    rp_frame_state state;
    // The value: a copy that belongs to the reader and stays until it reads again or is closed.
    // NULL if there is none.
    const uint8_t *bytes;
    // Bytes of the value. Of records, no more than this program knows.
    size_t len;
    // It grows by one with each write, also of the next writer.
    uint64_t number;
    // When it was written, in nanoseconds since 1970.
    uint64_t unix_nanos;
    // How long ago that was, in nanoseconds.
    uint64_t age_nanos;
} rp_frame;

// Called when there may be something to read.
typedef void (*rp_ready_fn)(void *data);

// How a server is bound. Zeros are the defaults: `{.size = sizeof(rp_server_options)}`.
typedef struct {
    // sizeof(rp_server_options).
    size_t size;
    // As in rp_client_options.
    const char *directory;
    // The secret that clients must have, or NULL.
    const uint8_t *token;
    // Bytes of the secret.
    size_t token_len;
} rp_server_options;

// Called with a request that is to be answered, then or later.
typedef void (*rp_request_fn)(void *data, rp_request *request, const rp_message *message);

// A message of a topic.
typedef struct {
    // The message: a copy that belongs to the subscriber and stays until it reads again or is
    // closed.
    const uint8_t *bytes;
    // Bytes of the message. Of records, no more than this program knows.
    size_t len;
    // Its number, from 1 on; each publisher begins anew.
    uint64_t number;
    // The number of its publisher among all that the topic had.
    uint64_t generation;
    // Messages that this subscriber has missed just before it.
    uint64_t skipped;
    // How long ago it was published, in nanoseconds.
    uint64_t age_nanos;
    // Whether it is the first one of another publisher.
    bool is_restarted;
} rp_topic_message;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Connects to the server of that name, and waits until that is done. `options` may be NULL.
//
// Threads: that of the loop. No callback is called meanwhile.
rp_status rp_client_connect(const rp_loop *event_loop,
                            const char *name,
                            const rp_client_options *options,
                            rp_client **client,
                            rp_error **error);

// Sends a request and waits for its outcome, which is a reply to be freed by rp_reply_free, or an
// error. `options` may be NULL.
//
// Threads: that of the loop. No callback is called meanwhile.
rp_status rp_client_request(const rp_client *client,
                            const char *method,
                            const uint8_t *payload,
                            size_t len,
                            const rp_call_options *options,
                            rp_reply **reply,
                            rp_error **error);

// Sends a request without waiting. `callback` is called once with its outcome, by the loop, or by
// rp_client_close if that comes first. `id`, unless it is NULL, is set to what rp_client_cancel
// takes. `options` may be NULL.
//
// Threads: that of the loop, also for the callback.
rp_status rp_client_start(const rp_client *client,
                          const char *method,
                          const uint8_t *payload,
                          size_t len,
                          const rp_call_options *options,
                          rp_reply_fn callback,
                          void *data,
                          uint64_t *id,
                          rp_error **error);

// Cancels a request that was started: its callback is called with RP_STATUS_CANCELLED. One that
// has its outcome is left alone.
//
// Threads: that of the loop.
rp_status rp_client_cancel(const rp_client *client, uint64_t id, rp_error **error);

// Sends a one-way message without waiting. It is in the ring when this returns, or waits for room
// in memory of this process. `options` may be NULL.
//
// Threads: that of the loop.
rp_status rp_client_notify(const rp_client *client,
                           const char *event,
                           const uint8_t *payload,
                           size_t len,
                           const rp_call_options *options,
                           rp_error **error);

// Has the loop call `callback` for each event of that name, until rp_client_off is called with
// `subscription`, or the client is closed. `subscription` may be NULL.
//
// Threads: that of the loop, also for the callback.
rp_status rp_client_on(const rp_client *client,
                       const char *event,
                       rp_event_fn callback,
                       void *data,
                       uint64_t *subscription,
                       rp_error **error);

// Ends a subscription. RP_STATUS_NOTHING if there is none of that number.
//
// Threads: that of the loop.
rp_status rp_client_off(const rp_client *client, uint64_t subscription, rp_error **error);

// Has the loop call `callback` once the connection is over, unless rp_client_close has ended it.
// It takes the place of one that was given before; NULL: none is called.
//
// Threads: that of the loop, also for the callback.
rp_status rp_client_on_closed(const rp_client *client,
                              rp_closed_fn callback,
                              void *data,
                              rp_error **error);

// Whether the connection is over, as of the last drive or wait. A client whose connection is over
// is still to be closed.
//
// Threads: that of the loop.
rp_status rp_client_is_closed(const rp_client *client, bool *is_closed, rp_error **error);

// Closes the connection gracefully, which takes a second at most, frees the client, and sets the
// pointer to NULL. Callbacks of requests in flight are called before it returns.
//
// Threads: that of the loop.
rp_status rp_client_close(rp_client **client, rp_error **error);

// Bytes of a reply. 0 for NULL.
//
// Threads: any, one at a time.
size_t rp_reply_len(const rp_reply *reply);

// The bytes of a reply, which live as long as it does. NULL for NULL.
//
// Threads: any, one at a time.
const uint8_t *rp_reply_bytes(const rp_reply *reply);

// How a reply is encoded, an rp_codec. 0 for NULL.
//
// Threads: any, one at a time.
uint32_t rp_reply_codec(const rp_reply *reply);

// Copies the bytes of a reply. RP_STATUS_BUFFER_TOO_SMALL, and nothing is copied, unless there is
// room for all; `len`, unless it is NULL, is set to how many there are.
//
// Threads: any, one at a time.
rp_status rp_reply_copy(const rp_reply *reply,
                        uint8_t *buffer,
                        size_t capacity,
                        size_t *len,
                        rp_error **error);

// Frees a reply and sets the pointer to NULL.
//
// Threads: any, one at a time.
rp_status rp_reply_free(rp_reply **reply, rp_error **error);

// The status that was returned with this error. RP_STATUS_OK for NULL.
//
// Threads: any, one at a time.
rp_status rp_error_status(const rp_error *error);

// The stable text to branch on: "ERR_TIMEOUT", or what a handler of the peer has called its error.
// It lives as long as the error. "" for NULL.
//
// Threads: any, one at a time.
const char *rp_error_code(const rp_error *error);

// What happened, for people, in UTF-8. It lives as long as the error. "" for NULL.
//
// Threads: any, one at a time.
const char *rp_error_message(const rp_error *error);

// Whether a handler of the peer has failed with it. False for NULL.
//
// Threads: any, one at a time.
bool rp_error_is_remote(const rp_error *error);

// Frees an error and sets the pointer to NULL. NULL is no error and nothing to free.
//
// Errors that callbacks get belong to the library and are not freed.
//
// Threads: any, one at a time.
void rp_error_free(rp_error **error);

// Makes a loop.
//
// Threads: any. A loop and everything on it are used by one thread at a time: a call that comes
// while another thread is in one fails with RP_STATUS_BUSY.
rp_status rp_loop_new(rp_loop **event_loop, rp_error **error);

// The descriptor by which the program's own loop waits: it can be read when rp_loop_drive has
// something to do. It belongs to the loop, and is neither read nor closed by the program.
//
// Threads: that of the loop.
rp_status rp_loop_fd(const rp_loop *event_loop, int *fd, rp_error **error);

// Does what is ready and calls the callbacks it concerns, in this thread. Never waits.
//
// Callbacks may call everything, this included, and may close what they were called for.
//
// Threads: that of the loop.
rp_status rp_loop_drive(const rp_loop *event_loop, rp_error **error);

// Waits until a callback has been called, or for so many milliseconds; below 0: for ever.
// `has_called`, unless it is NULL, is set to whether one was.
//
// Threads: that of the loop.
rp_status rp_loop_wait(const rp_loop *event_loop,
                       int64_t timeout_ms,
                       bool *has_called,
                       rp_error **error);

// Frees a loop and sets the pointer to NULL. What is on it can still be used, and closed.
//
// Threads: that of the loop.
rp_status rp_loop_free(rp_loop **event_loop, rp_error **error);

// Becomes the writer of the frame `name`. `options` may be NULL.
//
// RP_STATUS_NAME_IN_USE: it has a writer that lives.
//
// Threads: any. A writer is used by one thread at a time.
rp_status rp_frame_writer_create(const char *name,
                                 const rp_publish_options *options,
                                 rp_frame_writer **writer,
                                 rp_error **error);

// Replaces the value. `number`, unless it is NULL, is set to that of the value, one more than that
// of the last one.
//
// RP_STATUS_NAME_IN_USE: another writer has taken the name.
//
// Threads: one at a time. It never waits.
rp_status rp_frame_writer_write(const rp_frame_writer *writer,
                                const uint8_t *value,
                                size_t len,
                                uint64_t *number,
                                rp_error **error);

// Ends a writer, frees it, and sets the pointer to NULL. The last value stays, and is stale; with
// `remove` it goes.
//
// Threads: one at a time.
rp_status rp_frame_writer_close(rp_frame_writer **writer, bool remove, rp_error **error);

// Opens a reader of the frame `name`, whether or not there is one by now. `options` may be NULL.
//
// Threads: any. A reader is used by one thread at a time.
rp_status rp_frame_reader_open(const char *name,
                               const rp_read_options *options,
                               rp_frame_reader **reader,
                               rp_error **error);

// Reads the newest value into `frame`. It takes no lock of any process and never waits, and what
// is read is whole.
//
// RP_STATUS_LAYOUT: its records are others than this program knows.
//
// Threads: one at a time.
rp_status rp_frame_reader_read(const rp_frame_reader *reader, rp_frame *frame, rp_error **error);

// Copies the value that was read last into a buffer of the caller's. RP_STATUS_BUFFER_TOO_SMALL,
// and nothing is copied, unless there is room for all; `len`, unless it is NULL, is set to how
// many bytes there are.
//
// Threads: one at a time.
rp_status rp_frame_reader_copy(const rp_frame_reader *reader,
                               uint8_t *buffer,
                               size_t capacity,
                               size_t *len,
                               rp_error **error);

// The codec of the values, and the description of their records, if they are such: it is copied as
// rp_frame_reader_copy copies, without a NUL. RP_STATUS_NOTHING: nothing was read yet. `codec` may
// be NULL.
//
// Threads: one at a time.
rp_status rp_frame_reader_format(const rp_frame_reader *reader,
                                 uint32_t *codec,
                                 char *buffer,
                                 size_t capacity,
                                 size_t *len,
                                 rp_error **error);

// Has the loop call `callback` when there may be something new to read: it reads then, and finds
// out. Another loop takes the place of one that has watched before.
//
// Threads: that of the loop, also for the callback, and for the reader from now on.
rp_status rp_frame_reader_watch(const rp_frame_reader *reader,
                                const rp_loop *event_loop,
                                rp_ready_fn callback,
                                void *data,
                                rp_error **error);

// Closes a reader, frees it, and sets the pointer to NULL. Its callback is not called any more.
//
// Threads: one at a time, and that of the loop which watches it.
rp_status rp_frame_reader_close(rp_frame_reader **reader, rp_error **error);

// Becomes the server of that name. Clients are served while the loop is driven. `options` may be
// NULL.
//
// Threads: that of the loop.
rp_status rp_server_bind(const rp_loop *event_loop,
                         const char *name,
                         const rp_server_options *options,
                         rp_server **server,
                         rp_error **error);

// Has the loop call `callback` for each request of that method. The request is the callback's: it
// is answered by rp_request_reply or rp_request_fail, in the callback or later. Another callback
// of the same method takes its place.
//
// Threads: that of the loop, also for the callback.
rp_status rp_server_handle(const rp_server *server,
                           const char *method,
                           rp_request_fn callback,
                           void *data,
                           rp_error **error);

// Sends an event to all clients, without waiting. `count`, unless it is NULL, is set to how many
// it was sent to; one that takes no more is left out. `options` may be NULL.
//
// Threads: that of the loop.
rp_status rp_server_notify(const rp_server *server,
                           const char *event,
                           const uint8_t *payload,
                           size_t len,
                           const rp_call_options *options,
                           size_t *count,
                           rp_error **error);

// Gives the name up, closes all connections gracefully, which takes a second at most, frees the
// server, and sets the pointer to NULL. Requests that are not answered yet are still to be.
//
// Threads: that of the loop.
rp_status rp_server_close(rp_server **server, rp_error **error);

// Answers a request, frees it, and sets the pointer to NULL. RP_STATUS_CLOSED: its connection is
// over. `options` may be NULL; of them, the codec counts.
//
// Threads: that of the loop.
rp_status rp_request_reply(rp_request **request,
                           const uint8_t *payload,
                           size_t len,
                           const rp_call_options *options,
                           rp_error **error);

// Answers a request with an error: `code` is the stable text to branch on, `message` is for
// people. Frees the request and sets the pointer to NULL.
//
// Threads: that of the loop.
rp_status rp_request_fail(rp_request **request,
                          const char *code,
                          const char *message,
                          rp_error **error);

// Becomes the publisher of the topic `name`. `options` may be NULL.
//
// RP_STATUS_NAME_IN_USE: it has a publisher that lives.
//
// Threads: any. A publisher is used by one thread at a time.
rp_status rp_publisher_create(const char *name,
                              const rp_publish_options *options,
                              rp_publisher **publisher,
                              rp_error **error);

// Publishes a message. If lossless subscribers hold it up it waits, as long as the publisher's
// options say, and then cuts them off. `number`, unless it is NULL, is set to that of the message.
//
// Threads: one at a time.
rp_status rp_publisher_publish(const rp_publisher *publisher,
                               const uint8_t *message,
                               size_t len,
                               uint64_t *number,
                               rp_error **error);

// As rp_publisher_publish, without waiting. RP_STATUS_NOTHING: lossless subscribers hold it up.
// Try again when rp_publisher_watch says so, or go on without them: rp_publisher_cut_off.
//
// Threads: one at a time.
rp_status rp_publisher_try_publish(const rp_publisher *publisher,
                                   const uint8_t *message,
                                   size_t len,
                                   uint64_t *number,
                                   rp_error **error);

// Goes on without the subscribers that have held up the last message: their next read fails with
// RP_STATUS_LAGGED.
//
// Threads: one at a time.
rp_status rp_publisher_cut_off(const rp_publisher *publisher, rp_error **error);

// Has the loop call `callback` when lossless subscribers may have made room.
//
// Threads: that of the loop, also for the callback, and for the publisher from now on.
rp_status rp_publisher_watch(const rp_publisher *publisher,
                             const rp_loop *event_loop,
                             rp_ready_fn callback,
                             void *data,
                             rp_error **error);

// Ends a publisher, frees it, and sets the pointer to NULL. What was published can still be read;
// with `remove` it goes.
//
// Threads: one at a time, and that of the loop which watches it.
rp_status rp_publisher_close(rp_publisher **publisher, bool remove, rp_error **error);

// Subscribes to the topic `name`, whether or not there is one by now. `mode` is an
// rp_subscriber_mode, `start` an rp_subscriber_start. `options` may be NULL.
//
// Threads: any. A subscriber is used by one thread at a time.
rp_status rp_subscriber_open(const char *name,
                             uint32_t mode,
                             uint32_t start,
                             const rp_read_options *options,
                             rp_subscriber **subscriber,
                             rp_error **error);

// Reads the next message. RP_STATUS_NOTHING: there is none now. RP_STATUS_LAGGED: this lossless
// subscriber was too slow, and has missed messages; it is of no use any more.
//
// Threads: one at a time. It never waits.
rp_status rp_subscriber_read(const rp_subscriber *subscriber,
                             rp_topic_message *message,
                             rp_error **error);

// Copies the message that was read last, as rp_frame_reader_copy does.
//
// Threads: one at a time.
rp_status rp_subscriber_copy(const rp_subscriber *subscriber,
                             uint8_t *buffer,
                             size_t capacity,
                             size_t *len,
                             rp_error **error);

// Whether the publisher lives.
//
// Threads: one at a time.
rp_status rp_subscriber_has_publisher(const rp_subscriber *subscriber,
                                      bool *has_publisher,
                                      rp_error **error);

// Has the loop call `callback` when there may be messages: it reads then until there is none left.
// Another loop takes the place of one that has watched before.
//
// Threads: that of the loop, also for the callback, and for the subscriber from now on.
rp_status rp_subscriber_watch(const rp_subscriber *subscriber,
                              const rp_loop *event_loop,
                              rp_ready_fn callback,
                              void *data,
                              rp_error **error);

// Closes a subscriber, frees it, and sets the pointer to NULL. Its callback is not called any
// more.
//
// Threads: one at a time, and that of the loop which watches it.
rp_status rp_subscriber_close(rp_subscriber **subscriber, rp_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RINGPOST_H */
