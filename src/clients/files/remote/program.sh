# What reef does to one file of this host: reef-files VERB ARGUMENT... The last line that it prints says what came
# of it: `ok ...`, `room` (the volume is full), `changed WHY` or `failed WHY`; but for `ok`, all is as it was.
# A file is held open from the first look to the last, so that a name which becomes another file meanwhile is
# noticed; folders are entered once, without a link on the way, and only names in them count from then on.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin
LC_ALL=C
export PATH LC_ALL
umask 077
nl='
'
new=/proc/$$/fd/4
scratch=
away=
answer=
trap '[ -z "$scratch" ] || rm -f "$scratch"; [ -z "$away" ] || rm -f "$away"; [ -z "$answer" ] || printf "%s\n" "$answer"' EXIT
trap 'exit 143' HUP INT TERM

ok() { printf 'ok %s\n' "$*"; exit 0; }
room() { printf 'room\n'; exit 20; }
changed() { printf 'changed %s\n' "$*"; exit 21; }
failed() { printf 'failed %s\n' "$*"; exit 22; }

# What a program said of a write that failed.
unwritten() {
    case $1 in *'pace left'*|*'uota exceeded'*) room ;; esac
    failed "$2: $1"
}

# Where a key came with a list of folders, one of them.
may() {
    [ -n "${roots+x}" ] || return 0
    case $nl$roots$nl in *"$nl$1$nl"*) return 0 ;; esac
    failed "the key by which reef acts there may not touch $1"
}

# Goes to the folder of a path below a root. Sets $path, $folder and $name.
enter() {
    may "$1"
    path=$2
    folder=${path%/*}
    name=${path##*/}
    case $path in "$1"/?*) ;; *) failed "$path lies outside of $1" ;; esac
    case $path in *//*|*/./*|*/../*|*/.|*/..) failed "$path is no plain path" ;; esac
    [ -n "$folder" ] || failed "$path lies in /"
    cd -P -- "$folder" 2>/dev/null || {
        [ -d "$folder" ] || changed "$path is not there"
        failed "$(id -un) may not enter $folder"
    }
    [ "$(pwd -P)" = "$folder" ] || failed "$folder is, or leads through, a symbolic link: reef follows none, name the real path"
}

taken() { [ -e "$1" ] || [ -L "$1" ]; }

# Holds ./$name open and makes sure that it is the file that was seen: a plain one with one name.
hold() {
    dev=$1 ino=$2
    taken "./$name" || changed "$path is not there"
    [ -f "./$name" ] && [ ! -L "./$name" ] || changed "$path is no plain file now"
    [ -r "./$name" ] || failed "$(id -un) may not read $path"
    exec 3<"./$name"
    held=/proc/$$/fd/3
    [ "$(stat -L -c '%d %i %h' "$held")" = "$dev $ino 1" ] || changed "$path is another file now"
}

size_of() { stat -L -c %s "$1"; }

# As it was counted: its length and the second in which it was written to.
unchanged() { [ "$(stat -L -c '%s %Y' "$held")" = "$1 $2" ] || changed "$path changed since it was counted"; }

# Nobody may have it open in a way that is not `readers` (or `appenders`, who may read too); `none`: in no way.
# What may not be looked at is no proof.
free_of_all_but() {
    [ "$(id -u)" = 0 ] || [ "$(stat -L -c %u "$held")" = "$(id -u)" ] || failed "cannot see who has $path open"
    [ "$(id -u)" != 0 ] || [ -r /proc/1/fd ] || failed "cannot see who has $path open"
    open=$(exec 3<&- 4>&-; find /proc/[0-9]*/fd -type l -exec stat -L -c '%d %i %n' {} + 2>/dev/null |
        grep "^$dev $ino /proc/" | while read -r _ _ link; do
            pid=${link#/proc/} pid=${pid%%/*}
            [ "$pid" != $$ ] || continue
            flags=$(grep '^flags:' "/proc/$pid/fdinfo/${link##*/}" 2>/dev/null)
            case ${flags##*[!0-7]} in
            '') continue ;;
            *0) how=readers ;;
            *[2367]???) how=appenders ;;
            *) how=writers ;;
            esac
            case $1-$how in readers-readers|appenders-readers|appenders-appenders) ;; *) printf '%s\n' "$pid" ;; esac
        done)
    [ -z "$open" ] || changed "$path is open in process ${open%%"$nl"*}"
}

# A new file of this name, for writing as 4: $new is this very file, whatever becomes of its name. What an earlier
# attempt left gives way. Sets $said.
create() {
    rm -f "$1" 2>/dev/null
    said=$( (set -C; : >"$1") 2>&1) || { said=${said:-cannot be made}; return 1; }
    rm -f "$1"
    set -C
    exec 4>"$1"
    set +C
}

