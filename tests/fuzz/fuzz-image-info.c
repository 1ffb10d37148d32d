// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What qemu-img says of an image, in which names are that whoever made the image chose.  One that has a backing file
 * is never taken.
 */
#include <jansson.h>
#include <stdio.h>

#include "../../tools/image-info.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *info = json_loadb((const char *)data, size, 0, NULL);
	int r;

	fuzz_file(data, size);
	r = ctl_image_info_check("image", fuzz_file_fd());
	if (!r)
		fuzz_check(json_is_object(info) && !json_object_get(info, "backing-filename"));
	json_decref(info);
	return 0;
}

void fuzz_setup(void)
{
	stderr = fopen("/dev/null", "we");
}
