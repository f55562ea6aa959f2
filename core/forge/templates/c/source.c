/* @NAME@: a source plugin for ctr-forge, in C.
 *
 * It builds a root filesystem of one directory and one file:
 *
 *     etc/
 *     etc/greeting    the option "greeting" and a line feed
 *
 * Start from here: the options in plugin.toml, read_greeting and build are what
 * makes this plugin what it is. json.h and job.h can stay as they are.
 */
#define _POSIX_C_SOURCE 200809L

#include "job.h"

CTRF_EMBED_MANIFEST("plugin.toml")

#define MAX_GREETING 4096 /* bytes */
#define BLOCK 512         /* of a tar stream */

/* Reads the greeting from the lock where there is one, else from the options. */
static int32_t read_greeting(struct job *job, json request, char **greeting, size_t *length) {
  static const char *const known[] = {"greeting", NULL};
  json from, target, lock, value;
  if (!json_member(request, "options", &from))
    return job_error(job, "usage", NULL, NULL, "the request has no options");
  int32_t code = job_check_options(job, from, known);
  if (code != CTRF_OK) return code;
  bool locked = json_member(request, "target", &target) && json_member(target, "lock", &lock) &&
                json_kind_of(lock) != JSON_NULL;
  if (locked) from = lock;
  if (!json_member(from, "greeting", &value) || json_kind_of(value) != JSON_STRING)
    return locked ? job_error(job, "input", NULL, NULL, "the lock names no greeting")
                  : job_error(job, "usage", "greeting", NULL, "the greeting is not a string");
  *greeting = json_string(value, length);
  if (!*greeting) return job_error(job, "internal", NULL, NULL, "out of memory");
  if (*length <= MAX_GREETING) return CTRF_OK;
  free(*greeting);
  return job_error(job, "usage", "greeting", "Choose a shorter one.",
                   "a greeting of %zu bytes is over the limit of %d", *length, MAX_GREETING);
}

/* ---- The methods. ---- */

static int32_t resolve(struct job *job, json request) {
  char *greeting = NULL;
  size_t length = 0;
  struct text answer = {0};
  int32_t code = read_greeting(job, request, &greeting, &length);
  if (code != CTRF_OK) return code;
  text_put(&answer, "{\"lock\":{\"greeting\":");
  text_quote(&answer, greeting, length);
  text_put(&answer, "}}");
  free(greeting);
  return job_answer(job, &answer);
}

/* Writes a number as a tar header has it: octal digits and a NUL. */
static void put_octal(char *field, size_t width, uint64_t number) {
  field[--width] = 0;
  while (width > 0) {
    field[--width] = (char)('0' + (number & 7));
    number >>= 3;
  }
}

/* An entry owned by 0:0 and dated 1970; ustar, which every PAX reader reads.
 * The checksum is taken with its own field as spaces. */
static void put_header(char block[BLOCK], const char *path, char type, unsigned mode, uint64_t size) {
  unsigned sum = 0;
  memset(block, 0, BLOCK);
  memcpy(block, path, strlen(path));
  put_octal(block + 100, 8, mode);
  put_octal(block + 108, 8, 0);
  put_octal(block + 116, 8, 0);
  put_octal(block + 124, 12, size);
  put_octal(block + 136, 12, 0);
  memset(block + 148, ' ', 8);
  block[156] = type;
  memcpy(block + 257, "ustar\0" "00", 8);
  for (int i = 0; i < BLOCK; i++) sum += (unsigned char)block[i];
  put_octal(block + 148, 7, sum);
}

/* The whole stream: a directory, a file, and the two empty blocks that end it. */
static int32_t write_rootfs(struct job *job, int rootfs, const char *content, size_t length) {
  static const char zeros[2 * BLOCK];
  char block[BLOCK];
  int32_t code;
  put_header(block, "etc/", '5', 0755, 0);
  if ((code = job_write(job, rootfs, block, BLOCK)) != CTRF_OK) return code;
  job_progress(job, 1, 2, "entries");
  put_header(block, "etc/greeting", '0', 0644, length);
  if ((code = job_write(job, rootfs, block, BLOCK)) != CTRF_OK) return code;
  if ((code = job_write(job, rootfs, content, length)) != CTRF_OK) return code;
  if ((code = job_write(job, rootfs, zeros, (BLOCK - length % BLOCK) % BLOCK)) != CTRF_OK) return code;
  if ((code = job_write(job, rootfs, zeros, sizeof zeros)) != CTRF_OK) return code;
  job_progress(job, 2, 2, "entries");
  return CTRF_OK;
}

/* Lets the host digest the content, through a file that has no name; shows how
 * files travel. A host without these services is no reason to fail. */
