/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm-chunkcache volumes, the store: numbered objects by conditional create,
 * terms, two hosts, lost answers, late PUTs, helper deaths, a host that comes back.
 * Flags, bounds, what was found: README.rst.  No flag = the design with the fixes.
 */
#ifndef N
#define N 7			/* objects 1 .. N-1 */
#endif
#ifndef K
#define K 2			/* log chunks a host seals */
#endif
#ifndef MAXTO
#define MAXTO 1			/* answers lost, PUTs late */
#endif
#ifndef MAXDIE
#define MAXDIE 1		/* deaths of a helper (volume lives on) or of a host (journal survives) */
#endif
#ifndef MAXOPEN
#define MAXOPEN 2
#endif
#ifndef PIPE
#define PIPE 2			/* commits under way at once */
#endif

/* ---- the store ---- */
#define T_NONE 0
#define T_OPEN 1
#define T_COM 2
byte ty[N], te[N], ow[N], ba[N], bd[N], fr[N], up[N];	/* ba, bd: number and digest of the object before */
bit ck[N];			/* is a checkpoint */
bit ca[N];			/* OPEN: goes on with its dirty log chunks */
bit ak[N];			/* what it makes durable was acknowledged as durability=store */

/* ---- hosts ---- */
#define H_OFF 0
#define H_READ 1		/* opening */
#define H_PUT 2
#define H_OWN 3
#define H_FEN 4			/* found out */
#define H_RES 5			/* helper restarted, must read the log first */
byte hs[2], ht[2];		/* term */
byte hd[2], hc[2];		/* log chunks sealed; known as committed */
byte hi[2];			/* log chunks in commits under way, up to */
byte hn[2], hb[2], hbd[2];		/* next number, number of the object before */
bit hdirty[2];			/* has a journal of an own earlier term */
bit hfork[2];			/* what it has is a fork */
bit hcar[2];			/* decided: goes on with the journal */

/* ---- PUTs: 0,1 of host A, 2,3 of B, 4,5 late ones that nobody waits for ---- */
#define P_NONE 0
#define P_SENT 1
#define P_OK 2			/* done, answer under way */
#define P_412 3
#define P_YES 4			/* confirmed, waits for those before it */
byte ps[6], pty[6], pn[6], pte[6], po[6], pb[6], pbd[6], pf[6], pu[6];
bit pck[6], pca[6];
byte nto, ndie, nopen;

#define DG(t, o, u, c, y) ((y) * 128 + (t) * 16 + (o) * 8 + (u) * 2 + (c))
#define DGO(n) DG(te[n], ow[n], up[n], ck[n], ty[n] == T_COM)
#define DGP(p) DG(pte[p], po[p], pu[p], pck[p], pty[p] == T_COM)
#ifdef MNOSTEP
#define COUNTS(x) 1
#else
#ifdef AW_CHAIN			/* the term decides alone */
#define COUNTS(x) (te[x] == ct)
#else
#define COUNTS(x) (te[x] == ct && ba[x] == last && bd[x] == DGO(last))
#endif
#endif
byte x, ct, last, fu, lo_, end_, t_, y;

/* what counts: fold over the log from 1; MNOSTEP: nothing is stepped over */
inline FOLD(start)
{
	ct = 0; last = 0; fu = 0; lo_ = 9; end_ = 0;
	for (x : start .. (N - 1)) {
		if
		:: ty[x] == T_NONE && !end_ -> end_ = x
		:: ty[x] == T_OPEN && !end_ && te[x] > ct ->
			ct = te[x]; last = x;
			if :: ca[x] -> skip :: else -> fu = 0 fi;
			lo_ = ow[x]
		:: ty[x] == T_COM && !end_ && ((start > 1 && x == start) || COUNTS(x)) ->
			if :: start > 1 && x == start -> ct = te[x]; lo_ = ow[x] :: else fi;
			last = x; if :: up[x] > fu -> fu = up[x] :: else fi
		:: else
		fi
	}
	if :: !end_ -> end_ = N :: else fi
}

