/* A small JSON reader and writer: what a plugin needs, and no more.
 *
 * Reading allocates nothing. json_read checks the whole text once; a value is
 * then a span of that text, and the other functions need no checks of their
 * own. Strings are UTF-8 without lone surrogates, nesting is bounded, and of
 * members with one name the last counts.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef JSON_H
#define JSON_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_DEPTH 128 /* the host nests no deeper either */

/* A value: the text from `at` up to `end`. Valid as long as the text is. */
typedef struct json {
  const char *at, *end;
} json;

typedef enum json_kind {
  JSON_NULL,
  JSON_BOOL,
  JSON_NUMBER,
  JSON_STRING,
  JSON_ARRAY,
  JSON_OBJECT
} json_kind;

/* ---- The grammar. Each function returns where it stopped, or NULL. ---- */

static inline const char *json_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

/* Takes one character of UTF-8; -1 where there is none. */
static inline int32_t json_utf8(const char **at, const char *end) {
  const unsigned char *byte = (const unsigned char *)*at;
  if (*at == end || (byte[0] >= 0x80 && byte[0] < 0xC2) || byte[0] > 0xF4) return -1;
  int more = byte[0] < 0x80 ? 0 : byte[0] < 0xE0 ? 1 : byte[0] < 0xF0 ? 2 : 3;
  if (end - *at <= more) return -1;
  int32_t code = more == 0 ? byte[0] : byte[0] & (0x3F >> more);
  for (int i = 1; i <= more; i++) {
    if ((byte[i] & 0xC0) != 0x80) return -1;
    code = code << 6 | (byte[i] & 0x3F);
  }
  bool overlong = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return -1;
  *at += more + 1;
  return code;
}

static inline int32_t json_hex(const char **at, const char *end) {
  int32_t code = 0;
  if (end - *at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    char c = *(*at)++;
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    code = code << 4 | digit;
  }
  return code;
}

