// For tests: what can a program do that got control of a jailed QEMU? Tries each way out and prints a line for each,
// `NAME allowed` or `NAME REASON`. Arguments: VICTIM (a pid of the host), FILE (a secret of the host), SOCKET (a Unix
// socket of the host), PORT (TCP, on the host's loopback), TAP (a descriptor), MEMORY (a descriptor of a memfd, of a
// template's inside). Run outside, all is allowed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *name, long result) { printf("%s %s\n", name, result < 0 ? strerror(errno) : "allowed"); }

static int can_open(const char *path, int flags) {
  int file = open(path, flags, 0600);
  if (file >= 0) close(file);
  return file;
}

static int can_see_others(void) {
  DIR *proc = opendir("/proc");
  int seen = 0;
  for (struct dirent *entry; proc && (entry = readdir(proc));) seen += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
  errno = ENOENT;
  return seen > 1 ? 0 : -1;
}

static int can_connect_tcp(int port) {
  int stream = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  return stream < 0 ? -1 : connect(stream, (struct sockaddr *)&address, sizeof address);
}

static int can_connect_unix(const char *path) {
  int stream = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return stream < 0 ? -1 : connect(stream, (struct sockaddr *)&address, sizeof address);
}

// In a child, so that what is allowed outside does not change the rest of the run.
static int in_child(int (*attempt)(void)) {
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child < 0) return attempt();
  if (child == 0) {
    int result = attempt();
    _exit(result < 0 ? errno : 0);
  }
  int status;
  waitpid(child, &status, 0);
  errno = WEXITSTATUS(status);
  return errno ? -1 : 0;
}

static int fork_itself(void) {
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return child < 0 ? -1 : waitpid(child, NULL, 0);
}
static int new_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int cloned_user_namespace(void) {
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return child < 0 ? -1 : waitpid(child, NULL, 0);
}
static int new_network(void) { return unshare(CLONE_NEWNET); }
static int mount_something(void) { return mount("none", "/proc", "tmpfs", 0, NULL); }
static int change_root(void) { return chroot("/proc"); }
static int become_root(void) { return setuid(0); }
static int become_real_time(void) {
  struct sched_param priority = {.sched_priority = 5};
  return (int)syscall(SYS_sched_setscheduler, 0, SCHED_RR, &priority);
}

static int trace(int victim) {
  long attached = ptrace(PTRACE_ATTACH, victim, 0, 0);
  if (attached == 0) {
    waitpid(victim, NULL, __WALL);
    ptrace(PTRACE_DETACH, victim, 0, 0);
  }
  return (int)attached;
}

// The same pages as everybody's who has that descriptor, written through whatever way there is.
static int can_write_memory(int memory) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  int again = open(path, O_RDWR);
  if (again < 0) return -1;
  void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
  if (shared != MAP_FAILED) return 0;
  return write(again, "x", 1) == 1 ? 0 : -1;
}

int main(int count, char **arguments) {
  if (count != 7) return 1;
  int victim = atoi(arguments[1]), tap = atoi(arguments[5]);
  char path[4096], buffer[128] = {0};
  setvbuf(stdout, NULL, _IONBF, 0);
  tell("read-file", can_open(arguments[2], O_RDONLY));
  snprintf(path, sizeof path, "/../../../..%s", arguments[2]);
  tell("read-file-by-dots", can_open(path, O_RDONLY));
  tell("read-passwd", can_open("/etc/passwd", O_RDONLY));
  tell("create-file", can_open("/littlecloud-probe", O_CREAT | O_RDWR));
  tell("read-cpuinfo", can_open("/proc/cpuinfo", O_RDONLY));
  tell("write-own-oom-score", can_open("/proc/self/oom_score_adj", O_WRONLY));
  snprintf(path, sizeof path, "/proc/%d/root%s", victim, arguments[2]);
  tell("read-file-by-victim", can_open(path, O_RDONLY));
  tell("see-processes", can_see_others());
  tell("signal", kill(victim, 0));
  tell("ptrace", trace(victim));
  struct iovec local = {buffer, 8}, remote = {buffer, 8};
  // EFAULT: it may look, there is only nothing at this address
  tell("read-memory", process_vm_readv(victim, &local, 1, &remote, 1, 0) < 0 && errno != EFAULT ? -1 : 0);
  tell("pidfd", syscall(SYS_pidfd_open, victim, 0));
  tell("write-template", can_write_memory(atoi(arguments[6])));
  tell("grow-template", ftruncate(atoi(arguments[6]), 1 << 20));
  tell("tcp", can_connect_tcp(atoi(arguments[4])));
  tell("unix", can_connect_unix(arguments[3]));
  tell("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  tell("packet", socket(AF_PACKET, SOCK_RAW, 0));
  tell("fork", in_child(fork_itself));
  tell("mount", in_child(mount_something));
  tell("unshare-user", in_child(new_user_namespace));
  tell("clone-user", in_child(cloned_user_namespace));
  tell("unshare-net", in_child(new_network));
  tell("chroot", in_child(change_root));
  tell("setuid", in_child(become_root));
  tell("real-time", in_child(become_real_time));
  struct { unsigned words[30]; } parameters = {{0}};
  tell("io_uring", syscall(SYS_io_uring_setup, 4, &parameters));
  // a wrong command is told apart from a refused one
  tell("bpf", syscall(SYS_bpf, -1, buffer, 0) < 0 && errno != EINVAL && errno != E2BIG ? -1 : 0);
  tell("userfaultfd", syscall(SYS_userfaultfd, 0));
  tell("mknod", mknod("/littlecloud-probe-node", S_IFCHR | 0600, 0x103));
  tell("capability", prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 1 ? 0 : (errno = EPERM, -1));
  tell("tap-stay", ioctl(tap, TUNSETPERSIST, 1));
  tell("tap-owner", ioctl(tap, TUNSETOWNER, 0));
  tell("tap-features", ioctl(tap, TUNGETFEATURES, buffer)); // QEMU asks it: allowed inside as well
  unlink("/littlecloud-probe");
  unlink("/littlecloud-probe-node");
  return 0;
}