/* the properties, over the log as it is */
inline TRUTH()
{
	ct = 0; last = 0; fu = 0; lo_ = 9; end_ = 0;
	for (x : 1 .. (N - 1)) {
		if
		:: ty[x] == T_NONE && !end_ -> end_ = x
		:: ty[x] == T_OPEN && !end_ && te[x] > ct ->
			assert(ba[x] == last);			/* opened what was the end */
			if :: ca[x] -> assert(lo_ == ow[x]) 	/* a fork is never merged */
			:: else -> fu = 0 fi;
			ct = te[x]; last = x; lo_ = ow[x]
		:: ty[x] == T_COM && !end_ && (COUNTS(x)) ->
			assert(ow[x] == lo_ && ba[x] == last && bd[x] == DGO(last));	/* no mixing: built on just this */
			assert(fr[x] <= fu);			/* a prefix: no log chunk left out */
			last = x; if :: up[x] > fu -> fu = up[x] :: else fi
		:: else -> assert(!ak[x])			/* acknowledged and does not count */
		fi
	}
	x = 0; ct = 0; last = 0; fu = 0; lo_ = 0; end_ = 0
}

inline CLR() { x = 0; ct = 0; last = 0; fu = 0; lo_ = 0; end_ = 0; t_ = 0; y = 0 }

inline LANDS(p)
{
	if
	:: ty[pn[p]] == T_NONE ->
		ty[pn[p]] = pty[p]; te[pn[p]] = pte[p]; ow[pn[p]] = po[p]; ba[pn[p]] = pb[p]; bd[pn[p]] = pbd[p];
		fr[pn[p]] = pf[p]; up[pn[p]] = pu[p]; ck[pn[p]] = pck[p]; ca[pn[p]] = pca[p];
		ps[p] = P_OK
	:: else -> ps[p] = P_412
	fi;
	if :: p >= 4 -> FREE(p) :: else fi;
	TRUTH()
}

inline FREE(p)
{
	ps[p] = 0; pty[p] = 0; pn[p] = 0; pte[p] = 0; po[p] = 0; pb[p] = 0; pbd[p] = 0; pf[p] = 0; pu[p] = 0; pck[p] = 0; pca[p] = 0
}

inline COPY(a, b)
{
	ps[b] = ps[a]; pty[b] = pty[a]; pn[b] = pn[a]; pte[b] = pte[a]; po[b] = po[a]; pb[b] = pb[a]; pbd[b] = pbd[a];
	pf[b] = pf[a]; pu[b] = pu[a]; pck[b] = pck[a]; pca[b] = pca[a]
}

inline LATE(p)			/* goes on by itself */
{
	if
	:: ps[p] == P_SENT && ps[4] == 0 -> COPY(p, 4)
	:: ps[p] == P_SENT && ps[4] != 0 && ps[5] == 0 -> COPY(p, 5)
	:: else
	fi
}

inline DROPALL(h) { FREE(2 * h); FREE(2 * h + 1) }

inline FENCED(h)
{
	hs[h] = H_FEN; hfork[h] = (hd[h] > hc[h]); DROPALL(h); hi[h] = 0; hn[h] = 0; hb[h] = 0; hbd[h] = 0; ht[h] = 0; hcar[h] = 0
}

inline CONFIRM(h)		/* in order: the older one first */
{
	if
	:: ps[2 * h] == P_YES ->
		if :: pty[2 * h] == T_COM -> hc[h] = pu[2 * h]; ak[pn[2 * h]] = 1; :: else fi;
		COPY(2 * h + 1, 2 * h); FREE(2 * h + 1)
	:: else
	fi;
	if
	:: ps[2 * h] == P_YES ->
		if :: pty[2 * h] == T_COM -> hc[h] = pu[2 * h]; ak[pn[2 * h]] = 1; :: else fi;
		FREE(2 * h)
	:: else
	fi;
#ifdef MACKOWN			/* acknowledges by its own PUT's answer */
	if
	:: ps[2 * h + 1] == P_YES && pty[2 * h + 1] == T_COM -> hc[h] = pu[2 * h + 1]; ak[pn[2 * h + 1]] = 1
	:: else
	fi;
#endif
	TRUTH()
}

inline SENDCOM(h, c)
{
	p_ = 2 * h + (ps[2 * h] != P_NONE);
	ps[p_] = P_SENT; pty[p_] = T_COM; pn[p_] = hn[h]; pte[p_] = ht[h]; po[p_] = h; pb[p_] = hb[h]; pbd[p_] = hbd[h];
	pf[p_] = hi[h];
#ifdef MORDER			/* a later log chunk without the earlier one */
	if :: hd[h] > hi[h] + 1 && !c -> pf[p_] = hi[h] + 1; pu[p_] = hi[h] + 2 :: else -> pu[p_] = hi[h] + 1 fi;
#else
	pu[p_] = (c -> hd[h] : hi[h] + 1);
#endif
	pck[p_] = 0;
	hi[h] = pu[p_]; hb[h] = hn[h]; hbd[h] = DGP(p_); hn[h]++
	; p_ = 0
}