/* Takes one character of a string, escaped or not; -1 where it is malformed. */
static inline int32_t json_char(const char **at, const char *end) {
  if (*at == end || (unsigned char)**at < 0x20) return -1;
  if (**at != '\\') return json_utf8(at, end);
  if (++*at == end) return -1;
  char escape = *(*at)++;
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *simple = escape ? strchr(from, escape) : NULL;
  if (simple) return to[simple - from];
  if (escape != 'u') return -1;
  int32_t high = json_hex(at, end);
  if (high < 0xD800 || high >= 0xE000) return high;
  if (high >= 0xDC00 || end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u') return -1;
  *at += 2;
  int32_t low = json_hex(at, end);
  if (low < 0xDC00 || low >= 0xE000) return -1;
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

static inline const char *json_skip_string(const char *at, const char *end) {
  if (at == end || *at++ != '"') return NULL;
  while (at < end && *at != '"')
    if (json_char(&at, end) < 0) return NULL;
  return at < end ? at + 1 : NULL;
}

static inline const char *json_skip_digits(const char *at, const char *end) {
  const char *start = at;
  while (at < end && *at >= '0' && *at <= '9') at++;
  return at > start ? at : NULL;
}

static inline const char *json_skip_number(const char *at, const char *end) {
  if (at < end && *at == '-') at++;
  const char *whole = at;
  if (!(at = json_skip_digits(at, end))) return NULL;
  if (*whole == '0' && at - whole > 1) return NULL;
  if (at < end && *at == '.' && !(at = json_skip_digits(at + 1, end))) return NULL;
  if (at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    at = json_skip_digits(at, end);
  }
  return at;
}

static inline const char *json_skip_word(const char *at, const char *end, const char *word) {
  size_t length = strlen(word);
  return (size_t)(end - at) >= length && memcmp(at, word, length) == 0 ? at + length : NULL;
}

static inline const char *json_skip(const char *at, const char *end, int depth);

/* The name of a member, its colon, and the space up to the value. */
static inline const char *json_skip_name(const char *at, const char *end) {
  if (!(at = json_skip_string(at, end))) return NULL;
  at = json_space(at, end);
  return at < end && *at == ':' ? json_space(at + 1, end) : NULL;
}

static inline const char *json_skip_items(const char *at, const char *end, int depth) {
  bool object = *at == '{';
  char close = object ? '}' : ']';
  at = json_space(at + 1, end);
  if (at < end && *at == close) return at + 1;
  for (;;) {
    if (object && !(at = json_skip_name(at, end))) return NULL;
    if (!(at = json_skip(at, end, depth - 1))) return NULL;
    at = json_space(at, end);
    if (at == end) return NULL;
    if (*at == close) return at + 1;
    if (*at != ',') return NULL;
    at = json_space(at + 1, end);
  }
}

static inline const char *json_skip(const char *at, const char *end, int depth) {
  if (at == end || depth == 0) return NULL;
  switch (*at) {
    case '{':
    case '[': return json_skip_items(at, end, depth);
    case '"': return json_skip_string(at, end);
    case 't': return json_skip_word(at, end, "true");
    case 'f': return json_skip_word(at, end, "false");
    case 'n': return json_skip_word(at, end, "null");
    default: return json_skip_number(at, end);
  }
}

/* ---- Reading. ---- */

/* Checks a whole text and gives its value; false where it is not JSON. */
static inline bool json_read(const char *text, size_t length, json *value) {
  if (length == 0) return false;
  const char *end = text + length;
  value->at = json_space(text, end);
  value->end = json_skip(value->at, end, JSON_DEPTH);
  return value->end && json_space(value->end, end) == end;
}

static inline json_kind json_kind_of(json value) {
  switch (*value.at) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't':
    case 'f': return JSON_BOOL;
    case 'n': return JSON_NULL;
    default: return JSON_NUMBER;
  }
}

static inline bool json_true(json value) { return *value.at == 't'; }

/* A walk through an array or object; through anything else it is over at once. */
typedef struct json_items {
  json rest;
  bool object;
} json_items;

static inline json_items json_each(json value) {
  json_items items = {{value.end, value.end}, json_kind_of(value) == JSON_OBJECT};
  if (items.object || json_kind_of(value) == JSON_ARRAY)
    items.rest = (json){json_space(value.at + 1, value.end), value.end - 1};
  return items;
}

/* The next item; false after the last. `name` (may be NULL) is set for objects only. */
static inline bool json_next(json_items *items, json *name, json *value) {
  const char *at = items->rest.at, *end = items->rest.end;
  if (at >= end) return false;
  if (items->object) {
    if (name) *name = (json){at, json_skip_string(at, end)};
    at = json_skip_name(at, end);
  }
  *value = (json){at, json_skip(at, end, JSON_DEPTH)};
  at = json_space(value->end, end);
  items->rest.at = at < end ? json_space(at + 1, end) : end;
  return true;
}

/* Whether the value is this string. */
static inline bool json_equals(json value, const char *text) {
  if (json_kind_of(value) != JSON_STRING) return false;
  const char *at = value.at + 1, *end = value.end - 1, *text_end = text + strlen(text);
  while (at < end && text < text_end)
    if (json_char(&at, end) != json_utf8(&text, text_end)) return false;
  return at == end && text == text_end;
}

/* The member of that name; false where there is none, or no object. */
static inline bool json_member(json object, const char *name, json *value) {
  bool found = false;
  json key, item;
  json_items items = json_each(object);
  while (items.object && json_next(&items, &key, &item))
    if (json_equals(key, name)) {
      *value = item;
      found = true;
    }
  return found;
}

/* A whole number; false where it is none, or does not fit. */
static inline bool json_int(json value, int64_t *number) {
  bool negative = *value.at == '-';
  int64_t result = 0;
  if (json_kind_of(value) != JSON_NUMBER) return false;
  for (const char *at = value.at + negative; at < value.end; at++) {
    if (*at < '0' || *at > '9') return false;
    int digit = negative ? '0' - *at : *at - '0';
    if (__builtin_mul_overflow(result, 10, &result)) return false;
    if (__builtin_add_overflow(result, digit, &result)) return false;
  }
  *number = result;
  return true;
}

static inline size_t json_put_utf8(char *to, int32_t code) {
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  for (size_t i = more; i > 0; i--, code >>= 6) to[i] = (char)(0x80 | (code & 0x3F));
  to[0] = (char)(unsigned char)((0xF80 >> more) | code);
  return more + 1;
}

/* The content of a string, to be freed, with a NUL behind it (and perhaps more
 * inside it, hence `length`); NULL where it is no string, or memory is out. */
static inline char *json_string(json value, size_t *length) {
  if (json_kind_of(value) != JSON_STRING) return NULL;
  char *content = malloc((size_t)(value.end - value.at)); /* no escape is shorter than what it means */
  if (!content) return NULL;
  const char *at = value.at + 1, *end = value.end - 1;
  for (*length = 0; at < end;) *length += json_put_utf8(content + *length, json_char(&at, end));
  content[*length] = 0;
  return content;
}

/* ---- Writing: a text that grows. Start with {0}; end with text_free. ---- */

struct text {
  char *at;
  size_t length, room;
  bool failed; /* memory ran out; what is missing stays missing */
};

static inline void text_add(struct text *text, const char *bytes, size_t length) {
  if (text->failed || length == 0) return;
  if (text->room - text->length < length) {
    size_t room = 2 * text->room + length;
    char *at = realloc(text->at, room);
    if (!at) {
      text->failed = true;
      return;
    }
    text->at = at;
    text->room = room;
  }
  memcpy(text->at + text->length, bytes, length);
  text->length += length;
}

static inline void text_put(struct text *text, const char *string) { text_add(text, string, strlen(string)); }

static inline void text_int(struct text *text, int64_t number) {
  char digits[24];
  snprintf(digits, sizeof digits, "%lld", (long long)number);
  text_put(text, digits);
}

/* A JSON string. What is not UTF-8 becomes U+FFFD. */
static inline void text_quote(struct text *text, const char *bytes, size_t length) {
  const char *at = bytes, *end = bytes + length;
  text_put(text, "\"");
  while (at < end) {
    const char *start = at;
    int32_t code = json_utf8(&at, end);
    char escape[8];
    if (code < 0) {
      at = start + 1;
      text_put(text, "\xEF\xBF\xBD");
    } else if (code < 0x20 || code == '"' || code == '\\') {
      snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code & 0xFF);
      text_put(text, escape);
    } else {
      text_add(text, start, (size_t)(at - start));
    }
  }
  text_put(text, "\"");
}

static inline void text_free(struct text *text) {
  free(text->at);
  memset(text, 0, sizeof *text);
}

#endif
