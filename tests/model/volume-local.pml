/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume on one host: places, the journal, cuts and pieces, crash, recovery, commit and trim as far as the
 * host sees them.  README.rst beside this says what is modelled, what is not, and which test of the code
 * stands for which planted mistake.  No flag: the design; Mx, AW_x: the design with that mistake.
 *
 * A value is the number of the write that wrote it (op + 1); a block has two halves, so that writes smaller
 * than a block can be told apart.
 */
#ifndef NW
#define NW 3			/* guest's writes: full, half, zeroes, FUA */
#endif
#ifndef NF
#define NF 1			/* guest's flushes */
#endif
#ifndef NRL
#define NRL 0			/* relocations */
#endif
#ifndef MAXCR
#define MAXCR 1			/* crashes */
#endif
#ifndef MAXERR
#define MAXERR 0		/* writes of data that the medium refuses */
#endif
#ifndef MAXCUT
#define MAXCUT 3		/* cuts */
#endif
#ifndef NAN
#define NAN 0			/* records that are added anew */
#endif
#ifndef INFL
#define INFL 2			/* writes in flight */
#endif
#ifndef LC
#define LC 2			/* places in a log chunk */
#endif
#ifndef MAXPOS
#define MAXPOS 8
#endif
#ifndef NB
#define NB 1			/* blocks */
#endif
#define NCH (MAXPOS / LC)
#ifndef PC
#define PC 2			/* records in a journal page */
#endif
#define NP 10			/* pages */
#define NREC (NP * PC)

#define KB 4			/* keys below: 0 base, cleaner's 1.. */
#define DATA(p) (KB + 2 * (p) + 1)
#ifdef MZERO			/* zeros above the data that comes next */
#define ZERO(p) (KB + 2 * (p) + 2)
#else
#define ZERO(p) (KB + 2 * (p))
#endif
#define POS(k) (((k) - KB) / 2)
#define CH(k) (POS(k) / LC)
#define ISG(k) ((k) >= KB)
#define ISDATA(k) ((k) % 2 == 1)
#ifdef MZEROCUT			/* a cut's place is that of the data that comes next */
#define BELOW(k, p) ((k) < KB + 2 * (p) + 1)
#else
#define BELOW(k, p) ((k) < KB + 2 * (p))
#endif

/* ---- device: bytes of places ---- */
byte d0[MAXPOS], d1[MAXPOS];	/* value in each half */
byte ds[MAXPOS];		/* 0 none 1 in flight 2 completed 3 durable 4 lost */
byte zv[MAXPOS + 1];		/* op + 1 of zeroes at this position */
byte r0[KB], r1[KB], rst[KB];	/* cleaner's places */

/* ---- device: journal.  A version of a page is how many records it has ---- */
byte pg[2 * NP], pt[2 * NP];	/* durable: records + 1 (0 not valid); tail */
#ifdef AW_PLAIN
byte qg[2 * NP], qt[2 * NP];	/* completed, only in the device's cache */
byte nq;			/* of them */
#endif
bit plast[NP];			/* place written last */
byte pend[NP];			/* records that the page ended with, if cut by recovery */

/* ---- records, in the order appended; the kernel's memory, the device's if in a page ---- */
#define R_NONE 0
#define R_MAP 1			/* WRITE, ZERO: block, place */
#define R_REL 2			/* RELOCATE: block, place, source */
#define R_COM 3			/* COMMITTED: up to which position */
#define R_OPEN 4		/* log chunk */
#define R_CUT 5			/* position */
#define R_VOL 6
byte rt[NREC], rb[NREC], rk[NREC], rsrc[NREC];
byte nrec, jdone, tail;		/* appended; durable; tail as wanted */
bit jw; byte jp, jc, jt;	/* page write in flight: place, version, tail */
#ifdef AW_PLAIN
bit jpl;
#endif

/* ---- kernel ---- */
byte live[NB];			/* overlay */
byte cur;			/* next position */
bit par;			/* counter that writes take now */
byte cutp;			/* cut that waits for the other counter: its position + 1 */
byte drain;			/* it is the drain of this write (op + 1) and makes no record */
byte lcut, ncut;		/* position of the last cut; cuts */
bit lz;				/* zeros since */
byte part[NB];			/* write smaller than the block, exclusive on it (op + 1) */
bit used[NCH];			/* log number was handed out */
byte lo[NCH];			/* the slot: 0 never, 1 holds the log chunk, 2 holds something else */
bit bel[NCH];			/* kernel believes that it holds the log chunk */

