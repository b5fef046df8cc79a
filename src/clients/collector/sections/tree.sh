# A place that may be walked: absolute, without a link on the way, and where a list was installed with this
# file, a volume, or on or below what the list names.
walkable() {
    case $1 in /*) ;; *) printf 'no absolute path'; return 101 ;; esac
    case $1 in */../*|*/..) printf 'no plain path'; return 101 ;; esac
    if [ -n "${allowed+x}" ] && ! names_it "$1"; then
        printf 'the collector that is installed there does not allow %s to be walked: install the present one' "$1"
        return 101
    fi
    [ -e "$1" ] || [ -L "$1" ] || { printf 'there is no %s' "$1"; return 1; }
    if [ -d "$1" ] && [ ! -L "$1" ]; then
        real=$(cd -P -- "$1" 2>/dev/null && pwd -P) || { printf 'reef may not enter %s there' "$1"; return 1; }
    else
        real=${1%/*}
        real=$(cd -P -- "${real:-/}" 2>/dev/null && pwd -P) || { printf 'reef may not enter %s there' "${1%/*}"; return 1; }
        real=${real%/}/${1##*/}
        [ -f "$1" ] && [ ! -L "$1" ] || real=
    fi
    [ "$real" = "$1" ] || {
        printf '%s is, or leads through, a symbolic link, or is neither file nor folder: reef follows none, name the real path' "$1"
        return 1
    }
}

