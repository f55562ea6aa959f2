/* The C interface between ctr-forge and a plugin, major version 1.
 *
 * This header is all that a plugin in C needs; docs/PLUGIN-PROTOCOL.md says
 * what travels through it. Nothing here will change within major version 1
 * but for fields appended to ctrf_host and ctrf_plugin: read a field only if
 * `size` reaches past it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef CTR_FORGE_PLUGIN_H
#define CTR_FORGE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CTRF_ABI_MAJOR 1u
#define CTRF_ABI_MINOR 0u

/* A borrowed run of bytes, valid only for the call it is passed to. */
typedef struct ctrf_bytes {
  const uint8_t *ptr;
  size_t len;
} ctrf_bytes;

/* Where an answer goes. The callee calls `put` as often as it likes; what it
 * puts is copied and joined. Nothing allocated on one side is freed on the other. */
typedef struct ctrf_reply {
  void *ctx;
  void (*put)(void *ctx, ctrf_bytes part);
} ctrf_reply;

/* Answers of `invoke` and `call`. */
enum {
  CTRF_OK = 0,             /* the reply is the result, JSON */
  CTRF_ERR = 1,            /* the reply is an error, JSON */
  CTRF_UNKNOWN_METHOD = 2, /* no reply */
  CTRF_PANIC = 3           /* the plugin's own language failed; the reply is an error, JSON */
};

/* What the host offers a plugin. Every function may be called from any thread
 * until `invoke` returns, and from none afterwards. */
typedef struct ctrf_host {
  uint32_t size; /* sizeof(ctrf_host) of the host */
  uint32_t abi_minor;
  void *ctx;
  /* Reports an event (JSON). Returns 1 if the job was cancelled, else 0. */
  int32_t (*event)(void *ctx, ctrf_bytes json);
  /* Returns 1 if the job was cancelled. */
  int32_t (*cancelled)(void *ctx);
  /* Asks for a host service: parameters and answer are JSON. A file travels as
   * {"$fd": N}, N being a descriptor of this process: those in an answer
   * belong to the caller from then on, those in parameters stay the caller's. */
  int32_t (*call)(void *ctx, ctrf_bytes method, ctrf_bytes params, const ctrf_reply *reply);
  /* An extension by name; NULL if the host has none of that name. */
  const void *(*extension)(void *ctx, ctrf_bytes id);
} ctrf_host;

/* What a plugin offers the host. */
typedef struct ctrf_plugin {
  uint32_t size; /* sizeof(ctrf_plugin) of the plugin */
  uint32_t abi_minor;
  ctrf_bytes manifest; /* plugin.toml, the same bytes as in the note */
  /* Runs a method. Never called concurrently. Descriptors in the parameters
   * ({"$fd": N}) belong to the plugin. */
  int32_t (*invoke)(const ctrf_host *host, ctrf_bytes method, ctrf_bytes params,
                    const ctrf_reply *reply);
  /* An extension by name; NULL if the plugin has none of that name. */
  const void *(*extension)(ctrf_bytes id);
} ctrf_plugin;

/* The one symbol that a plugin exports is
 *
 *     const ctrf_plugin *ctr_forge_plugin_v1_NAME(void);
 *
 * where NAME is the manifest's `name` with '-' written as '_'.
 *
 * The manifest is also embedded as an ELF note, so that the host can read it
 * without running the plugin. CTRF_EMBED_MANIFEST writes that note and defines
 * the symbols ctrf_manifest and ctrf_manifest_end around its text:
 *
 *     CTRF_EMBED_MANIFEST("plugin.toml")
 *
 * The path is looked up as .incbin does: in the current directory, then along
 * -Wa,-I. */
#define CTRF_NOTE_TYPE 0x63746601
#define CTRF_NOTE_FLAG_UNWIND 1   /* a Rust plugin whose panics unwind */
#define CTRF_NOTE_FLAG_UNSTABLE 2 /* built before major version 1 was frozen */

#define CTRF_STRING_(x) #x
#define CTRF_STRING(x) CTRF_STRING_(x)
#define CTRF_EMBED_MANIFEST(path)                                              \
  __asm__(".pushsection .note.ctr-forge,\"a\",%note\n"                         \
          ".balign 4\n"                                                        \
          ".long 10, ctrf_manifest_end - ctrf_note_desc\n"                     \
          ".long " CTRF_STRING(CTRF_NOTE_TYPE) "\n"                            \
          ".asciz \"ctr-forge\"\n"                                             \
          ".balign 4\n"                                                        \
          "ctrf_note_desc:\n"                                                  \
          ".long 1, 0, " CTRF_STRING(CTRF_NOTE_FLAG_UNSTABLE) ", 0\n"          \
          ".hidden ctrf_manifest\n"                                            \
          ".globl ctrf_manifest\n"                                             \
          "ctrf_manifest:\n"                                                   \
          ".incbin \"" path "\"\n"                                             \
          ".hidden ctrf_manifest_end\n"                                        \
          ".globl ctrf_manifest_end\n"                                         \
          "ctrf_manifest_end:\n"                                               \
          ".balign 4\n"                                                        \
          ".popsection\n");                                                    \
  extern const uint8_t ctrf_manifest[], ctrf_manifest_end[];

#ifdef __cplusplus
}
#endif
#endif