/* ---- guest ---- */
#define W_NONE 0
#define W_HELD 1		/* no place yet */
#define W_DRAIN 2		/* smaller than a block: waits for those before it */
#define W_FLY 3			/* at the device; zeroes: walk under way */
#define W_JNL 4			/* FUA: waits for its record */
#define W_ACK 5
#define W_DEAD 6		/* in flight at a crash */
byte ws[NW], wb[NW], wk[NW], wp[NW], wbef[NW], wneed[NW];
bit wc[NW], wpar[NW];		/* counted, and by which counter */
byte nw, nf, nerr;
byte acked, stable, gone;	/* masks of ops */
bit fl; byte fneed, fmask, fupto;	/* the flush that waits: records, writes, position */

/* ---- store, as this owner knows it; cleaner ---- */
byte dcut;			/* newest cut in the journal */
byte comd, tdur;		/* COMMITTED durable up to; tail durable */
byte scm, kcm;			/* committed up to: in the store; confirmed */
byte smap[NB];
byte sp[MAXPOS];		/* place is 0 not in the store 1 there 2 deleted */
byte cput, crn, srn;		/* commit in flight: up to; records up to; relocations in the store */
byte nrl, lb, lsrc;		/* relocation under way: block, source */
bit lact;
byte ncr, nan;

#define FULL 0			/* 1, 2: half 0, 1 */
#define ZEROES 3
#define FUAW 4
#define WHOLE(i) (wk[i] == FULL || wk[i] == ZEROES || wk[i] == FUAW)
#define COVERS(i, b, h) (wb[i] == (b) && (WHOLE(i) || wk[i] == (h) + 1))
#define BIT(i) (1 << (i))
#define W1 (1 % NW)
#define W2 (2 % NW)
#define W3 (3 % NW)
#define COUNTED(q) ((wc[0] && wpar[0] == (q)) || (wc[W1] && wpar[W1] == (q)) || (wc[W2] && wpar[W2] == (q)) || (wc[W3] && wpar[W3] == (q)))
#define NFLY ((ws[0] == W_FLY) + (NW > 1 && ws[W1] == W_FLY) + (NW > 2 && ws[W2] == W_FLY) + (NW > 3 && ws[W3] == W_FLY))
#define NHELD ((ws[0] == W_HELD) + (NW > 1 && ws[W1] == W_HELD) + (NW > 2 && ws[W2] == W_HELD) + (NW > 3 && ws[W3] == W_HELD))

byte x, y, z, u, v, b_, h_, k_, m_;
byte val[4], rm[NB];

inline CLEAN() { val[0] = 0; val[1] = 0; val[2] = 0; val[3] = 0; x = 0; y = 0; z = 0; u = 0; v = 0; b_ = 0; h_ = 0; k_ = 0; m_ = 0 }

inline APPEND(t, b, k, s)
{
	assert(nrec < NREC);
	rt[nrec] = t; rb[nrec] = b; rk[nrec] = k; rsrc[nrec] = s; nrec++
}

/* bytes of a place, by way of slot or store; fails if neither has them */
inline CONTENT(k, h, out)
{
	if
	:: k == 0 -> out = 0
	:: k != 0 && !ISG(k) -> assert(rst[k] == 2 || rst[k] == 3); out = (h -> r1[k] : r0[k])
	:: ISG(k) && !ISDATA(k) ->
#ifdef MZERO
		out = zv[POS(k) - 1]
#else
		out = zv[POS(k)]
#endif
	:: ISG(k) && ISDATA(k) ->
		if
		:: bel[CH(k)] -> assert(lo[CH(k)] == 1); assert(ds[POS(k)] == 2 || ds[POS(k)] == 3)
		:: else -> assert(sp[POS(k)] == 1)
		fi;
		out = (h -> d1[POS(k)] : d0[POS(k)])
	fi
}

/* each cell of val[] is allowed, given that the writes in mask may not be missed */
inline LEGAL(mask, g)
{
	for (x : 0 .. (2 * NB - 1)) {
		assert(!g || !val[x] || !(gone & BIT(val[x] - 1)));
		for (y : 0 .. (NW - 1)) {
			if
			:: ws[y] != W_NONE && (mask & BIT(y)) && COVERS(y, x / 2, x % 2) && val[x] != y + 1 ->
				assert(val[x] != 0 && !(wbef[y] & BIT(val[x] - 1)))
			:: else
			fi
		}
	}
}

/* and the set is closed under "had completed before this one was issued" */
inline CLOSED()
{
	m_ = 0;
	for (x : 0 .. (2 * NB - 1)) {
		if :: val[x] -> m_ = m_ | wbef[val[x] - 1] :: else fi
	}
	LEGAL(m_, 0)
}

#define LOAD(map) \
	for (z : 0 .. (NB - 1)) { \
		CONTENT(map[z], 0, v); val[2 * z] = v; \
		CONTENT(map[z], 1, v); val[2 * z + 1] = v \
	}

inline CHECKLIVE() { LOAD(live); LEGAL(acked, 1) }	/* read your writes */