make() { create "$1" || unwritten "$said" "cannot write in ${2:-$folder}"; }

# Owner, rights and times of a file for the new one. Sets $said.
alike() {
    said=
    owner=$(stat -L -c %u:%g "$1")
    [ "$(stat -L -c %u:%g "$new")" = "$owner" ] || chown "$owner" "$new" 2>/dev/null || {
        said="$(id -un) cannot give a file to $owner, the owner of $path"
        return 1
    }
    chmod "$(stat -L -c %a "$1")" "$new" && touch -r "$1" "$new" || {
        said="cannot give a copy of $path its rights and times"
        return 1
    }
}

like() { alike "$1" || failed "$said"; }

settle() { sync "$1" 2>/dev/null || sync; }

# The digest of standard input, by what there is.
digest=
for each in sha256sum md5sum cksum; do
    command -v "$each" >/dev/null 2>&1 && digest=$each && break
done

# The same bytes.
same() { [ "$($digest <"$1")" = "$($digest <"$2")" ]; }

# Gives a name to the new file, which is finished, if the name is free.
publish() {
    [ "$(stat -c '%d %i' "$1")" = "$(stat -L -c '%d %i' "$new")" ] || changed "$1 is another file now"
    ln "$1" "$2" 2>/dev/null && { rm -f "$1"; return 0; }
    taken "$2" && changed "$folder/${2#./} is there already"
    mv "$1" "$2" || failed "cannot name $2"
}

# Takes exactly the held file away, or nothing.
remove() {
    gone=./.$name.reef-gone
    taken "$gone" && failed "$folder/.$name.reef-gone is in the way"
    mv "./$name" "$gone" || failed "$(id -un) may not remove $path"
    if [ "$(stat -c '%d %i %s %Y' "$gone")" = "$dev $ino $1 $2" ]; then
        rm -f "$gone" && return 0
    fi
    ln "$gone" "./$name" 2>/dev/null && rm -f "$gone" || mv "$gone" "./$name"
    return 1
}

# What is held, compressed into the new file and read back. Sets $copied and $said. 1: no room.
squeeze() {
    begin=$copied
    copied=$(size_of "$held")
    [ "$copied" -ge "$begin" ] || changed "$path was emptied meanwhile"
    if [ "$begin" = 0 ]; then
        said=$(head -c "$copied" <"$held" | gzip -c 2>&1 >&4) || said="${said:-gzip failed}"
    else
        said=$(tail -c "+$((begin + 1))" <"$held" | head -c "$((copied - begin))" | gzip -c 2>&1 >&4) || said="${said:-gzip failed}"
    fi
    case $said in
    '') ;;
    *'pace left'*|*'uota exceeded'*) return 1 ;;
    *) failed "cannot compress $path: $said" ;;
    esac
    gzip -t <"$new" 2>/dev/null || failed "the compressed copy of $path cannot be read"
    [ "$(gzip -dc <"$new" | $digest)" = "$(head -c "$copied" <"$held" | $digest)" ] || failed "the compressed copy of $path was not written as it was read"
    like "$held"
    settle "$new"
}

# The folder of reef's own on this host, which belongs to reef alone.
own() {
    may "$1"
    said=$(mkdir -p -m 700 "$1" 2>&1) || unwritten "$said" "$(id -un) cannot make $1 (make it, or set quarantine under [host.NAME] of reef's config)"
    [ "$(cd -P -- "$1" 2>/dev/null && pwd -P)" = "$1" ] || failed "$1 is, or leads through, a symbolic link, or may not be entered"
    [ -O "$1" ] || [ "$(stat -c %u "$1")" = "$(id -u)" ] || failed "$1 belongs to somebody else"
}

# compress ROOT SPARE MARK DEV INODE BYTES WRITTEN PATH
# Answers `ok BYTES COMPRESSED home|spare`.
compress() {
    enter "$1" "$8"
    hold "$4" "$5"
    unchanged "$6" "$7"
    taken "./$name.gz" && changed "$path.gz is there already"
    free_of_all_but readers
    shrink replace "./$name.gz" "$2" "$3" "$6" "$7"
}

# rotate ROOT SPARE MARK DEV INODE BYTES WRITTEN PATH
# Answers `ok BYTES COMPRESSED home|spare NUMBER`.
rotate() {
    enter "$1" "$8"
    hold "$4" "$5"
    [ -w "./$name" ] || failed "$(id -un) may not write to $path"
    [ "$(size_of "$held")" -ge "$6" ] || changed "$path was emptied meanwhile"
    free_of_all_but appenders
    number=1
    while taken "./$name.$number.gz" || taken "./$name.$number"; do
        number=$((number + 1))
        [ "$number" -le 99 ] || failed "$path has 99 rotated copies: remove old ones first"
    done
    shrink copytruncate "./$name.$number.gz" "$2" "$3" "$6" "$7"
}

