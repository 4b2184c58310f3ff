// Any file in this folder keeps the instance awake for work that no request sees. A tmpfs of its own: every user of the
// guest may write there, and nobody can take the folder away. Changes are told at once; before a stop the host asks
// (rest.c), and then the folder itself is read, so a file that is there when the last reply goes out is never missed.
#include <dirent.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <unistd.h>
#include "init.h"

#define FOLDER "/run/littlecloud/stay-awake"

static struct source changes;
static bool told;

bool stay_awake_wanted(void) {
  DIR *folder = opendir(FOLDER);
  if (!folder) return false;
  bool wanted = false;
  for (struct dirent *entry; !wanted && (entry = readdir(folder));)
    wanted = strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
  closedir(folder);
  return wanted;
}

void stay_awake_tell(void) {
  told = stay_awake_wanted();
  channel_send(STAY_AWAKE, &(uint8_t){told}, 1, 0, 0);
}

static void on_change(struct source *source, uint32_t events) {
  (void)events;
  static char names[4096];
  while (read(source->fd, names, sizeof names) > 0) continue;
  if (stay_awake_wanted() != told) stay_awake_tell();
}

void stay_awake_open(void) {
  folder_make(FOLDER);
  if (mount("tmpfs", FOLDER, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=1m")) die("mounting " FOLDER);
  changes = (struct source){inotify_init1(IN_NONBLOCK | IN_CLOEXEC), EPOLLIN, on_change, false};
  if (inotify_add_watch(changes.fd, FOLDER, IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO) < 0) die("watching " FOLDER);
  watch(&changes);
}