/* replay of records [from, to) over rm[]; what is below upto is in rm[] already */
inline REPLAY(from, to, upto)
{
#ifdef VOLS
	h_ = 0;			/* there is a VOLUME record: whose the others are */
#else
	h_ = 1;
#endif
#ifndef MONEPASS
	for (u : from .. (to - 1)) {
		if :: u < to && rt[u] == R_VOL -> h_ = 1 :: else fi
	}
#endif
	for (u : from .. (to - 1)) {
		if
		:: u < to && rt[u] == R_VOL -> h_ = 1
		:: u < to && rt[u] == R_MAP && !BELOW(rk[u], upto) && h_ ->
#ifdef MLAST
			rm[rb[u]] = rk[u]
#else
			if :: rk[u] > rm[rb[u]] -> rm[rb[u]] = rk[u] :: else fi
#endif
		:: u < to && rt[u] == R_REL && h_ ->
#ifdef MBLIND
			rm[rb[u]] = rk[u]
#else
			if :: rm[rb[u]] == rsrc[u] -> rm[rb[u]] = rk[u] :: else fi
#endif
		:: else
		fi
	}
	h_ = 0
}

/* the store's: places in [scm, cput) that the journal named when the commit was made, then relocations */
inline LAND()
{
	for (u : 0 .. (crn - 1)) {
		if
		:: u < crn && rt[u] == R_MAP && !BELOW(rk[u], scm) && BELOW(rk[u], cput) ->
			assert(lo[CH(rk[u])] == 1 || !ISDATA(rk[u]));
			if :: rk[u] > smap[rb[u]] -> smap[rb[u]] = rk[u] :: else fi
		:: else
		fi
	}
	for (u : srn .. (crn - 1)) {
		if
		:: u < crn && rt[u] == R_REL && smap[rb[u]] == rsrc[u] -> smap[rb[u]] = rk[u]
		:: else
		fi
	}
	for (u : scm .. (cput - 1)) {
		if :: u < cput -> sp[u] = 1 :: else fi
	}
	srn = crn; scm = cput
}

/* the log chunk of the next position is opened, unless it is */
#ifdef MOPENLATE		/* OPEN when the log chunk is full */
#define OPENREC(t)
#else
#define OPENREC(t) APPEND(R_OPEN, 0, t, 0)
#endif
inline OPENCH()
{
	if
	:: !used[cur / LC] -> used[cur / LC] = 1; lo[cur / LC] = 1; bel[cur / LC] = 1; OPENREC(cur / LC)
	:: else
	fi
}

inline COUNT(i)
{
	if :: !wc[i] -> wpar[i] = par :: else fi;
#ifdef MZEROFREE		/* the walk of zeroes is not counted */
	wc[i] = (wk[i] != ZEROES)
#else
	wc[i] = 1
#endif
}

inline TAKE(i)			/* take a place and submit */
{
	OPENCH();
	COUNT(i);
	wp[i] = cur;
	ws[i] = W_FLY;
	if
	:: wk[i] == ZEROES -> zv[cur] = i + 1; lz = 1
	:: else ->
		ds[cur] = 1;
		if
		:: wk[i] == FULL || wk[i] == FUAW -> d0[cur] = i + 1; d1[cur] = i + 1
		:: wk[i] == 1 -> d0[cur] = i + 1; CONTENT(live[wb[i]], 1, v); d1[cur] = v
		:: wk[i] == 2 -> d1[cur] = i + 1; CONTENT(live[wb[i]], 0, v); d0[cur] = v
		fi;
		v = 0;
		cur++;
#ifdef MOPENLATE
		if :: cur % LC == 0 -> APPEND(R_OPEN, 0, cur / LC - 1, 0) :: else fi
#endif
	fi
}

inline ISSUE(b, k)
{
	ws[nw] = W_HELD; wb[nw] = b; wk[nw] = k; wbef[nw] = acked; nw++
}

inline ACK(i) { ws[i] = W_ACK; acked = acked | BIT(i) }

inline END(i)			/* the device has completed the write; the walk of zeroes is over */
{
	k_ = (wk[i] == ZEROES -> ZERO(wp[i]) : DATA(wp[i])); b_ = wb[i];
	if :: wk[i] != ZEROES -> ds[wp[i]] = (wk[i] == FUAW -> 3 : 2) :: else fi;
#ifdef MLAST
	live[b_] = k_;
#else
	if :: k_ > live[b_] -> live[b_] = k_ :: else fi;
#endif
#ifdef MPARITY			/* puts the counter that writes take now */
	if :: wpar[i] == par -> wc[i] = 0 :: else fi;
#else
	wc[i] = 0;
#endif
	if :: part[b_] == i + 1 -> part[b_] = 0 :: else fi;
	APPEND(R_MAP, b_, k_, 0);
	if
#ifdef MFUA			/* the data is durable, that is enough */
	:: wk[i] == FUAW -> ACK(i); stable = stable | BIT(i)
#else
	:: wk[i] == FUAW -> ws[i] = W_JNL; wneed[i] = nrec
#endif
	:: else -> ACK(i)
	fi;
	CHECKLIVE();
	CLEAN()
}

