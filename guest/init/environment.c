#include <stdlib.h>
#include <string.h>
#include "init.h"

static size_t name_length(const char *entry) { return strcspn(entry, "="); }

void environment_set(struct environment *environment, const char *entry) {
  size_t length = name_length(entry);
  for (size_t i = 0; i < environment->count; i++)
    if (name_length(environment->entries[i]) == length && !strncmp(environment->entries[i], entry, length)) {
      environment->entries[i] = entry;
      return;
    }
  environment->entries = realloc(environment->entries, (environment->count + 2) * sizeof(char *));
  if (!environment->entries) die("environment");
  environment->entries[environment->count++] = entry;
  environment->entries[environment->count] = 0;
}

const char *environment_get(const struct environment *environment, const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < environment->count; i++) {
    const char *entry = environment->entries[i];
    if (!strncmp(entry, name, length) && entry[length] == '=') return entry + length + 1;
  }
  return 0;
}

void environment_copy(struct environment *to, const struct environment *from) {
  for (size_t i = 0; i < from->count; i++) environment_set(to, from->entries[i]);
}
