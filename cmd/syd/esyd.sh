# SPDX-License-Identifier: GPL-3.0-or-later
# esyd: changes and asks the sandbox that this shell runs in, as far as its lock
# lets it. For any POSIX shell: eval "$(syd --sh)", or . a file of it.
#
# Everything is done by the shell itself: under lock:exec the sandbox listens to
# its first process only, and to none that this one starts.

esyd_help() {
	cat <<'END'
Usage: esyd VERB [ARGUMENT...]

  check                     is this a sandbox that listens to us?
  api                       print the number of its language's version
  info                      print its state, as JSON
  stat                      have syd print its state into its log
  lock, unlock              nobody, every process may change the policy
  exec_lock                 the first process may
  drop_lock                 every process may give up what is allowed
  read_lock                 every process may look
  enable, disable CATS      decide on categories, or don't: read,stat
  enabled CATS              are all of them decided on?
  default CATS ACTION       what happens where no rule matches
  ACTION CATS PATTERN       add a rule: esyd allow read '/etc/***'
  del, rem ACTION CATS PATTERN  remove the newest equal rule, all equal ones
  mask, append PATTERN      hide files' contents, have them written at the end only
  load FD                   read commands from a descriptor
  do COMMAND                any command of the language
  ghost                     give up all calls that syd does for us, for good
  reset, panic              forget the policy, end the sandbox

The status is 0 if it is so or was done, 1 if not, 2 if it can't be said so.
END
}

# esyd_do COMMAND: syd answers a look at this path by carrying it out.
esyd_do() {
	test -c "/dev/syd/$1"
}

# esyd_args WANTED GIVEN: complains unless they are the same.
esyd_args() {
	if [ "$1" -eq "$2" ]; then
		return 0
	fi
	printf 'esyd: expected %d arguments, got %d (esyd help)\n' "$(($1 - 1))" "$(($2 - 1))" >&2
	return 1
}

# esyd_info: the file's lines, by the shell's own means.
esyd_info() {
	while IFS= read -r esyd_line || [ -n "$esyd_line" ]; do
		printf '%s\n' "$esyd_line" || break
	done </dev/syd
	unset esyd_line
}

esyd() {
	case "${1-}" in
	check | api | info | lock | unlock | exec_lock | drop_lock | read_lock | stat | ghost | reset | panic | help)
		esyd_args 1 "$#" || return 2
		;;
	enable | disable | enabled | mask | append | load | do)
		esyd_args 2 "$#" || return 2
		;;
	default | allow | warn | filter | deny | stop | abort | kill | exit)
		esyd_args 3 "$#" || return 2
		;;
	del | rem)
		esyd_args 4 "$#" || return 2
		;;
	*)
		esyd_help >&2
		return 2
		;;
	esac
	case "$1" in
	help) esyd_help ;;
	check) test -c /dev/syd ;;
	api) test -c /dev/syd && echo 3 ;;
	info) [ -c /dev/syd ] && esyd_info ;;
	lock) esyd_do lock:on ;;
	unlock) esyd_do lock:off ;;
	exec_lock) esyd_do lock:exec ;;
	drop_lock) esyd_do lock:drop ;;
	read_lock) esyd_do lock:read ;;
	stat | ghost | reset | panic) esyd_do "$1" ;;
	enable) esyd_do "sandbox/$2:on" ;;
	disable) esyd_do "sandbox/$2:off" ;;
	enabled) esyd_do "sandbox/$2?" ;;
	default) esyd_do "default/$2:$3" ;;
	mask | append) esyd_do "$1+$2" ;;
	load) esyd_do "load/$2" ;;
	do) esyd_do "$2" ;;
	del) esyd_do "$2/$3-$4" ;;
	rem) esyd_do "$2/$3^$4" ;;
	*) esyd_do "$1/$2+$3" ;;
	esac
}
