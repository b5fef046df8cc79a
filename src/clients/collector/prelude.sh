# The collector of reef. It prints what reef wants to know of this host and changes nothing. What is
# wanted comes by standard input: a random word, then one line for each section, `NAME ARGUMENT`.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin:/usr/local/bin:/opt/sbin:/opt/bin
LC_ALL=C
export PATH LC_ALL
umask 077
nl='
'

# A part of a section. The random word keeps what a log or a file says from passing for one.
part() { printf '\n@%s part %s\n' "$word" "$1"; }

# Says why this host has no such thing; a section returns 100 after it.
none() { printf '%s' "$*"; return 100; }

need() { command -v "$1" >/dev/null 2>&1 || none "$1 is not installed there"; }

# A path that may be looked at: absolute, and where a list was installed with this file, one of it.
path() {
    case $1 in /*) ;; *) printf 'no absolute path'; return 101 ;; esac
    case $1 in */../*|*/..) printf 'no plain path'; return 101 ;; esac
    [ -n "${allowed+x}" ] || return 0
    case $nl$allowed$nl in *"$nl$1$nl"*) return 0 ;; esac
    printf 'the collector that is installed there does not allow %s: install the present one' "$1"
    return 101
}

number() { case $1 in ''|*[!0-9]*) printf 'no number'; return 101 ;; esac; }

# limit SECONDS COMMAND...: its code, or 137 where it did not end in time. What waits inside the kernel
# cannot be killed; it is left behind, and nobody waits for it.
limit() {
    secs=$1
    shift
    (
        "$@" &
        child=$!
        trap 'kill -9 $child 2>/dev/null; exit 137' TERM
        wait "$child"
    ) &
    guarded=$!
    (
        sleep "$secs" &
        nap=$!
        trap 'kill $nap 2>/dev/null; exit 0' TERM
        wait "$nap"
        kill "$guarded"
    ) </dev/null >/dev/null 2>&1 &
    guard=$!
    wait "$guarded"
    code=$?
    kill "$guard" 2>/dev/null
    wait "$guard" 2>/dev/null
    return "$code"
}

