// An app that has something to lose. One line of command a line of answer, on TCP port 8080, connections kept:
//   fill MIB SEED   takes that much memory and fills it with numbers that follow from the seed
//   sum             a checksum of that memory
//   count           1, 2, 3 … since the start of this program
//   say TEXT        to its log
//   write TEXT      appends to a file      read   the whole file
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 16 };
static uint64_t *memory;
static size_t words;
static int count;

static void fill(size_t mib, uint64_t seed) {
  free(memory);
  words = mib << 17;
  memory = malloc(words * 8);
  for (size_t i = 0; i < words; i++) memory[i] = seed = seed * 6364136223846793005u + 1442695040888963407u;
}

static uint64_t sum(void) {
  uint64_t value = 14695981039346656037u;
  for (size_t i = 0; i < words; i++) value = (value ^ memory[i]) * 1099511628211u;
  return value;
}

static void answer(int client, char *line) {
  char reply[4096];
  size_t mib;
  unsigned long long seed;
  if (sscanf(line, "fill %zu %llu", &mib, &seed) == 2) fill(mib, seed), strcpy(reply, "filled");
  else if (!strcmp(line, "sum")) snprintf(reply, sizeof reply, "%llx", (unsigned long long)sum());
  else if (!strcmp(line, "count")) snprintf(reply, sizeof reply, "%d", ++count);
  else if (!strncmp(line, "say ", 4)) strcpy(reply, puts(line + 4) >= 0 && !fflush(stdout) ? "said" : "failed");
  else if (!strncmp(line, "write ", 6)) {
    FILE *file = fopen("/kept", "a");
    snprintf(reply, sizeof reply, "%s", file && fputs(line + 6, file) >= 0 && !fclose(file) ? "written" : "failed");
  } else if (!strcmp(line, "read")) {
    FILE *file = fopen("/kept", "r");
    if (!file || !fgets(reply, sizeof reply - 1, file)) strcpy(reply, "failed");
    if (file) fclose(file);
  } else strcpy(reply, "unknown");
  strcat(reply, "\n");
  if (write(client, reply, strlen(reply)) < 0) perror("write");
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
  struct pollfd ready[MOST + 1] = {{.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN}};
  int open = 1;
  signal(SIGPIPE, SIG_IGN);
  if (bind(ready[0].fd, (struct sockaddr *)&address, sizeof address) || listen(ready[0].fd, MOST)) return 1;
  while (poll(ready, open, -1) > 0) {
    if (ready[0].revents && open <= MOST) ready[open++] = (struct pollfd){.fd = accept(ready[0].fd, 0, 0), .events = POLLIN};
    for (int i = 1; i < open; i++) {
      char line[2048];
      if (!ready[i].revents) continue;
      ssize_t length = read(ready[i].fd, line, sizeof line - 1);
      if (length > 0) line[length] = 0, line[strcspn(line, "\n")] = 0, answer(ready[i].fd, line);
      else close(ready[i].fd), ready[i] = ready[--open];
    }
  }
}