/* answer to PUT p of host h: a commit */
inline ANSCOM(h, p)
{
	if
	:: ps[p] == P_OK -> ps[p] = P_YES; CONFIRM(h)
	:: ps[p] == P_412 ->
#ifdef M412
		ps[p] = P_YES; CONFIRM(h)
#else
		y = pn[p];
		if
		:: ow[y] == h && te[y] == pte[p] && ty[y] == T_COM && fr[y] == pf[p] && up[y] == pu[p] && ba[y] == pb[p] && bd[y] == pbd[p] ->
			ps[p] = P_YES; y = 0; CONFIRM(h)	/* its own: a lost answer */
#ifndef AW_BYTES
		:: ow[y] == h && te[y] == ht[h] && !(ty[y] == T_COM && fr[y] == pf[p] && up[y] == pu[p] && ba[y] == pb[p] && bd[y] == pbd[p]) ->
			y = 0; DROPALL(h); hs[h] = H_RES	/* its predecessor's: read on, build anew */
#endif
#ifndef AW_STEP
		:: te[y] < ht[h] -> y = 0; DROPALL(h); hs[h] = H_RES	/* a zombie's: step over */
#endif
		:: else ->
			/* fenced; rightly so? */
			assert(te[y] > ht[h]);
			y = 0; FENCED(h)
		fi
#endif
	fi
}

inline ANSOPEN(h)
{
	y = pn[2 * h];
	if
	:: ps[2 * h] == P_OK || (ow[y] == h && te[y] == pte[2 * h] && ty[y] == T_OPEN) ->
		hs[h] = H_OWN; ht[h] = pte[2 * h]; hb[h] = y; hbd[h] = DGO(y); hn[h] = y + 1;
		if
		:: pca[2 * h] -> hdirty[h] = 0
		:: else -> hc[h] = 0; hd[h] = 0; hdirty[h] = 0
		fi;
		hi[h] = hc[h]; hcar[h] = 0;
		FREE(2 * h)
	:: else ->
		FREE(2 * h);
#ifdef AW_GOON			/* "412: read it, go on": what was decided stays */
		FOLD(1);
		pty[2 * h] = T_OPEN; pn[2 * h] = end_; pte[2 * h] = ct + 1; po[2 * h] = h; pb[2 * h] = last; pbd[2 * h] = DGO(last); pca[2 * h] = hcar[h];
		if :: end_ < N -> ps[2 * h] = P_SENT :: else -> FREE(2 * h); hs[h] = H_OFF fi
#else
		hs[h] = H_READ; hcar[h] = 0
#endif
	fi;
	CLR()
}

inline OPENREAD(h, start)
{
	FOLD(start);
#ifdef CKPT
	if :: start > 1 -> y = last; t_ = ct; FOLD(1); assert(y == last && t_ == ct) :: else fi;
#endif
	if
	:: end_ >= N -> hs[h] = H_OFF
	:: else ->
		if
		:: hdirty[h] && lo_ == h -> hcar[h] = 1; hc[h] = fu; if :: hd[h] < fu -> hd[h] = fu :: else fi
		:: hdirty[h] && lo_ != h -> hcar[h] = 0; hfork[h] = 1
		:: else -> hcar[h] = 0
		fi;
		ps[2 * h] = P_SENT; pty[2 * h] = T_OPEN; pn[2 * h] = end_; pte[2 * h] = ct + 1; po[2 * h] = h;
		pb[2 * h] = last; pbd[2 * h] = DGO(last); pca[2 * h] = hcar[h]; hs[h] = H_PUT
	fi;
	CLR()
}

inline RESUME(h)		/* a new helper, or after something was found in the way */
{
	FOLD(1);
	if
	:: ct > ht[h] -> CLR(); FENCED(h)
	:: else ->
		hn[h] = end_; hb[h] = last; hbd[h] = DGO(last); hc[h] = fu; hi[h] = fu; hs[h] = H_OWN;
		if :: hd[h] < fu -> hd[h] = fu :: else fi;
		CLR()
	fi
}