names_it() {
    upper=$1
    while :; do
        case $nl$allowed$nl in *"$nl$upper$nl"*) return 0 ;; esac
        case $upper in /|'') break ;; esac
        upper=${upper%/*}
        upper=${upper:-/}
    done
    while read -r _ mounted _; do
        [ "$mounted" != "$1" ] || return 0
    done </proc/self/mounts
    return 1
}

# Every file below a path on its volume, `DEV INODE LINKS UID BYTES BLOCKS WRITTEN READ CHANGED PATH`; a name with
# a control character is a `?`, and what lies in such a folder with it.
entries() {
    if find / -maxdepth 0 -printf '' 2>/dev/null; then
        limit 20 find "$1" -xdev -name '*[[:cntrl:]]*' -printf '?\n' -prune -o \
            -type f -printf '%D %i %n %U %s %b %T@ %A@ %C@ %p\n'
    else
        limit 20 find "$1" -xdev -name '*[[:cntrl:]]*' -exec echo '?' \; -prune -o \
            -type f -exec stat -c '%d %i %h %u %s %b %Y %X %Z %n' {} +
    fi 2>&1
    printf '= %s\n' "$?"
}

device() { stat -c %d "$1" 2>/dev/null || find "$1" -maxdepth 0 -printf '%D\n' 2>/dev/null; }

heading() {
    walkable "$1" || return
    need awk || return
    find / -maxdepth 0 -printf '' 2>/dev/null || stat -c %Y / >/dev/null 2>&1 || {
        none "neither find -printf nor stat is there"
        return
    }
    dev=$(device "$1") || { printf 'cannot tell which volume %s lies on' "$1"; return 1; }
    part dev
    printf '%s\n' "$dev"
    part room
    limit 5 df -P -k "$1" 2>/dev/null
    return 0
}

# Of files that lie together and are called alike one line, `FILES BYTES NEWEST PATH`; at the end
# `= CODE UNNAMED MOUNTS WRONG BEYOND`.
s_sizes() {
    heading "$1" || return
    part lots
    entries "$1" | awk -v dev="$dev" '
        /^= [0-9]+$/ { code = $2; next }
        $0 == "?" { unnamed++; next }
        !/^[0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ / { wrong++; next }
        $1 != dev { mounts++; next }
        $3 > 1 { if ($2 in known) next; known[$2] = 1 }
        {
            path = substr($0, index($0, " /") + 1)
            match(path, /[^\/]*$/)
            folder = substr(path, 1, RSTART - 1)
            name = substr(path, RSTART)
            gsub(/[0-9]+/, "0", name)
            n = split(name, word, ".")
            alike = ""
            if (n > 3) alike = "." word[n - 2] "." word[n - 1] "." word[n]
            else if (n > 1) alike = substr(name, index(name, "."))
            if (word[1] == "core") alike = "core" alike
            key = folder alike
            if (!(key in files)) {
                if (++keys > 30000) { key = folder; if (!(key in files) && ++folders > 10000) { beyond++; key = "/" } }
                if (!(key in files)) one[key] = path
            }
            files[key]++
            bytes[key] += $6 * 512
            if (newest[key] < $7 + 0) newest[key] = $7 + 0
        }
        END {
            for (key in files) printf "%d %.0f %d %s\n", files[key], bytes[key], newest[key], one[key]
            printf "= %d %d %d %d %d\n", code, unnamed, mounts, wrong, beyond
        }'
}

# A line each, `INODE LINKS UID BYTES BLOCKS WRITTEN TOUCHED PATH`; at the end as above.
s_listed() {
    heading "$1" || return
    part files
    entries "$1" | awk -v dev="$dev" '
        /^= [0-9]+$/ { code = $2; next }
        $0 == "?" { unnamed++; next }
        !/^[0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ / { wrong++; next }
        $1 != dev { mounts++; next }
        ++n > 60000 { beyond++; next }
        {
            touched = $7 + 0
            if (touched < $8 + 0) touched = $8 + 0
            if (touched < $9 + 0) touched = $9 + 0
            printf "%s %s %s %s %s %d %d %s\n", $2, $3, $4, $5, $6, $7, touched, substr($0, index($0, " /") + 1)
        }
        END { printf "= %d %d %d %d %d\n", code, unnamed, mounts, wrong, beyond }'
}

# Who has files of a volume open: lines `INODE LINKS BLOCKS FLAGS PID NAME`, the flags octal or `-`, and `r INODE` or
# `w INODE` for what is mapped.
s_holders() {
    number "$1" || return
    need awk || return
    stat -c %Y / >/dev/null 2>&1 || { none "stat is not there"; return; }
    part who
    id -u
    part open
    {
        limit 10 find /proc/[0-9]*/fd -type l -exec stat -L -c '%d %i %h %b %n' {} + 2>&1
        printf '= %s\n' "$?"
        limit 6 find /proc/[0-9]*/fdinfo -type f -exec grep -H '^flags:' {} + 2>/dev/null
        printf '= %s\n' "$?"
    } | awk -v dev="$1" '
        /^= / { if ($2 == 137) late = 1; next }
        /\/fd.?: Permission denied/ { hidden++; next }
        /^[0-9]+ [0-9]+ [0-9]+ [0-9]+ \/proc\// {
            if ($1 != dev) next
            split($5, at, "/")
            open[at[3] "/" at[5]] = $2 " " $3 " " $4
            next
        }
        /^\/proc\/[0-9]+\/fdinfo\/[0-9]+:flags:/ {
            split($1, at, "/")
            split(at[5], nth, ":")
            key = at[3] "/" nth[1]
            if (key in open) flags[key] = $2
        }
        END {
            for (key in open) {
                split(key, at, "/")
                split(open[key], of, " ")
                name = ""
                if (of[2] == 0) { file = "/proc/" at[1] "/comm"; getline name <file; close(file) }
                print open[key], (key in flags ? flags[key] : "-"), at[1], name
            }
            printf "= %d %d\n", hidden, late
        }'
    part mapped
    dev=$(printf '%02x:%02x' $((($1 >> 8) & 4095)) $((($1 & 255) | (($1 >> 12) & 1048320))))
    cat /proc/[0-9]*/maps 2>/dev/null | awk -v dev="$dev" '
        $4 == dev && $5 != 0 {
            how = ($2 ~ /w/ && $2 ~ /s/) ? "w" : "r"
            if (!((how $5) in told)) { told[how $5] = 1; print how, $5 }
        }'
    return 0
}

# The volume of a folder, or of its nearest parent that is there.
s_volume() {
    case $1 in /*) ;; *) printf 'no absolute path'; return 101 ;; esac
    upper=$1
    until [ -d "$upper" ]; do
        upper=${upper%/*}
        upper=${upper:-/}
    done
    device "$upper"
}
