there() {
    path "$1" || return
    [ -e "$1" ] || { printf 'there is no %s' "$1"; return 1; }
}

# How many files lie below a path, their bytes, the newest of them, and what went wrong.
s_below() {
    there "$1" || return
    need awk || return
    root=$1
    [ ! -d "$1" ] || root=${1%/}/
    if find / -maxdepth 0 -printf '' 2>/dev/null; then
        set -- -printf '%T@ %s %p\n'
    elif stat -c %Y / >/dev/null 2>&1; then
        set -- -exec stat -c '%Y %s %n' {} +
    else
        none "neither find -printf nor stat is there"
        return
    fi
    { limit 20 find "$root" -xdev -type f "$@" 2>&1; printf '= %s\n' "$?"; } | awk '
        /^= [0-9]+$/ { code = $2; next }
        /^[0-9.]+ [0-9]+ \// { n++; bytes += $2; if (newest == "" || at < $1 + 0) { at = $1 + 0; newest = $0 }; next }
        { wrong = $0 }
        END { printf "%d %.0f %d\n%s\n%s\n", n, bytes, code, newest, wrong }'
}

# New bytes of a file: INODE SKIP PATH, where SKIP counts blocks of 4 KiB and INODE is the file that was
# read before. What a rotation left beside it is read to its end first.
s_lines() {
    known=${1%% *} rest=${1#* }
    skip=${rest%% *} file=${rest#* }
    number "$known" && number "$skip" || return
    there "$file" || return
    [ -f "$file" ] || { printf '%s is no regular file' "$file"; return 1; }
    [ -r "$file" ] || { printf 'reef may not read %s there: add its user to the file'\''s group, often adm' "$file"; return 1; }
    part list
    ls -liLn -- "$file" 2>/dev/null
    old=
    if [ "$known" != 0 ] && [ "$(inode "$file")" != "$known" ]; then
        if [ -f "$file.1" ] && [ "$(inode "$file.1")" = "$known" ]; then
            part listold
            ls -liLn -- "$file.1" 2>/dev/null
            part old
            dd if="$file.1" bs=4096 skip="$skip" count=257 2>/dev/null
        fi
        skip=0
    fi
    part head
    dd if="$file" bs=64 count=1 2>/dev/null
    part "new"
    [ "$known" = 0 ] || dd if="$file" bs=4096 skip="$skip" count=257 2>/dev/null
    return 0
}

inode() { ls -iL -- "$1" 2>/dev/null | { read -r i _; printf '%s' "$i"; }; }
