// SPDX-License-Identifier: GPL-3.0-or-later

// Package policy is the sandbox's language: text in, an immutable Policy out,
// and Decide, which answers what may be done. No I/O, no clock, no descriptor.
//
// A command is one line: `key:value` sets, `list+value` adds a rule,
// `list-value` removes the most recently added equal one, `list^value` removes
// all equal ones. For rules the last match wins.
package policy