static int32_t log_digest(struct job *job, const char *content, size_t length) {
  struct text answer = {0}, params = {0};
  json result, value;
  int file = -1;
  int32_t code = job_call(job, "file.temp", "{}", &answer, &result);
  if (code == CTRF_ERR) return job_pass_on(job, &answer);
  bool usable = code == CTRF_OK && json_member(result, "file", &value) && job_file(value, &file);
  text_free(&answer);
  if (!usable) return CTRF_OK;
  if ((code = job_write(job, file, content, length)) != CTRF_OK) return code;

  text_put(&params, "{\"file\":{\"$fd\":");
  text_int(&params, file);
  text_add(&params, "}}", 3); /* with the NUL, to be a C string */
  code = params.failed ? CTRF_UNKNOWN_METHOD : job_call(job, "file.digest", params.at, &answer, &result);
  text_free(&params);
  if (code == CTRF_ERR) return job_pass_on(job, &answer);
  if (code == CTRF_OK && json_member(result, "digest", &value) && json_kind_of(value) == JSON_STRING)
    job_log(job, "etc/greeting is ", value.at + 1, (size_t)(value.end - value.at) - 2);
  text_free(&answer);
  return CTRF_OK;
}

/* The content of etc/greeting from the greeting, which is freed. */
static int32_t build_from(struct job *job, json request, char *greeting, size_t length) {
  json target, value;
  int rootfs = -1;
  greeting[length++] = '\n'; /* in the place of its NUL */
  int32_t code = CTRF_OK;
  if (!json_member(request, "target", &target) || !json_member(target, "rootfs", &value) ||
      !job_file(value, &rootfs))
    code = job_error(job, "usage", NULL, NULL, "the request names no file for the root filesystem");
  if (code == CTRF_OK) {
    job_phase(job, "digest");
    code = log_digest(job, greeting, length);
  }
  if (code == CTRF_OK) {
    job_phase(job, "write");
    code = write_rootfs(job, rootfs, greeting, length);
  }
  free(greeting);
  if (code != CTRF_OK) return code;
  struct text report = {0};
  text_put(&report, "{}");
  return job_answer(job, &report);
}

static int32_t build(struct job *job, json request) {
  char *greeting = NULL;
  size_t length = 0;
  int32_t code = read_greeting(job, request, &greeting, &length);
  if (code != CTRF_OK) return code;
  return build_from(job, request, greeting, length);
}

/* Proposes values for an option; none for those it knows nothing of. */
static int32_t complete(struct job *job, json request) {
  static const char *const greetings[] = {"hello", "welcome", NULL};
  json option, prefix;
  struct text answer = {0};
  const char *separator = "";
  size_t length = 0;
  char *typed = json_member(request, "prefix", &prefix) ? json_string(prefix, &length) : NULL;
  bool known = json_member(request, "option", &option) && json_equals(option, "greeting");
  text_put(&answer, "{\"candidates\":[");
  for (int i = 0; known && greetings[i]; i++) {
    if (typed && strncmp(greetings[i], typed, length) != 0) continue;
    text_put(&answer, separator);
    text_quote(&answer, greetings[i], strlen(greetings[i]));
    separator = ",";
  }
  text_put(&answer, "]}");
  free(typed);
  return job_answer(job, &answer);
}

/* Says what is missing on this machine: here, whether the host is as new as we would like. */
static int32_t doctor(struct job *job, json request) {
  struct text answer = {0}, host = {0};
  json info, services, service;
  bool found = false;
  (void)request;
  int32_t code = job_call(job, "host.info", "{}", &host, &info);
  if (code == CTRF_ERR) return job_pass_on(job, &host);
  if (code == CTRF_OK && json_member(info, "services", &services)) {
    json_items items = json_each(services);
    while (json_next(&items, NULL, &service)) found = found || json_equals(service, "file.digest");
  }
  text_free(&host);
  text_put(&answer, "{\"checks\":[{\"name\":\"host service file.digest\",\"ok\":");
  text_put(&answer, found ? "true" : "false,\"hint\":\"Use a newer ctr-forge.\"");
  text_put(&answer, "}]}");
  return job_answer(job, &answer);
}

/* ---- The entry. ---- */

static int32_t invoke(const ctrf_host *host, ctrf_bytes method, ctrf_bytes params, const ctrf_reply *reply) {
  static const job_method methods[] = {
      {"resolve", resolve}, {"build", build}, {"complete", complete}, {"doctor", doctor}, {NULL, NULL}};
  struct job job = {.host = host, .reply = reply};
  return job_run(&job, method, params, "source", "@NAME@", methods);
}

__attribute__((visibility("default"))) const ctrf_plugin *ctr_forge_plugin_v1_@IDENT@(void) {
  static ctrf_plugin plugin = {.size = sizeof plugin, .abi_minor = CTRF_ABI_MINOR, .invoke = invoke};
  plugin.manifest = (ctrf_bytes){ctrf_manifest, (size_t)(ctrf_manifest_end - ctrf_manifest)};
  return &plugin;
}
