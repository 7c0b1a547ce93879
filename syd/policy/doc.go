// SPDX-License-Identifier: GPL-3.0-or-later

// Package policy is the sandbox's language: text in, an immutable Policy out,
// and Decide, which answers what may be done. No I/O, no clock, no descriptor:
// files come in through a Reader.
//
// A text is UTF-8 without control characters, a command a line; empty lines and
// lines that begin with `#` say nothing. Later commands win over earlier ones;
// of rules the last that matches. The operators:
//
//	key:value         sets
//	list+value        adds; list-value removes the most recently added equal one,
//	                  list^value removes all equal ones
//	reset             forgets everything that was said before
//	include FILE      reads FILE here, relative to the including file
//	include_profile NAME
//
// `key?`, a query, and `cmd!argument` belong to the language too; no command of
// this version takes them, so they are refused. Nothing is accepted that has no
// effect: a blank at the end of a line and a comment behind a command would
// become part of a name that nobody meant.
package policy