inline REFUSED(i)		/* by the medium: the place and the rest of the log chunk stay unused */
{
	nerr++;
	ds[wp[i]] = 4;
	if :: cur / LC == wp[i] / LC && cur % LC -> cur = (cur / LC + 1) * LC :: else fi;
#ifndef MKEEPCOUNT
	wc[i] = 0;
#endif
#ifdef MRETRY			/* tries the same place again */
	ds[wp[i]] = 1
#else
	ws[i] = W_HELD; wp[i] = 0
#endif
}

/* ---- room: slots that may be dirty, records in the ring ---- */
#ifdef RING
#ifdef AW_RING
#define RES 0
#else				/* CUT, COMMITTED; another COMMITTED if one is owed; VOLUME */
#define RES (2 + (dcut > kcm || cutp || cput) + 1)
#endif
#define RINGOK(n) (nrec - tdur + (n) <= RING)
#define NEEDOPEN (!used[cur / LC])
#define RINGTAKE RINGOK(NFLY + 1 + NEEDOPEN + RES)
#else
#define RINGOK(n) 1
#define RINGTAKE 1
#endif
#ifdef SLOTS
#define NDIRTY (bel[0] + bel[1 % NCH] * (NCH > 1) + bel[2 % NCH] * (NCH > 2) + bel[3 % NCH] * (NCH > 3) + bel[4 % NCH] * (NCH > 4))
#define ROOM (RINGTAKE && (used[cur / LC] || NDIRTY < SLOTS))
#else
#define ROOM RINGTAKE
#endif

#ifdef MPARTHOLD		/* others go on while a part of their block is written */
#define FREEB(i) 1
#else
#define FREEB(i) (!part[wb[i]] || part[wb[i]] == (i) + 1)
#endif
#define MAYTAKE(i) (ws[i] == W_HELD && WHOLE(i) && FREEB(i) && cur < MAXPOS && NFLY < INFL && ROOM && (wk[i] != ZEROES || !zv[cur]))
#define MAYPART(i) (ws[i] == W_HELD && !WHOLE(i) && !part[wb[i]])
#define MAYDRAIN(i) (ws[i] == W_HELD && !WHOLE(i) && part[wb[i]] == (i) + 1 && !cutp)
#ifdef MDRAIN			/* the block is read at once */
#define DRAINED(i) (ws[i] == W_HELD && !WHOLE(i) && part[wb[i]] == (i) + 1)
#else
#define DRAINED(i) (ws[i] == W_DRAIN && drain != (i) + 1)
#endif
#define MAYMERGE(i) (DRAINED(i) && cur < MAXPOS && NFLY < INFL && ROOM)

#define WRITE(i) \
	:: d_step { MAYTAKE(i) -> TAKE(i) } \
	:: d_step { MAYPART(i) -> part[wb[i]] = i + 1 } \
	:: d_step { MAYDRAIN(i) -> par = 1 - par; cutp = 1; drain = i + 1; ws[i] = W_DRAIN } \
	:: d_step { MAYMERGE(i) -> TAKE(i) } \
	:: d_step { ws[i] == W_FLY -> END(i) } \
	:: d_step { nerr < MAXERR && ws[i] == W_FLY && wk[i] != ZEROES -> REFUSED(i) }

inline GUESTWRITE(b)
{
	if
	:: ISSUE(b, FULL)
#ifdef PARTS
	:: ISSUE(b, 1)
#endif
#ifdef ZEROS
	:: ISSUE(b, ZEROES)
#endif
#ifdef FUA
	:: ISSUE(b, FUAW)
#endif
	fi
}

/* ---- cut: the next place is noted, and is recorded when all that took a lower one have ended ---- */
inline CUTNEXT(close)
{
#ifndef MZEROCUT
#ifndef MZEROSTUCK		/* zeros lie at the place of the next data: it stays unused */
	if :: zv[cur] && cur < MAXPOS -> cur++ :: else fi;
#endif
#endif
	if :: close && cur % LC -> cur = (cur / LC + 1) * LC :: else fi;
	par = 1 - par; cutp = cur + 1; lz = 0; ncut++
}
#ifdef MZEROSTUCK
#define NEWS (cur > lcut)
#else
#define NEWS (cur > lcut || lz)
#endif
#ifdef MCUT			/* does not wait */
#define CUTENDS 1
#else
#define CUTENDS (!COUNTED(1 - par))
#endif