# shrink HOW TO SPARE MARK BYTES WRITTEN: beside the file, or where the volume is full to the last page through the
# spare folder on another volume.
shrink() {
    how=$1 to=$2 spare=$3 mark=$4 bytes=$5 written=$6
    at=./.$name.reef-part
    where=home
    scratch=$folder/${at#./}
    copied=0
    if ! create "$at" || ! squeeze; then
        case $said in *'pace left'*|*'uota exceeded'*) ;; *) failed "cannot write in $folder: $said" ;; esac
        exec 4>&-
        rm -f "$at"
        own "$spare"
        [ "$(stat -c %d "$spare")" != "$dev" ] || room
        at=$spare/$mark-$ino.gz
        where=spare
        away=$at
        copied=0
        make "$at" "$spare"
        squeeze || room
    fi
    # Asked before anything goes.
    [ "$copied" = 0 ] || [ $(($(size_of "$new") * 10)) -lt $((copied * 9)) ] || changed "$path does not become smaller"
    round=1
    named=
    while :; do
        if [ "$where" = home ] && [ -z "$named" ]; then
            publish "$at" "$to"
            named=yes at=$to scratch=$folder/${to#./}
        fi
        case $how in
        replace)
            [ "$(stat -L -c '%s %Y' "$held")" = "$bytes $written" ] || changed "$path changed meanwhile"
            remove "$bytes" "$written" || changed "$path is another file now"
            break ;;
        copytruncate)
            # The last look before the cut: whatever was appended until here is in the copy.
            if [ "$(size_of "$held")" = "$copied" ]; then
                : >"$held"
                break
            fi ;;
        esac
        round=$((round + 1))
        [ "$round" -le 8 ] || changed "$path is written to faster than it can be copied"
        squeeze || room
    done
    scratch= away=
    compressed=$(size_of "$new")
    answer="ok $copied $compressed $where ${number-}"
    # Only when the last descriptor is closed has the file given its room.
    exec 3<&- 4>&-
    [ "$where" = home ] || ! bring "$at" "$to" || answer="ok $copied $compressed home ${number-}"
    exit 0
}

# Brings a finished copy home, if it fits there now; if not, it stays where it is.
bring() {
    part=./.$name.reef-part
    create "$part" && cat "$1" >&4 2>/dev/null && same "$1" "$new" && alike "$1" && settle "$new" &&
        ln "$part" "$2" 2>/dev/null && rm -f "$part" "$1" && return 0
    rm -f "$part"
    return 1
}

# grow HOW ROOT DEV INODE BYTES WRITTEN PATH: the other way; answers `ok BYTES`.
grow() {
    enter "$2" "$7"
    hold "$3" "$4"
    unchanged "$5" "$6"
    case $name in *.gz) plain=${name%.gz} ;; *) failed "$path has no name that reef gave it" ;; esac
    [ "$1" = replace ] || plain=${plain%.*}
    at=./.$plain.reef-part
    scratch=$folder/${at#./}
    make "$at"
    said=$(gzip -dc <"$held" 2>&1 >&4) || unwritten "$said" "cannot unpack $path"
    bytes=$(size_of "$new")
    if [ "$1" = copytruncate ] && taken "./$plain"; then
        [ -f "./$plain" ] && [ ! -L "./$plain" ] || changed "$folder/$plain is no plain file now"
        exec 5<"./$plain"
        now=/proc/$$/fd/5
        since=$(size_of "$now")
        if [ "$since" = 0 ]; then
            # Still empty: filled in place, so that it keeps its inode for whoever comes to write.
            said=$(cat "$new" 2>&1 >"$now") && same "$new" "$now" || {
                : >"$now"
                unwritten "$said" "cannot fill $folder/$plain"
            }
            touch -r "$held" "$now"
            settle "$now"
        else
            said=$(cat "$now" 2>&1 >&4) || unwritten "$said" "cannot fill $folder/$plain"
            [ "$(size_of "$now")" = "$since" ] && [ "$(size_of "$new")" = "$((bytes + since))" ] || changed "$folder/$plain is being written to"
            like "$now"
            settle "$new"
            mv "$at" "./$plain" || failed "cannot replace $folder/$plain"
            scratch=
        fi
    else
        like "$held"
        settle "$new"
        publish "$at" "./$plain"
        scratch=
    fi
    remove "$5" "$6" || failed "$path changed meanwhile: both it and $plain are there"
    ok "$bytes"
}

