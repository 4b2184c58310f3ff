// Mirrors GetExecUser of https://github.com/moby/sys/blob/user/v0.3.0/user/user.go, which Docker uses.
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init.h"

static bool number(const char *text, unsigned *value) {
  char *end;
  errno = 0;
  unsigned long parsed = strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || errno || parsed > INT_MAX) return false;
  *value = parsed;
  return true;
}

// Splits a line of passwd or group in place; missing fields are empty.
static void fields(char *line, char *field[7]) {
  static char empty[1];
  for (int i = 0; i < 7; i++) {
    field[i] = line ? strsep(&line, ":") : empty;
  }
}

// Fills in uid, gid and home; the name stays empty for a number that passwd does not know.
static bool find_in_passwd(const char *who, struct user *user, char *name, size_t size) {
  char *text = file_read("/etc/passwd"), *rest = text, *line, *field[7];
  unsigned uid, entry_uid, entry_gid;
  bool numeric = number(who, &uid), found = false;
  while (!found && rest && (line = strsep(&rest, "\n"))) {
    fields(line, field);
    if (!number(field[2], &entry_uid) || !number(field[3], &entry_gid)) continue;
    if (numeric ? entry_uid != uid : strcmp(field[0], who) != 0) continue;
    user->uid = entry_uid;
    user->gid = entry_gid;
    snprintf(name, size, "%s", field[0]);
    if (*field[5]) snprintf(user->home, sizeof user->home, "%s", field[5]);
    found = true;
  }
  free(text);
  if (!found && numeric) user->uid = uid;
  return found || numeric;
}

static bool lists(char *members, const char *name) {
  for (char *member; (member = strsep(&members, ","));)
    if (!strcmp(member, name)) return true;
  return false;
}

// A named group becomes the primary one; without it, all groups that list the user are supplementary.
static bool find_in_group(const char *wanted, const char *name, struct user *user) {
  char *text = file_read("/etc/group"), *rest = text, *line, *field[7];
  unsigned gid, entry;
  bool numeric = wanted && number(wanted, &gid), found = !wanted || numeric;
  if (numeric) user->gid = gid;
  while (rest && (line = strsep(&rest, "\n"))) {
    fields(line, field);
    if (!number(field[2], &entry)) continue;
    if (wanted && !numeric && !strcmp(field[0], wanted)) user->gid = entry, found = true;
    if (!wanted && *name && user->group_count < GROUPS_MAX && lists(field[3], name))
      user->groups[user->group_count++] = entry;
  }
  free(text);
  return found;
}

bool user_find(const char *spec, struct user *user, char *problem, size_t size) {
  char who[256], name[256] = "";
  snprintf(who, sizeof who, "%s", spec ? spec : "");
  char *group = strchr(who, ':');
  if (group) *group++ = 0;
  if (group && !*group) group = 0;
  *user = (struct user){.home = "/"};
  if (!find_in_passwd(*who ? who : "0", user, name, sizeof name)) {
    snprintf(problem, size, "no such user in the image: %s", who);
    return false;
  }
  if (!find_in_group(group, name, user)) {
    snprintf(problem, size, "no such group in the image: %s", group);
    return false;
  }
  return true;
}

bool user_become(const struct user *user) {
  return setgroups(user->group_count, user->groups) == 0 && setgid(user->gid) == 0 && setuid(user->uid) == 0;
}