#ifdef AW_PLAIN
#define NOQ (!nq)
#else
#define NOQ 1
#endif
#define JPAGE (jdone / PC)
#define JCNT ((nrec - JPAGE * PC > PC) -> PC : (nrec - JPAGE * PC))
inline JSUBMIT(plain)
{
	jw = 1;
#ifdef MINPLACE
	jp = 2 * JPAGE;
#else
	jp = 2 * JPAGE + 1 - plast[JPAGE];
#endif
	jc = JCNT; jt = tail;
#ifdef AW_PLAIN
	jpl = plain;
	if :: !plain ->
		for (x : 0 .. (2 * NP - 1)) { if :: qg[x] -> pg[x] = qg[x]; pt[x] = qt[x]; qg[x] = 0; qt[x] = 0 :: else fi };
		nq = 0
	:: else fi;
#endif
#ifndef MNOPRE
	if
	:: !plain ->
		for (x : 0 .. (MAXPOS - 1)) { if :: ds[x] == 2 -> ds[x] = 3 :: else fi }
		for (x : 0 .. (KB - 1)) { if :: rst[x] == 2 -> rst[x] = 3 :: else fi }
	:: else
	fi;
#endif
	x = 0
#ifdef MFLUSH
	; FLUSHED()
#endif
}

inline FLUSHED()		/* what a flush waits for */
{
	if :: fl -> fl = 0; stable = stable | fmask; fmask = 0; fneed = 0; fupto = 0 :: else fi
}

#ifdef DSTORE			/* durability=store: a commit covers it */
#define FUPTO (kcm >= fupto)
#else
#define FUPTO 1
#endif
inline FLUSHENDS()
{
	if
	:: fl && jdone >= fneed && NOQ && FUPTO -> FLUSHED()
#ifdef DSTORE
		; LOAD(smap); LEGAL(stable, 0); CLEAN()
#endif
	:: else
	fi
}

inline JDONE()
{
#ifdef AW_PLAIN
	if :: jpl -> nq = nq + (qg[jp] == 0); qg[jp] = jc + 1; qt[jp] = jt :: else -> pg[jp] = jc + 1; pt[jp] = jt fi;
	jpl = 0;
#else
	pg[jp] = jc + 1; pt[jp] = jt;
#endif
	plast[jp / 2] = jp % 2;
	for (x : jdone .. ((jp / 2) * PC + jc - 1)) {
		if
		:: x < (jp / 2) * PC + jc && rt[x] == R_COM && rk[x] > comd -> comd = rk[x]
		:: x < (jp / 2) * PC + jc && rt[x] == R_CUT && rk[x] > dcut -> dcut = rk[x]
		:: else
		fi
	}
	x = 0;
	jdone = (jp / 2) * PC + jc; tdur = jt;
	jw = 0; jp = 0; jc = 0; jt = 0;
	for (x : 0 .. (NW - 1)) {
		if :: ws[x] == W_JNL && jdone >= wneed[x] -> ACK(x); wneed[x] = 0; stable = stable | BIT(x) :: else fi
	}
	x = 0;
	FLUSHENDS()
}