# away ROOT FOLDER ID INDEX DEV INODE BYTES WRITTEN PATH: into quarantine.
away() {
    own "$2"
    own_of_id "$2/$3"
    enter "$1" "$9"
    hold "$5" "$6"
    unchanged "$7" "$8"
    free_of_all_but none
    to=$2/$3/$4
    taken "$to" && changed "$to is there already"
    if [ "$(stat -c %d "$2/$3")" = "$dev" ]; then
        mv "./$name" "$to" || failed "$(id -un) may not move $path"
        if [ "$(stat -c '%d %i' "$to")" != "$dev $ino" ]; then
            ln "$to" "./$name" && rm -f "$to"
            changed "$path is another file now"
        fi
        ok "$7"
    fi
    at=$2/$3/.$4.reef-part
    away=$at
    make "$at" "$2"
    said=$(cat "$held" 2>&1 >&4) || unwritten "$said" "cannot write in $2"
    same "$held" "$new" || changed "$path changed meanwhile"
    like "$held"
    settle "$new"
    publish "$at" "$to"
    away=$to
    remove "$7" "$8" || changed "$path is another file now"
    away=
    ok "$7"
}

own_of_id() {
    case ${1##*/} in ''|*[!A-Za-z0-9-]*) failed "${1##*/} is no quarantine's id" ;; esac
    [ -d "$1" ] && [ ! -L "$1" ] || mkdir -m 700 "$1" 2>/dev/null || failed "cannot make $1"
}

# back ROOT FOLDER ID INDEX PATH: out of quarantine, if the old name is free.
back() {
    may "$2"
    case $3 in ''|*[!A-Za-z0-9-]*) failed "$3 is no quarantine's id" ;; esac
    from=$2/$3/$4
    [ -f "$from" ] && [ ! -L "$from" ] || changed "$from is not there"
    enter "$1" "$5"
    taken "./$name" && changed "$path is there already"
    if [ "$(stat -c %d "$from")" = "$(stat -c %d .)" ]; then
        ln "$from" "./$name" 2>/dev/null && rm -f "$from" && ok
        taken "./$name" && changed "$path is there already"
        mv "$from" "./$name" || failed "$(id -un) may not move $from"
        ok
    fi
    exec 3<"$from"
    held=/proc/$$/fd/3
    at=./.$name.reef-part
    scratch=$folder/${at#./}
    make "$at"
    said=$(cat "$held" 2>&1 >&4) || unwritten "$said" "cannot write in $folder"
    same "$held" "$new" || failed "$path was not written as it was read"
    like "$held"
    settle "$new"
    publish "$at" "./$name"
    scratch=
    rm -f "$from"
    ok
}

# discard FOLDER ID all|empty: a quarantine with what is in it; answers `ok FILES BYTES`.
discard() {
    may "$1"
    case $2 in ''|*[!A-Za-z0-9-]*) failed "$2 is no quarantine's id" ;; esac
    files=0
    bytes=0
    if [ "$3" = all ] && [ -d "$1/$2" ] && [ ! -L "$1/$2" ]; then
        for each in "$1/$2"/[0-9]*; do
            [ -f "$each" ] && [ ! -L "$each" ] || continue
            size=$(stat -c %s "$each")
            rm -f "$each" || failed "$(id -un) may not delete $each; $files files are gone"
            files=$((files + 1))
            bytes=$((bytes + size))
        done
    fi
    rmdir "$1/$2" 2>/dev/null
    ok "$files $bytes"
}

for needed in stat gzip find grep head tail sed; do
    command -v "$needed" >/dev/null 2>&1 || failed "the program $needed is not installed there"
done
[ -n "$digest" ] || failed "none of sha256sum, md5sum and cksum is installed there"
stat -c %Y / >/dev/null 2>&1 || failed "the stat there has no -c"
[ -d /proc/$$/fd ] || failed "there is no /proc"
# What is no letter, digit or -_./:@+,= comes as its octal number: `%040` is a blank.
n=$#
while [ "$n" -gt 0 ]; do
    case $1 in
    *%*) set -- "$@" "$(printf '%b' "$(printf '%s' "$1" | sed 's/%\([0-7][0-7][0-7]\)/\\0\1/g')")" ;;
    *) set -- "$@" "$1" ;;
    esac
    shift
    n=$((n - 1))
done
verb=${1-}
case $verb-$# in
compress-9|rotate-9|grow-8|away-10|back-6|discard-4) ;;
*) failed "no such request" ;;
esac
shift
"$verb" "$@"
