/* One call of the host, seen from a plugin: its files, events, services and answers.
 *
 * Everything that any plugin in C needs around ctr_forge_plugin.h stands here,
 * so that plugin.c holds only what is its own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef JOB_H
#define JOB_H

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "ctr_forge_plugin.h"
#include "json.h"

#define JOB_PROTOCOL 1
#define JOB_MAX_FILES 1024 /* a message brings 250 at most */
#define JOB_PIECE 4096     /* a pipe that poll calls ready has room for so much (PIPE_BUF) */

struct job {
  const ctrf_host *host;
  const ctrf_reply *reply;
  int files[JOB_MAX_FILES]; /* descriptors that belong to this call */
  int count;
};

/* Whether the host's table reaches as far as this function, and has it. */
#define JOB_HAS(job, field)                                                                 \
  ((job)->host->size >= offsetof(ctrf_host, field) + sizeof((job)->host->field) && (job)->host->field)

static inline ctrf_bytes job_bytes(const char *at, size_t length) {
  return (ctrf_bytes){(const uint8_t *)at, length};
}

/* ---- Files. ---- */

/* The descriptor behind a file reference, {"$fd": N}. */
static inline bool job_file(json value, int *file) {
  json name, number, more;
  int64_t fd;
  json_items items = json_each(value);
  if (!items.object || !json_next(&items, &name, &number) || json_next(&items, NULL, &more)) return false;
  if (!json_equals(name, "$fd") || !json_int(number, &fd) || fd < 0 || fd > INT32_MAX) return false;
  *file = (int)fd;
  return true;
}

/* Takes over every descriptor that a message names, so that job_close closes
 * each of them once, whatever becomes of the call. */
static inline void job_adopt(struct job *job, json message) {
  int file;
  json item;
  if (job_file(message, &file)) {
    for (int i = 0; i < job->count; i++)
      if (job->files[i] == file) return;
    if (job->count < JOB_MAX_FILES) job->files[job->count++] = file;
    return;
  }
  json_items items = json_each(message);
  while (json_next(&items, NULL, &item)) job_adopt(job, item);
}

static inline void job_close(struct job *job) {
  for (int i = 0; i < job->count; i++) close(job->files[i]);
  job->count = 0;
}

/* ---- Events. ---- */

static inline bool job_cancelled(struct job *job) {
  return JOB_HAS(job, cancelled) && job->host->cancelled(job->host->ctx) != 0;
}

static inline void job_event(struct job *job, struct text *event) {
  if (JOB_HAS(job, event) && !event->failed)
    job->host->event(job->host->ctx, job_bytes(event->at, event->length));
  text_free(event);
}

static inline void job_phase(struct job *job, const char *name) {
  struct text event = {0};
  text_put(&event, "{\"t\":\"phase\",\"name\":");
  text_quote(&event, name, strlen(name));
  text_put(&event, "}");
  job_event(job, &event);
}

static inline void job_progress(struct job *job, int64_t done, int64_t total, const char *unit) {
  struct text event = {0};
  text_put(&event, "{\"t\":\"progress\",\"done\":");
  text_int(&event, done);
  text_put(&event, ",\"total\":");
  text_int(&event, total);
  text_put(&event, ",\"unit\":");
  text_quote(&event, unit, strlen(unit));
  text_put(&event, "}");
  job_event(job, &event);
}

/* A line for whoever follows the work: `label`, then `bytes`. */
static inline void job_log(struct job *job, const char *label, const char *bytes, size_t length) {
  struct text line = {0}, event = {0};
  text_put(&line, label);
  text_add(&line, bytes, length);
  text_put(&event, "{\"t\":\"log\",\"level\":\"info\",\"message\":");
  text_quote(&event, line.at, line.length);
  text_put(&event, "}");
  text_free(&line);
  job_event(job, &event);
}

/* ---- Answers: each function returns what `invoke` is to return. ---- */

static inline void job_put(struct job *job, const char *bytes, size_t length) {
  job->reply->put(job->reply->ctx, job_bytes(bytes, length));
}

/* Answers with a result, and frees it. */
static inline int32_t job_answer(struct job *job, struct text *result) {
  static const char failed[] = "{\"kind\":\"internal\",\"message\":\"out of memory\"}";
  bool complete = !result->failed;
  if (complete)
    job_put(job, result->at, result->length);
  else
    job_put(job, failed, sizeof failed - 1);
  text_free(result);
  return complete ? CTRF_OK : CTRF_ERR;
}

/* Answers with an error. `option` and `hint` may be NULL. `message` is a lower-case
 * fragment without a full stop, as for printf; `hint` is a sentence. */
__attribute__((format(printf, 5, 6))) static inline int32_t job_error(
    struct job *job, const char *kind, const char *option, const char *hint, const char *message, ...) {
  char line[512];
  struct text error = {0};
  va_list arguments;
  va_start(arguments, message);
  vsnprintf(line, sizeof line, message, arguments);
  va_end(arguments);
  text_put(&error, "{\"kind\":");
  text_quote(&error, kind, strlen(kind));
  text_put(&error, ",\"message\":");
  text_quote(&error, line, strlen(line));
  if (option) {
    text_put(&error, ",\"option\":");
    text_quote(&error, option, strlen(option));
  }
  if (hint) {
    text_put(&error, ",\"hints\":[");
    text_quote(&error, hint, strlen(hint));
    text_put(&error, "]");
  }
  text_put(&error, "}");
  job_answer(job, &error);
  return CTRF_ERR;
}

