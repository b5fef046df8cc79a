//! Ending one process of another host: the program that does it there.

/// The name that stands for it: in the record, and before a key that may run it.
pub const CALLED: &str = "reef-kill";

/// Ends process `$1` if it began at `$2`, with signal `$3`, and waits for it: 3 where it is another one or
/// gone, 4 where it is still there after five seconds. Nothing is spliced into it.
pub const PROGRAM: &str = r#"pid=$1 start=$2 signal=$3
began() {
    stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return 1
    set -f; set -- ${stat##*) }
    case $1 in Z|X) return 1 ;; esac
    [ "${20}" = "$start" ]
}
began || exit 3
kill -s "$signal" "$pid" || exit 5
n=0
while [ $n -lt 25 ]; do began || exit 0; sleep 0.2 2>/dev/null || { sleep 1; n=$((n + 4)); }; n=$((n + 1)); done
exit 4"#;
