/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What EAL leaves behind: some 3 MB in a folder for each --file-prefix, which it clears at the next
 * start with that prefix, and at no end. Threads: main, while the process exits.
 */
#include <dirent.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evsd/evsd_pvt.h"

#define CONFIG "config" /* locked by who has the prefix */

static bool is_eals(const char *name)
{
	return !strncmp(name, "fbarray_", 8) || !strncmp(name, "hugepage_", 9);
}

/* Has another process the prefix, as when this one was refused to start? Otherwise nobody gets it
 * until this one is gone: the file stays open. */
static bool another_has_it(int folder)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(folder, CONFIG, O_RDWR | O_CLOEXEC);

	return fd >= 0 && fcntl(fd, F_SETLK, &all) < 0;
}

/* Programs that attached to this one keep what they have mapped. The folder stays: EAL of another
 * one that starts may have just made it, to open its files there. */
static void remove_files(void)
{
	DIR *folder = opendir(rte_eal_get_runtime_dir());

	if (!folder)
		return;
	if (!another_has_it(dirfd(folder))) {
		for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
			if (is_eals(entry->d_name))
				unlinkat(dirfd(folder), entry->d_name, 0);
		unlinkat(dirfd(folder), CONFIG, 0);
	}
	closedir(folder);
}

void evsd_eal_files_remove(void)
{
	atexit(remove_files);
}
