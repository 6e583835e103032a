/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz target's main() without a fuzzer: gives it each file of the folders that are named, with
 * any compiler and sanitizer. What ends it, a finding or who waits no longer, has it name the file.
 */
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static char path[PATH_MAX];

static void name_file(void)
{
	if (write(STDERR_FILENO, path, strlen(path)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		_exit(2);
}

static void on_signal(int number)
{
	name_file();
	raise(number); /* as if nobody had asked */
}

/* abort() is how targets say that something is wrong. Faults are a sanitizer's, which says more. */
static void name_file_at_end(void)
{
	static const int numbers[] = {SIGABRT, SIGTERM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	static char stack[1 << 16]; /* a fault may be that there is no more of the other one */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND | SA_ONSTACK};
	size_t n = sizeof(numbers) / sizeof(*numbers);

	if (__sanitizer_set_death_callback) {
		__sanitizer_set_death_callback(name_file);
		n = 2;
	} else {
		sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	}
	for (size_t i = 0; i < n; i++)
		sigaction(numbers[i], &action, NULL);
}

/* In a block of just its size, so that a sanitizer sees who reads on behind it. */
static int replay_file(void)
{
	FILE *file = fopen(path, "re");
	struct stat info;
	uint8_t *data = NULL;
	int ret = -1;

	if (file && fstat(fileno(file), &info) == 0 && (data = malloc((size_t)info.st_size)) &&
	    fread(data, 1, (size_t)info.st_size, file) == (size_t)info.st_size) {
		LLVMFuzzerTestOneInput(data, (size_t)info.st_size);
		ret = 0;
	}
	if (ret)
		perror(path);
	free(data);
	if (file)
		fclose(file);
	return ret;
}

/* The number of its files; -1: not all could be read. */
static int replay_folder(const char *name)
{
	DIR *folder = opendir(name);
	struct dirent *entry;
	int n = 0;

	if (!folder) {
		perror(name);
		return -1;
	}
	while (n >= 0 && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		n = replay_file() ? -1 : n + 1;
	}
	closedir(folder);
	return n;
}

int main(int argc, char **argv)
{
	name_file_at_end();
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);

		printf("%s: %d inputs\n", argv[i], n);
		if (n <= 0)
			return 1;
	}
	return argc > 1 ? 0 : 2;
}
