// What the child takes from itself, between its new namespaces and the command.
#define _GNU_SOURCE
#include "jail.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static gid_t kvm_group;

// /dev/kvm is opened by QEMU itself, so it must be in the root: as a bind mount, and only on the nodes that use it.
static void show_kvm(void) {
  struct stat kvm;
  if (stat("/dev/kvm", &kvm)) fail_errno("kvm", "/dev/kvm");
  if ((kvm.st_mode & 0060) != 0060 || !kvm.st_gid) fail("kvm", "/dev/kvm is not open to a group of its own");
  kvm_group = kvm.st_gid;
  if (mount("/dev/kvm", "dev/kvm", NULL, MS_BIND, NULL)) fail_errno("kvm", "mount");
}

void enter_root(const struct options *options) {
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) fail_errno("root", "private mounts");
  if (mount(options->root, options->root, NULL, MS_BIND, NULL)) fail_errno("root", options->root);
  unsigned long locked = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  if (mount(NULL, options->root, NULL, locked, NULL)) fail_errno("root", "read-only");
  if (chdir(options->root)) fail_errno("root", options->root);
  // QEMU opens /proc/self/fd/N; of /proc it sees its own process and nothing of the machine.
  if (mount("proc", "proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid")) fail_errno("root", "/proc");
  if (options->kvm) show_kvm();
  if (syscall(SYS_pivot_root, ".", ".")) fail_errno("root", "pivot_root");
  if (umount2(".", MNT_DETACH)) fail_errno("root", "leave the old root");
  if (chdir("/")) fail_errno("root", "/");
  if (sethostname("vm", 2)) fail_errno("root", "hostname");
}

// A limit that the host has set lower already stays.
static void limit(int what, rlim_t most) {
  struct rlimit now;
  if (getrlimit(what, &now)) fail_errno("limits", NULL);
  if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most) most = now.rlim_max;
  struct rlimit wanted = {most, most};
  if (setrlimit(what, &wanted)) fail_errno("limits", NULL);
}

static void limit_resources(void) {
  limit(RLIMIT_CORE, 0); // a core file would hold the guest's memory
  limit(RLIMIT_NOFILE, FIRST_OWN);
  limit(RLIMIT_FSIZE, (rlim_t)16 << 30); // the largest scratch disk, bytes
  // QEMU aborts when it can't make a thread: 64 I/O workers, the vCPUs, and room. The cgroup's pids.max counts as well.
  limit(RLIMIT_NPROC, 256);
  limit(RLIMIT_MEMLOCK, 0);
  limit(RLIMIT_MSGQUEUE, 0);
  limit(RLIMIT_RTPRIO, 0);
  limit(RLIMIT_NICE, 0);
}

static void drop_capabilities(void) {
  int bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0)) fail_errno("privileges", "securebits");
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)) fail_errno("privileges", "bounding set");
}

static void clear_capability_sets(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  if (syscall(SYS_capset, &header, none)) fail_errno("privileges", "capset");
}

void give_up_privileges(const struct options *options) {
  limit_resources();
  drop_capabilities();
  // Huge pages would make a parked instance's memory grow, and every first write to one slow.
  if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)) fail_errno("privileges", "huge pages");
  gid_t gid = (gid_t)options->uid;
  if (setgroups(options->kvm ? 1 : 0, &kvm_group)) fail_errno("privileges", "groups");
  if (setresgid(gid, gid, gid)) fail_errno("privileges", "gid");
  if (setresuid(options->uid, options->uid, options->uid)) fail_errno("privileges", "uid");
  clear_capability_sets();
  umask(077);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail_errno("privileges", "no_new_privs");
}
