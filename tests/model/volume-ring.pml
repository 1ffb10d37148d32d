/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring of the journal: numbers, versions, prev, tail; page writes that are torn, lost or refused by the medium,
 * positions used again, crashes.  Records are numbers that are never used twice; README.rst says the rest.
 */
#ifndef R
#define R 3			/* positions */
#endif
#ifndef PC
#define PC 2			/* records in a page */
#endif
#ifndef NS
#define NS 5			/* records */
#endif
#ifndef MAXCR
#define MAXCR 2			/* crashes */
#endif
#ifndef MAXERR
#define MAXERR 1		/* page writes that the medium refuses */
#endif
#ifndef MAXN
#define MAXN 9			/* pages */
#endif
#define NPL (2 * R)

/* ---- device: each place; number 0: nothing valid ---- */
byte pn[NPL], pv[NPL], pf[NPL], pc[NPL], pp[NPL], pt[NPL];

/* ---- kernel: the page in memory, its write ---- */
byte hn, hv, hf, hp;		/* number, version of the next write, first record, page before it */
byte seq;			/* last record appended */
byte jd;			/* last record that is durable */
byte dt, wt;			/* tail: durable, wanted */
bit jw; byte jc, jt;		/* write in flight: records, tail */
bit dirty;

/* ---- helper: which pages count, the first record of each; what must be found ---- */
byte first[MAXN + 1];		/* by number; 0: does not count */
byte need;			/* first record of the page that is the tail */
byte nxt[NS + 2];		/* record behind a record, if it is not the next number */
byte ncr, nerr;
byte x, y, x_, n_, e_, t_, a_;

#ifdef MONEPLACE
#define PLACE(n, v) (2 * ((n) % R))
#else
#define PLACE(n, v) (2 * ((n) % R) + (v) % 2)
#endif
#ifdef MTAIL			/* the tail that is wanted, not the one that is durable */
#define TAIL wt
#else
#define TAIL dt
#endif
#define FREE(n) ((n) < R + TAIL)
#define COUNT(n) (seq + 1 - hf < PC -> seq + 1 - hf : PC)
#define AFTER(s) (nxt[s] -> nxt[s] : (s) + 1)

inline PUT(p) { pn[p] = hn; pv[p] = hv; pf[p] = hf; pc[p] = jc; pp[p] = hp; pt[p] = jt }
inline TEAR(p) { pn[p] = 0; pv[p] = 0; pf[p] = 0; pc[p] = 0; pp[p] = 0; pt[p] = 0 }

inline WRITTEN()
{
	PUT(PLACE(hn, hv));
	jd = (jc -> hf + jc - 1 : jd); dt = jt; first[hn] = (jc -> hf : 0);
	if
	:: jc == PC -> hp = hn; hn++; hv = 1; hf = hf + PC
	:: else -> hv++
	fi;
	dirty = ((seq >= hf && seq > jd) || wt != dt);
	jw = 0; jc = 0; jt = 0
}

inline REFUSED()		/* whatever the medium has of it: the next position */
{
	nerr++;
#ifdef MPREV
	hp = hn;
#endif
#ifdef MLEAVE			/* with the records that are not durable only */
	if :: jd >= hf -> hf = jd + 1 :: else fi;
#else
	first[hn] = 0;
#endif
	hn++; hv = 1; dirty = 1;
	jw = 0; jc = 0; jt = 0
}

/* the version of page n that counts is put into y, NPL if there is none */
inline FIND(n)
{
	y = NPL;
	for (x : 0 .. (NPL - 1)) {
		if
#ifdef MVERSION
		:: pn[x] == (n) && y == NPL -> y = x
#else
		:: pn[x] == (n) && (y == NPL || pv[x] > pv[y % NPL]) -> y = x
#endif
		:: else
		fi
	}
	x = 0
}

inline COUNTS()			/* page n_ in place y */
{
	if
	:: pc[y] ->
		/* nothing left out, nothing that was given up */
		if :: a_ -> assert(a_ == AFTER(pf[y] + pc[y] - 1)) :: else -> e_ = pf[y] + pc[y] - 1 fi;
		a_ = pf[y]; first[n_] = pf[y]
	:: else
	fi;
	n_ = pp[y]
}

inline RECOVER()
{
	n_ = 0;
	for (x : 0 .. (NPL - 1)) { if :: pn[x] > n_ -> n_ = pn[x] :: else fi }
	for (x : 0 .. MAXN) { first[x] = 0 }
	x = 0;
	if
	:: n_ == 0 -> assert(jd == 0); t_ = 1; e_ = 0; hp = 0
	:: else ->
		hn = n_; hp = n_;
		FIND(n_);
		t_ = pt[y]; x_ = n_;
		COUNTS();
		do
#ifdef MSTOPEQ			/* at the page that is the tail only */
		:: x_ != t_ && n_ ->
			x_ = n_;
#else
		:: n_ >= t_ && n_ ->
#endif
			FIND(n_);
			assert(y < NPL);		/* no hole */
			COUNTS()
		:: else -> break
		od;
		if
		:: a_ -> assert(e_ >= jd);		/* all that was acknowledged */
			assert(a_ <= need || need > e_)	/* and all that is still needed */
		:: else -> assert(need > jd); e_ = jd
		fi
	fi;
	/* go on: above all that was seen, behind what counts */
#ifdef MRESUME			/* goes on with the newest page */
	if :: hp -> FIND(hp); hn = hp; hv = 1; hp = pp[y] :: else hn = 1; hv = 1 fi;
#else
	n_ = 0;
	for (x : 0 .. (NPL - 1)) { if :: pn[x] > n_ -> n_ = pn[x] :: else fi }
	hn = n_ + 1; hv = 1;
#endif
	nxt[e_] = seq + 1; hf = seq + 1; jd = e_;
	if :: t_ > wt -> wt = t_ :: else wt = t_ fi;
	dt = t_;
	if :: need > e_ -> need = seq + 1 :: else fi;
	dirty = 1;
	x = 0; y = 0; x_ = 0; n_ = 0; e_ = 0; t_ = 0; a_ = 0
}

inline CRASH()
{
	ncr++;
	if
	:: jw -> if :: skip :: TEAR(PLACE(hn, hv)) :: PUT(PLACE(hn, hv)) fi
	:: else
	fi;
	jw = 0; jc = 0; jt = 0;
	d_step { RECOVER() }
}

active proctype Ring()
{
	hn = 1; hv = 1; hf = 1; dt = 1; wt = 1; need = 1; 
end:	do
	:: d_step { seq < NS -> seq++; dirty = 1 }
	:: d_step { !jw && dirty && hn < MAXN && FREE(hn) -> jw = 1; jc = COUNT(hn); jt = wt }
	:: d_step { jw -> WRITTEN() }
	:: atomic { jw && nerr < MAXERR -> if :: skip :: TEAR(PLACE(hn, hv)) :: PUT(PLACE(hn, hv)) fi; REFUSED() }
	/* the tail moves to a page that counts, or to the one in memory */
	:: d_step { wt < hn && jd >= hf - 1 ->
		x = wt + 1;
		do :: x < hn && !first[x] -> x++ :: else -> break od;
		wt = x; need = (first[x] -> first[x] : hf); dirty = 1; x = 0 }
	:: atomic { ncr < MAXCR -> CRASH() }
	od
}