static inline int32_t job_error_cancelled(struct job *job) {
  return job_error(job, "cancelled", NULL, NULL, "the job was cancelled");
}

/* ---- Services of the host. ---- */

static inline void job_take_answer(void *answer, ctrf_bytes part) {
  text_add(answer, (const char *)part.ptr, part.len);
}

/* Calls a service. CTRF_OK: `result` is a span of `answer`, and its files belong
 * to the job. CTRF_UNKNOWN_METHOD: this host has no such service. CTRF_ERR: it
 * failed; `answer` is the error, for job_pass_on. Free `answer` in every case. */
static inline int32_t job_call(struct job *job, const char *method, const char *params, struct text *answer,
                               json *result) {
  ctrf_reply reply = {answer, job_take_answer};
  if (!JOB_HAS(job, call)) return CTRF_UNKNOWN_METHOD;
  int32_t code = job->host->call(job->host->ctx, job_bytes(method, strlen(method)),
                                 job_bytes(params, strlen(params)), &reply);
  if (code == CTRF_UNKNOWN_METHOD) return code;
  if (answer->failed || !json_read(answer->at, answer->length, result)) {
    text_free(answer);
    text_put(answer, "{\"kind\":\"internal\",\"message\":\"the host's answer cannot be read\"}");
    return CTRF_ERR;
  }
  if (code == CTRF_OK) job_adopt(job, *result);
  return code == CTRF_OK ? CTRF_OK : CTRF_ERR;
}

/* Answers with the error that a service answered with, and frees it. */
static inline int32_t job_pass_on(struct job *job, struct text *error) {
  job_answer(job, error);
  return CTRF_ERR;
}

/* ---- Requests. CTRF_OK: go on; anything else has been answered. ---- */

/* Checks that the request is meant for this component of this plugin. */
static inline int32_t job_check_request(struct job *job, json request, const char *role,
                                        const char *component) {
  json value;
  int64_t protocol;
  if (json_kind_of(request) != JSON_OBJECT)
    return job_error(job, "usage", NULL, NULL, "the request is not an object");
  if (json_member(request, "protocol", &value) && json_int(value, &protocol) && protocol != JOB_PROTOCOL)
    return job_error(job, "unsupported", NULL, NULL, "the host speaks protocol %lld, this plugin %d",
                     (long long)protocol, JOB_PROTOCOL);
  if (!json_member(request, "role", &value) || !json_equals(value, role) ||
      !json_member(request, "component", &value) || !json_equals(value, component))
    return job_error(job, "usage", NULL, NULL, "this plugin has only the %s \"%s\"", role, component);
  return CTRF_OK;
}

/* Refuses options that are not in `known`, which ends with NULL. */
static inline int32_t job_check_options(struct job *job, json options, const char *const known[]) {
  json name, value;
  if (json_kind_of(options) != JSON_OBJECT)
    return job_error(job, "usage", NULL, NULL, "the options are not an object");
  json_items items = json_each(options);
  while (json_next(&items, &name, &value)) {
    size_t length = 0, i = 0;
    while (known[i] && !json_equals(name, known[i])) i++;
    if (known[i]) continue;
    char *text = json_string(name, &length);
    int32_t code = job_error(job, "usage", text ? text : "", NULL, "there is no option \"%s\"",
                             text ? text : "");
    free(text);
    return code;
  }
  return CTRF_OK;
}

/* Writes all of it, in pieces, so that a cancelled job does not wait for a
 * reader that has stopped reading. */
static inline int32_t job_write(struct job *job, int file, const char *bytes, size_t length) {
  while (length > 0) {
    struct pollfd ready = {.fd = file, .events = POLLOUT};
    if (job_cancelled(job)) return job_error_cancelled(job);
    if (poll(&ready, 1, 100) == 0) continue;
    ssize_t written = write(file, bytes, length < JOB_PIECE ? length : JOB_PIECE);
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0 && job_cancelled(job)) return job_error_cancelled(job);
    if (written < 0) return job_error(job, "io", NULL, NULL, "cannot write the result: %s", strerror(errno));
    bytes += written;
    length -= (size_t)written;
  }
  return CTRF_OK;
}

/* ---- The way in. ---- */

typedef struct job_method {
  const char *name;
  int32_t (*run)(struct job *job, json request);
} job_method;

static inline int32_t job_dispatch(struct job *job, const job_method *method, bool valid, json request,
                                   const char *role, const char *component) {
  if (!method->name) return CTRF_UNKNOWN_METHOD;
  if (!valid) return job_error(job, "usage", NULL, NULL, "the request is not JSON");
  int32_t code = job_check_request(job, request, role, component);
  if (code != CTRF_OK) return code;
  return job_cancelled(job) ? job_error_cancelled(job) : method->run(job, request);
}

/* Runs one of `methods`, which end with a NULL name; closes all files of the call. */
static inline int32_t job_run(struct job *job, ctrf_bytes method, ctrf_bytes params, const char *role,
                              const char *component, const job_method *methods) {
  json request = {NULL, NULL};
  bool valid = json_read((const char *)params.ptr, params.len, &request);
  if (valid) job_adopt(job, request);
  while (methods->name &&
         (strlen(methods->name) != method.len || memcmp(methods->name, method.ptr, method.len) != 0))
    methods++;
  int32_t code = job_dispatch(job, methods, valid, request, role, component);
  job_close(job);
  return code;
}

#endif
