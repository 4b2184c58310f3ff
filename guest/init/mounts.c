#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "init.h"

static void put(const char *type, const char *path, unsigned long flags, const char *options) {
  mkdir(path, 0755);
  if (mount(type, path, type, flags, options)) say("mount %s: %s", path, strerror(errno));
}

int devices = -1;

// The real devices are in /vm, which the program never sees; its own /dev is made of a few nodes below.
void mounts_early(void) {
  put("devtmpfs", "/vm", MS_NOSUID | MS_NOEXEC, "mode=755");
  devices = open("/vm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  put("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  put("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  for (int fd = open("/vm/null", O_RDWR); fd >= 0 && fd < 2;) fd = dup(fd);
}

static bool appears(const char *device, int attempts) {
  while (access(device, F_OK) && attempts-- > 0) usleep(5000);
  return access(device, F_OK) == 0;
}

static void mount_overlay(void) {
  mkdir("/lower", 0755), mkdir("/upper", 0755), mkdir("/root", 0755);
  if (!appears("/vm/vda", 400)) die("no root disk /dev/vda");
  if (mount("/vm/vda", "/lower", "erofs", MS_RDONLY, 0)) die("root disk");
  // The disk lives and dies with the instance's memory, so barriers and a background init of inodes buy nothing.
  if (!appears("/vm/vdb", 1)) put("tmpfs", "/upper", 0, "size=90%");
  else if (mount("/vm/vdb", "/upper", "ext4", MS_NOATIME, "nobarrier,noinit_itable")) die("scratch disk");
  mkdir("/upper/files", 0755), mkdir("/upper/work", 0755);
  struct stat root;
  if (!stat("/lower", &root)) { // overlay takes the root's mode and owner from the upper layer
    chmod("/upper/files", root.st_mode & 07777);
    if (chown("/upper/files", root.st_uid, root.st_gid)) say("owner of /: %s", strerror(errno));
  }
  if (mount("overlay", "/root", "overlay", 0, "lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work"))
    die("overlay");
}

// As Docker has them; https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#default-devices
static void make_devices(void) {
  static const struct { const char *path; int major, minor; } nodes[] = {
    {"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8},
    {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}, {"/dev/fuse", 10, 229},
  };
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
    mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor));
    chmod(nodes[i].path, 0666);
  }
  static const char *const links[][2] = {
    {"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
    {"/proc/self/fd/2", "/dev/stderr"}, {"pts/ptmx", "/dev/ptmx"}, {"/proc/kcore", "/dev/core"},
  };
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    if (symlink(links[i][0], links[i][1])) say("link %s: %s", links[i][1], strerror(errno));
}

static void make_folders(void) {
  static const struct { const char *path; mode_t mode; } folders[] = {
    {"/root/proc", 0755}, {"/root/sys", 0755}, {"/root/dev", 0755}, {"/root/etc", 0755},
    {"/root/run", 0755}, {"/root/tmp", 01777},
  };
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    if (mkdir(folders[i].path, 0755) == 0) chmod(folders[i].path, folders[i].mode);
}

void mounts_root(void) {
  mount_overlay();
  make_folders();
  put("tmpfs", "/root/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64m");
  if (mount("/proc", "/root/proc", 0, MS_MOVE, 0) || mount("/sys", "/root/sys", 0, MS_MOVE, 0)) die("moving mounts");
  // An initramfs cannot be pivoted away from; moving the new root over it is what switch_root does.
  if (chdir("/root") || mount(".", "/", 0, MS_MOVE, 0) || chroot(".") || chdir("/")) die("switching the root");
  mode_t mask = umask(0);
  make_devices();
  umask(mask);
  put("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  put("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m");
  put("mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  put("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
}
