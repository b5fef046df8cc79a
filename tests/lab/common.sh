# shellcheck shell=bash
# Sourced by the scripts in this folder. Each of them takes `up NAME ...`, `down NAME` and
# `down --all`, keeps what it made in /tmp/reef-lab/KIND-NAME (/tmp/reef-lab-UID when it does not run
# as root), prints KEY=VALUE lines on standard output, and ends only processes and mounts recorded there. `up` replaces an older one of the same
# name, so a test that was interrupted leaves nothing that could change the result of the next run.
# Exit codes: 0 done, 77 this machine lacks something that is needed (standard error says what),
# 1 anything else.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C.UTF-8
umask 022
LAB=/tmp/reef-lab
((EUID == 0)) || LAB+=-$EUID
KIND=${0##*/}

die() { echo "$KIND: $*" >&2; exit 1; }
lacks() { echo "$KIND: not possible on this machine: $*" >&2; exit 77; }
need_root() { ((EUID == 0)) || lacks "it needs root"; }
need() { command -v "$1" >/dev/null || lacks "$1 is not installed (tests/prepare installs it)"; }

# Sets $name and $dir, and makes sure that nobody else prepared the folder in /tmp for us.
take_name() {
    [[ ${1:-} =~ ^[a-z0-9][a-z0-9-]{0,40}$ ]] || die "a name of a-z, 0-9 and - is needed, not '${1:-}'"
    # shellcheck disable=SC2034 # the scripts that source this use it
    name=$1 dir=$LAB/$KIND-$1
    mkdir -p "$LAB"
    [[ -O $LAB && ! -L $LAB ]] || die "$LAB belongs to another user"
}

# Calls `down` for one name, or for every name that this script has brought up.
take_down() {
    local each
    if [[ ${1:-} != --all ]]; then take_name "${1:-}" && down; return; fi
    for each in "$LAB/$KIND"-*/; do
        [[ -d $each ]] || continue
        each=${each%/} && take_name "${each##*/"$KIND"-}" && down
    done
}

# A port on loopback that nothing listens on, below the range the kernel hands out to clients.
free_port() {
    local port
    while port=$((20000 + SRANDOM % 12000)); do
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# A process that has ended stays visible until its parent notices, which can take PID 1 a second.
alive() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null && [[ $stat != *') Z '* ]]
}

# ends PIDFILE: ends that process, waits until it is gone, then ends the children it left. Process
# ids are reused, so it must still be the one whose command line names $dir.
ends() {
    local pid children i
    pid=$(cat "$1" 2>/dev/null) && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$dir" || return 0
    read -ra children <"/proc/$pid/task/$pid/children" || true
    # A stopped process would not notice the first signal.
    kill "$pid" 2>/dev/null || true
    kill -CONT "$pid" 2>/dev/null || true
    for ((i = 0; i < 200; i++)); do
        alive "$pid" || break
        sleep 0.05
    done
    kill -KILL "$pid" ${children[@]+"${children[@]}"} 2>/dev/null || true
}

# until_true SECONDS COMMAND...: tries the command every 50 ms.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}