inline RECOVER()
{
	/* what the device kept of the journal */
	h_ = 0;			/* pages */
	for (x : 0 .. (NP - 1)) {
		if :: pg[2 * x] || pg[2 * x + 1] -> h_ = x + 1 :: else fi
	}
	y = 0; k_ = 0;		/* records; tail */
	if
	:: h_ ->
		x = h_ - 1;
		if
		:: pg[2 * x] >= pg[2 * x + 1] -> y = x * PC + pg[2 * x] - 1; k_ = pt[2 * x]; plast[x] = 0
		:: else -> y = x * PC + pg[2 * x + 1] - 1; k_ = pt[2 * x + 1]; plast[x] = 1
		fi;
		if
		:: h_ > 1 ->	/* no hole between tail and newest page */
			for (x : 0 .. (h_ - 2)) {
				z = (pg[2 * x] > pg[2 * x + 1] -> pg[2 * x] : pg[2 * x + 1]);
				if :: k_ < (x + 1) * PC -> assert(z && z - 1 >= (pend[x] -> pend[x] - 1 : PC)) :: else fi
			}
		:: else
		fi
	:: else
	fi;
	/* forget the rest; start a new page */
	for (x : 0 .. (NREC - 1)) {
		if :: x >= y && x < nrec -> rt[x] = 0; rb[x] = 0; rk[x] = 0; rsrc[x] = 0 :: else fi
	}
	if :: y % PC -> pend[y / PC] = (y % PC) + 1 :: else fi;
	nrec = ((y + PC - 1) / PC) * PC; jdone = nrec; tail = k_;
	/* claim: log chunks opened from the tail on that COMMITTED does not cover */
	m_ = 0;
	for (x : k_ .. (nrec - 1)) {
		if :: x < nrec && rt[x] == R_COM && rk[x] > m_ -> m_ = rk[x] :: else fi
	}
	for (x : 0 .. (NCH - 1)) { bel[x] = 0 }
	for (x : k_ .. (nrec - 1)) {
#ifdef MCLAIMALL		/* also those that are committed */
		if :: x < nrec && rt[x] == R_OPEN -> bel[rk[x]] = 1 :: else fi
#else
		if :: x < nrec && rt[x] == R_OPEN && m_ < (rk[x] + 1) * LC -> bel[rk[x]] = 1 :: else fi
#endif
	}
	for (x : k_ .. (nrec - 1)) {	/* what is dirty by the journal's word has its slot */
		if
		:: x < nrec && rt[x] == R_MAP && ISDATA(rk[x]) && !BELOW(rk[x], m_) -> assert(bel[CH(rk[x])] && lo[CH(rk[x])] == 1)
		:: else
		fi
	}
	v = 0;			/* a new term: above all numbers that were handed out */
	for (x : 0 .. (NCH - 1)) {
		if :: used[x] -> v = x + 1 :: else fi;
		if :: !bel[x] && lo[x] -> lo[x] = 2 :: else fi
#ifdef MCLAIM			/* slots were handed out before */
		; if :: lo[x] == 1 -> lo[x] = 2 :: else fi
#endif
	}
#ifdef MSAMETERM		/* goes on in the log chunk that was open */
	z = 0;
	for (x : k_ .. (nrec - 1)) {
		if :: x < nrec && rt[x] == R_MAP && ISDATA(rk[x]) && POS(rk[x]) >= z -> z = POS(rk[x]) + 1 :: else fi
	}
	cur = z;
	if :: cur % LC == 0 -> cur = v * LC :: else fi;
#else
	cur = v * LC;
#endif
	v = 0; dcut = cur; lcut = cur; lz = 0; par = 0; cutp = 0; drain = 0;
	/* the store's state, then the journal over it */
	for (x : 0 .. (NB - 1)) { rm[x] = smap[x] }
	z = m_;
	REPLAY(k_, nrec, scm);
	for (x : 0 .. (NB - 1)) { live[x] = rm[x]; rm[x] = 0; part[x] = 0 }
	kcm = scm; comd = z; tdur = k_;
	LOAD(live);
	LEGAL(stable, 1);
	CLOSED();
	/* from here on this is what happened */
	for (x : 0 .. (NW - 1)) {
		if
		:: ws[x] != W_NONE ->
			z = 0;
			for (y : 0 .. (2 * NB - 1)) { if :: val[y] == x + 1 -> z = 1 :: else fi }
			if
			:: z -> acked = acked | BIT(x); stable = stable | BIT(x)
			:: else -> gone = gone | BIT(x); acked = acked & (255 - BIT(x)); stable = stable & (255 - BIT(x))
			fi;
			if :: ws[x] != W_ACK -> ws[x] = W_DEAD; wp[x] = 0 :: else fi;
			wc[x] = 0; wpar[x] = 0; wneed[x] = 0
		:: else
		fi
	}
#ifdef VOLS
	APPEND(R_VOL, 0, 0, 0);
#endif
	CLEAN()
}

inline LOSE(p)			/* what a crash leaves of a page write: nothing, all, or a torn one */
{
	if :: skip :: pg[p] = 0; pt[p] = 0 :: pg[p] = z; pt[p] = v fi
}

inline CRASH()
{
	ncr++;
	/* the journal that the kernel has would give the same as what is live */
	d_step {
		for (x : 0 .. (NB - 1)) { rm[x] = smap[x] }
		REPLAY(tail, nrec, scm);
		for (x : 0 .. (NB - 1)) {
			CONTENT(rm[x], 0, v); CONTENT(live[x], 0, k_); assert(v == k_);
			CONTENT(rm[x], 1, v); CONTENT(live[x], 1, k_); assert(v == k_);
			rm[x] = 0
		}
		CLEAN()
	}
	if
	:: jw -> z = jc + 1; v = jt; LOSE(jp)
	:: else
	fi;
#ifdef AW_PLAIN
	for (x : 0 .. (2 * NP - 1)) {
		if :: qg[x] -> z = qg[x]; v = qt[x]; LOSE(x); qg[x] = 0; qt[x] = 0 :: else fi
	}
	jpl = 0; nq = 0;
#endif
	z = 0; v = 0;
	jw = 0; jp = 0; jc = 0; jt = 0;
	if
	:: cput && scm < cput -> if :: d_step { LAND(); CLEAN() } :: skip fi
	:: else
	fi;
	d_step {
	cput = 0; crn = 0; fl = 0; fneed = 0; fmask = 0; fupto = 0; lact = 0; lb = 0; lsrc = 0;
	for (x : 0 .. (MAXPOS - 1)) { if :: ds[x] == 1 || ds[x] == 2 -> ds[x] = 4 :: else fi }
	for (x : 0 .. (KB - 1)) { if :: rst[x] == 1 || rst[x] == 2 -> rst[x] = 4 :: else fi }
	RECOVER() }
}

