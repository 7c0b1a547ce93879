// SPDX-License-Identifier: GPL-3.0-or-later

// Package policy is the sandbox's language: text in, an immutable Policy out,
// and Decide, which answers what may be done. No I/O, no clock, no descriptor:
// files and variables come in through Sources.
//
//	Parse, ParseIn ──► draft ──► Policy ──► Decide, Masked, AppendOnly, Judges
//	                     ▲          │
//	Edit, Drop, Load ────┴──────────┘      a change makes another Policy
//
// # Language
//
// A text is UTF-8 without control characters, a command a line; empty lines and
// lines that begin with `#` say nothing. Later commands win over earlier ones;
// of rules the last that matches. The operators:
//
//	key:value         sets
//	list+value        adds; list-value removes the most recently added equal one,
//	                  list^value removes all equal ones
//	key?              asks; of a running sandbox only (Query)
//	reset             forgets everything that was said before
//	include FILE      reads FILE here, relative to the including file
//	include_profile NAME
//
// `cmd!argument` belongs to the language too; no command of this version takes
// it, so it is refused. Nothing is accepted that has no effect: a blank at the
// end of a line and a comment behind a command would become part of a name that
// nobody meant.
//
// Behind config/expand:SECONDS, unless that is 0, a value's $NAME and ${NAME} are
// variables of the environment. There is no command substitution that could take
// time, so the seconds only say yes or no. Built-in profiles always have
// variables, and include_existing FILE.
//
// # Rules
//
// A rule is for any number of categories, in one list, together with masks and
// append-only files. An index over it, made when the first path is asked about,
// finds the last rule that matches in about the same time for ten rules and ten
// thousand. An edit leaves the index as it is: removed rules leave gaps, added
// ones are tried one by one until there are some.
//
// # Changes at run time
//
// Whether a command may be carried out is decided here as far as it is a matter
// of the policy; who asks, and what ENOENT or EBUSY is, is the runtime's. The
// first word decides whether a command is unknown (ErrUnknown); whatever else is
// wrong with it is malformed (ErrSyntax). Then come what can be said at the start
// only, and, for Drop, what would give something.
package policy