proctype Host(bit h)
{
	byte p_;
end:	do
	:: d_step { hs[h] == H_OWN && hd[h] < K -> hd[h]++ }			/* a log chunk is sealed */
	:: d_step { hs[h] == H_OWN && hi[h] < hd[h] && ps[2 * h + PIPE - 1] == P_NONE && hn[h] < N -> SENDCOM(h, 0) }
#ifdef GROUP
	:: d_step { hs[h] == H_OWN && hi[h] + 1 < hd[h] && ps[2 * h + PIPE - 1] == P_NONE && hn[h] < N -> SENDCOM(h, 1) }
#endif
#ifdef CKPT
#ifdef AW_CKPT
	:: d_step { hs[h] == H_OWN && hi[h] == hd[h] && ps[2 * h + 1] == P_NONE && hn[h] < N && hc[h] + 1 >= hi[h] ->
#else
	:: d_step { hs[h] == H_OWN && hi[h] == hd[h] && ps[2 * h] == P_NONE && hn[h] < N && hc[h] == hi[h] && !ck[hn[h] - 1] ->
#endif
		p_ = 2 * h + (ps[2 * h] != P_NONE);
		ps[p_] = P_SENT; pty[p_] = T_COM; pn[p_] = hn[h]; pte[p_] = ht[h]; po[p_] = h; pb[p_] = hb[h]; pbd[p_] = hbd[h];
		pf[p_] = hi[h]; pu[p_] = hi[h]; pck[p_] = 1; hb[h] = hn[h]; hbd[h] = DGP(p_); hn[h]++; p_ = 0 }
#endif
	/* answers, and lost ones: sent again, the first may still be under way */
	:: d_step { hs[h] == H_OWN && (ps[2 * h] == P_OK || ps[2 * h] == P_412) -> ANSCOM(h, 2 * h) }
	:: d_step { hs[h] == H_OWN && (ps[2 * h + 1] == P_OK || ps[2 * h + 1] == P_412) &&
#ifdef AW_PIPE412
		1
#else
		(ps[2 * h + 1] == P_OK || ps[2 * h] == P_YES)
#endif
		-> ANSCOM(h, 2 * h + 1) }
	:: d_step { hs[h] == H_PUT && (ps[2 * h] == P_OK || ps[2 * h] == P_412) -> ANSOPEN(h) }
	:: d_step { nto < MAXTO && ps[2 * h] != P_NONE && ps[2 * h] != P_YES -> nto++; LATE(2 * h); ps[2 * h] = P_SENT }
	/* open */
	:: d_step { hs[h] == H_OFF && nopen < MAXOPEN && !hfork[h] -> nopen++; hs[h] = H_READ }
	:: d_step { hs[h] == H_READ -> OPENREAD(h, 1) }
#ifdef CKPT
	:: d_step { hs[h] == H_READ && ck[3] -> OPENREAD(h, 3) }
	:: d_step { hs[h] == H_READ && ck[4] -> OPENREAD(h, 4) }
#endif
	/* the helper dies, the kernel and the term live on */
	:: d_step { ndie < MAXDIE && hs[h] == H_OWN -> ndie++; LATE(2 * h); LATE(2 * h + 1); DROPALL(h); hs[h] = H_RES }
	:: d_step { hs[h] == H_RES ->  RESUME(h) }
	/* the host goes down; its journal survives */
	:: d_step { ndie < MAXDIE && (hs[h] == H_OWN || hs[h] == H_PUT) -> ndie++; LATE(2 * h); LATE(2 * h + 1); DROPALL(h);
		if :: hs[h] == H_OWN -> hdirty[h] = 1 :: else fi;
		hs[h] = H_OFF; ht[h] = 0; hi[h] = 0; hn[h] = 0; hb[h] = 0; hbd[h] = 0; hcar[h] = 0 }
	od
}

proctype Net()
{
end:	do
	:: d_step { ps[0] == P_SENT -> LANDS(0) }
	:: d_step { ps[1] == P_SENT -> LANDS(1) }
	:: d_step { ps[2] == P_SENT -> LANDS(2) }
	:: d_step { ps[3] == P_SENT -> LANDS(3) }
	:: d_step { ps[4] == P_SENT -> LANDS(4) }
	:: d_step { ps[5] == P_SENT -> LANDS(5) }
	od
}

init {
	atomic {
		ty[1] = T_OPEN; te[1] = 1; ow[1] = 0; hs[0] = H_OWN; ht[0] = 1; hn[0] = 2; hb[0] = 1; hbd[0] = DGO(1);
		run Host(0); run Host(1); run Net()
	}
}