/* ---- helper ---- */
#ifdef MCLEANOPEN		/* all of it so far is committed */
#define DONE(n, upto) ((upto) > (n) * LC)
#else
#define DONE(n, upto) ((upto) >= ((n) + 1) * LC)
#endif
#ifdef AW_REUSE
#define CLEANTO kcm
#else
#define CLEANTO comd
#endif
#define MAYCLEAN(n) (bel[n] && used[n] && DONE(n, CLEANTO))
#define SLOT(n) :: d_step { MAYCLEAN(n) -> bel[n] = 0; lo[n] = 2 }	/* and evicted, and handed out again */

/* trim, by pages, of what a COMMITTED has that is durable */
#ifdef MTRIMOPEN
#define TRIMOPEN(r) 1
#else
#define TRIMOPEN(r) ((rk[r] + 1) * LC <= comd)
#endif
#ifdef MTRIMVOL
#define TRIMVOL 1
#else
#define TRIMVOL VOLBEHIND
#endif
#define ISVOL(n) (tail + (n) < jdone && rt[(tail + (n)) % NREC] == R_VOL)
#define VOLBEHIND (ISVOL(2) || ISVOL(3) || ISVOL(4) || ISVOL(5) || ISVOL(6) || ISVOL(7) || ISVOL(8) || ISVOL(9))
#if NAN > 0			/* the same is durable behind it; of COMMITTED one that says no less */
#define ISCOPY(r, n) ((r) + (n) < jdone && rt[((r) + (n)) % NREC] == rt[r] && rb[((r) + (n)) % NREC] == rb[r] && \
	(rk[((r) + (n)) % NREC] == rk[r] || (rt[r] == R_COM && rk[((r) + (n)) % NREC] > rk[r])))
#define COPIED(r) (ISCOPY(r, 1) || ISCOPY(r, 2) || ISCOPY(r, 3) || ISCOPY(r, 4) || ISCOPY(r, 5) || ISCOPY(r, 6) || \
	ISCOPY(r, 7) || ISCOPY(r, 8) || ISCOPY(r, 9) || ISCOPY(r, 10) || ISCOPY(r, 11))
#else
#define COPIED(r) 0
#endif
#if NAN > 0 && !defined(MANEW)	/* MANEW: COMMITTED goes, and what was added anew behind it stays */
#define TRIMCOM(r) COPIED(r)
#else
#define TRIMCOM(r) 1
#endif
#define DEAD(r) ((rt[r] == R_MAP && BELOW(rk[r], comd)) || (rt[r] != R_COM && COPIED(r)) || (rt[r] == R_REL && (r) < srn && srn <= jdone) || \
	(rt[r] == R_OPEN && TRIMOPEN(r)) || (rt[r] == R_CUT && rk[r] <= comd) || (rt[r] == R_COM && TRIMCOM(r)) || rt[r] == R_NONE || \
	(rt[r] == R_VOL && TRIMVOL))
#define MAYTRIM (tail + PC <= jdone && DEAD(tail) && DEAD((tail + 1) % NREC))

/* the helper adds anew what no COMMITTED that it has read covers, and the last of these */
#define ANEW(n) :: d_step { nan < NAN && tail + (n) < jdone && !COPIED(tail + (n)) && \
	((rt[tail + (n)] == R_MAP && !BELOW(rk[tail + (n)], comd)) || (rt[tail + (n)] == R_CUT && rk[tail + (n)] > comd) || \
	 (rt[tail + (n)] == R_OPEN && (rk[tail + (n)] + 1) * LC > comd) || (rt[tail + (n)] == R_COM && rk[tail + (n)] == comd)) -> \
	nan++; APPEND(rt[tail + (n)], rb[tail + (n)], rk[tail + (n)], 0) }

#define REFS ((smap[0] >= DATA(0) && smap[0] <= DATA(LC - 1)) || (smap[NB - 1] >= DATA(0) && smap[NB - 1] <= DATA(LC - 1)))

