/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * What an error of the cache device says of the place that was read or written: one list for the
 * module, whose hits fail, and the helper, whose fills do.  By errno: that is all that user space
 * gets to see, and each blk_status_t has one of its own.
 */
#ifndef _CHUNKCACHE_IO_ERROR_H
#define _CHUNKCACHE_IO_ERROR_H

#ifdef __KERNEL__
#include <linux/errno.h>
#else
#include <errno.h>
#endif

enum cc_io_error {
	CC_IO_PATH,	/* nothing: it was not reached.  Its bytes are what they were */
	CC_IO_DOUBT,	/* perhaps it is bad, perhaps the whole device is away for a moment: the
			 * bytes are given up, the place only if it fails again after it was
			 * filled, while others work */
	CC_IO_MEDIUM,	/* the place is bad */
};

/* error is a positive errno. */
static inline enum cc_io_error cc_io_error(int error)
{
	switch (error) {
	case ENODATA:		/* BLK_STS_MEDIUM */
	case EILSEQ:		/* BLK_STS_PROTECTION: integrity data do not match */
	case EBADMSG:		/* the helper's: read back, other bytes */
		return CC_IO_MEDIUM;

	case EIO:		/* BLK_STS_IOERR: all that has no better word, and media, too */
	case EREMOTEIO:		/* BLK_STS_TARGET: the device's own failure, or a refusal */
		return CC_IO_DOUBT;

	case EOPNOTSUPP:	/* BLK_STS_NOTSUPP */
	case ETIMEDOUT:		/* BLK_STS_TIMEOUT */
	case ENOSPC:		/* BLK_STS_NOSPC: a thin volume's pool is full */
	case ENOLINK:		/* BLK_STS_TRANSPORT */
	case EBADE:		/* BLK_STS_RESV_CONFLICT, once BLK_STS_NEXUS */
	case ENOMEM:		/* BLK_STS_RESOURCE */
	case EBUSY:		/* BLK_STS_DEV_RESOURCE */
	case EAGAIN:		/* BLK_STS_AGAIN, and BLK_STS_ZONE_RESOURCE of old kernels */
	case EREMCHG:		/* BLK_STS_DM_REQUEUE */
	case ENODEV:		/* BLK_STS_OFFLINE */
	case ETOOMANYREFS:	/* BLK_STS_ZONE_OPEN_RESOURCE */
	case EOVERFLOW:		/* BLK_STS_ZONE_ACTIVE_RESOURCE */
	case ETIME:		/* BLK_STS_DURATION_LIMIT */
	case EINVAL:		/* BLK_STS_INVAL: not as the device takes it */
		return CC_IO_PATH;
	}
	/* Of a kernel that knows more of them: as the one that says least. */
	return CC_IO_DOUBT;
}

#endif
