/* @NAME@: an output plugin for ctr-forge, in C.
 *
 * It writes the image's one layer as it is: a tar of the root filesystem. An
 * image of several layers is refused, for their tars one after the other would
 * not be a tar, and merging layers is the host's business.
 *
 * Start from here: plugin.toml says what is written and in which form layers
 * come, package does it. json.h and job.h can stay as they are.
 */
#define _POSIX_C_SOURCE 200809L

#include "job.h"

CTRF_EMBED_MANIFEST("plugin.toml")

#define PIECE 65536 /* bytes read at once */

/* The one layer: its descriptor and its size. */
static int32_t find_layer(struct job *job, json target, int *file, int64_t *size) {
  json layers, layer = {NULL, NULL}, item, value;
  int count = 0;
  if (!json_member(target, "layers", &layers))
    return job_error(job, "usage", NULL, NULL, "the request has no layers");
  json_items items = json_each(layers);
  for (; json_next(&items, NULL, &item); count++) layer = item;
  if (count != 1)
    return job_error(job, "unsupported", NULL, "Squash the image to one layer first.",
                     "a rootfs tar holds one layer, and this image has %d", count);
  if (!json_member(layer, "form", &value) || !json_equals(value, "tar"))
    return job_error(job, "usage", NULL, NULL, "the layer is not a plain tar");
  if (!json_member(layer, "file", &value) || !job_file(value, file) ||
      !json_member(layer, "size", &value) || !json_int(value, size))
    return job_error(job, "usage", NULL, NULL, "the layer has no file or no size");
  return CTRF_OK;
}

static int32_t find_destination(struct job *job, json target, int *file) {
  json destination, value;
  if (!json_member(target, "destination", &destination) || !json_member(destination, "kind", &value) ||
      !json_equals(value, "file") || !json_member(destination, "file", &value) || !job_file(value, file))
    return job_error(job, "usage", NULL, NULL, "the destination is not a file");
  return CTRF_OK;
}

/* Copies from offset 0: where the descriptor stands is anyone's guess. */
static int32_t copy(struct job *job, int from, int to, int64_t size) {
  static char piece[PIECE]; /* the host runs one call at a time */
  for (int64_t done = 0; done < size;) {
    size_t wanted = size - done < PIECE ? (size_t)(size - done) : PIECE;
    ssize_t length = pread(from, piece, wanted, done);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return job_error(job, "io", NULL, NULL, "cannot read the layer: %s", strerror(errno));
    if (length == 0)
      return job_error(job, "input", NULL, NULL, "the layer ends after %lld of %lld bytes", (long long)done,
                       (long long)size);
    int32_t code = job_write(job, to, piece, (size_t)length);
    if (code != CTRF_OK) return code;
    done += length;
    if (done == size || done % (1 << 20) == 0) job_progress(job, done, size, "bytes");
  }
  return CTRF_OK;
}

/* ---- The methods. ---- */

static int32_t package(struct job *job, json request) {
  static const char *const known[] = {NULL};
  json options, target;
  int layer = -1, destination = -1;
  int64_t size = 0;
  int32_t code;
  struct text report = {0};
  if (!json_member(request, "options", &options) || !json_member(request, "target", &target))
    return job_error(job, "usage", NULL, NULL, "the request has no options or no target");
  if ((code = job_check_options(job, options, known)) != CTRF_OK) return code;
  if ((code = find_layer(job, target, &layer, &size)) != CTRF_OK) return code;
  if ((code = find_destination(job, target, &destination)) != CTRF_OK) return code;
  job_phase(job, "write");
  if ((code = copy(job, layer, destination, size)) != CTRF_OK) return code;
  text_put(&report, "{\"hints\":[\"Unpack it with \\\"tar -xpf {}\\\".\"]}");
  return job_answer(job, &report);
}

/* There are no options, so there is nothing to complete. */
static int32_t complete(struct job *job, json request) {
  struct text answer = {0};
  (void)request;
  text_put(&answer, "{\"candidates\":[]}");
  return job_answer(job, &answer);
}

/* Nothing is needed that could be missing. */
static int32_t doctor(struct job *job, json request) {
  struct text answer = {0};
  (void)request;
  text_put(&answer, "{\"checks\":[]}");
  return job_answer(job, &answer);
}

/* ---- The entry. ---- */

static int32_t invoke(const ctrf_host *host, ctrf_bytes method, ctrf_bytes params, const ctrf_reply *reply) {
  static const job_method methods[] = {
      {"package", package}, {"complete", complete}, {"doctor", doctor}, {NULL, NULL}};
  struct job job = {.host = host, .reply = reply};
  return job_run(&job, method, params, "output", "@NAME@", methods);
}

__attribute__((visibility("default"))) const ctrf_plugin *ctr_forge_plugin_v1_@IDENT@(void) {
  static ctrf_plugin plugin = {.size = sizeof plugin, .abi_minor = CTRF_ABI_MINOR, .invoke = invoke};
  plugin.manifest = (ctrf_bytes){ctrf_manifest, (size_t)(ctrf_manifest_end - ctrf_manifest)};
  return &plugin;
}