active proctype Vol()
{
#ifdef VOLS
	APPEND(R_VOL, 0, 0, 0);
#endif
end:	do
	/* ---- guest ---- */
	:: atomic { nw < NW && NFLY < INFL && NHELD < INFL && !(nw > 0 && ws[nw - 1] == W_HELD && !MAXERR) ->
		if :: GUESTWRITE(0)
#if NB > 1
		:: GUESTWRITE(1)
#endif
		fi }
	:: atomic { nf < NF && !fl && acked != stable -> nf++; fmask = acked; fneed = nrec; fl = 1; fupto = cur + lz;
		d_step { if :: !jw -> FLUSHENDS() :: else fi } }
	/* ---- kernel, device ---- */
	WRITE(0)
#if NW > 1
	WRITE(1)
#endif
#if NW > 2
	WRITE(2)
#endif
#if NW > 3
	WRITE(3)
#endif
	:: d_step { cutp && drain && CUTENDS -> cutp = 0; drain = 0 }
	:: d_step { !jw && (nrec > jdone || (tail != tdur
#ifndef RING
		&& 0
#endif
		)) -> JSUBMIT(0) }
#ifdef AW_PLAIN
	:: d_step { !jw && nrec > jdone && !fl -> JSUBMIT(1) }
#endif
	:: d_step { jw -> JDONE() }
#ifdef STORE
	:: d_step { !cutp && NEWS && cur < MAXPOS && ncut < MAXCUT -> CUTNEXT(0) }
#ifdef CLOSE
	:: d_step { !cutp && (NEWS || cur % LC) && cur < MAXPOS && ncut < MAXCUT -> CUTNEXT(1) }
#endif
	:: d_step { cutp && !drain && CUTENDS && RINGOK(1) -> APPEND(R_CUT, 0, cutp - 1, 0); lcut = cutp - 1; cutp = 0 }
	/* ---- helper ---- */
	:: d_step { !cput && dcut > kcm -> cput = dcut; crn = jdone;
#ifdef MFREE			/* slot given away before the commit is confirmed */
		bel[kcm / LC] = 0; lo[kcm / LC] = 2;
#endif
		}
	:: d_step { cput && scm < cput -> LAND();
		LOAD(smap); CLOSED();
		/* all is in the store: it must give what is live */
		if
		:: !NFLY && cur <= scm && !lz && srn == nrec ->
			for (z : 0 .. (NB - 1)) {
				CONTENT(live[z], 0, v); assert(val[2 * z] == v);
				CONTENT(live[z], 1, v); assert(val[2 * z + 1] == v)
			}
		:: else
		fi;
		CLEAN() }
	:: d_step { cput && scm >= cput && RINGOK(1) -> kcm = cput; cput = 0; crn = 0; APPEND(R_COM, 0, kcm, 0); FLUSHENDS() }
#ifdef TRIM
	:: d_step { MAYTRIM -> tail = tail + PC }
#if NAN > 0
	ANEW(0)
	ANEW(1)
#endif
#ifdef VOLS			/* VOLUME goes from the tail only when there is another */
	:: d_step { tail + PC <= jdone && (rt[tail] == R_VOL || rt[tail + 1] == R_VOL) && kcm >= LC && nrec == jdone && !VOLBEHIND && RINGOK(1) -> APPEND(R_VOL, 0, 0, 0) }
#endif
#endif
	SLOT(0)
	SLOT(1)
#if MAXPOS / LC > 2
	SLOT(2)
#endif
#if MAXPOS / LC > 3
	SLOT(3)
#endif
#if NRL > 0			/* the store's copy of a dead log chunk is deleted */
	:: d_step { kcm >= LC && sp[0] == 1 && !cput && !REFS && !lact ->
		for (x : 0 .. (LC - 1)) { sp[x] = 2 } x = 0 }
#endif
#endif
#if NRL > 0
	/* ---- cleaner ---- */
	:: atomic { nrl < NRL && !lact ->
		if :: lb = 0
#if NB > 1
		:: lb = 1
#endif
		fi;
		lsrc = live[lb];
		if
#ifdef MUNCOM
		:: ISG(lsrc) && ISDATA(lsrc) ->
#else
		:: ISG(lsrc) && ISDATA(lsrc) && BELOW(lsrc, (kcm / LC) * LC) ->
#endif
			nrl++; lact = 1;
			d_step { CONTENT(lsrc, 0, v); r0[nrl] = v; CONTENT(lsrc, 1, v); r1[nrl] = v; rst[nrl] = 2; v = 0 }
		:: else -> lb = 0; lsrc = 0
		fi }
	:: d_step { lact ->
#ifdef MBLIND
		if :: 1 ->
#else
		if :: live[lb] == lsrc ->
#endif
			live[lb] = nrl; APPEND(R_REL, lb, nrl, lsrc); CHECKLIVE(); CLEAN()
		:: else
		fi;
		lact = 0; lb = 0; lsrc = 0 }
#endif
#ifdef LIVE			/* nothing more can happen: no write waits, all that was acknowledged is in the store */
	:: timeout ->
		for (x : 0 .. (NW - 1)) { assert(ws[x] == W_NONE || ws[x] == W_ACK) }
		assert(!fl);
		for (x : 0 .. (NB - 1)) { assert(smap[x] == live[x]) }
		break
#endif
	/* ---- crash, recovery ---- */
	:: atomic { ncr < MAXCR -> CRASH()
#ifdef STOP
		; break
#endif
		}
	od
}
