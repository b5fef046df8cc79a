# A key that may only collect brings any other command here: it must not seem to have run.
case ${SSH_ORIGINAL_COMMAND-reef-collect} in
*reef-collect) ;;
*) echo "reef-collect: this key may only look at this host" >&2; exit 126 ;;
esac
IFS= read -r word || exit 2
case $word in ''|*[!0-9a-f]*) echo "reef-collect: this is no request of reef" >&2; exit 2 ;; esac
printf '\n@%s hello 1 %s\n' "$word" "${allowed+installed}"
line=0
while IFS= read -r wanted; do
    line=$((line + 1))
    name=${wanted%% *}
    argument=
    case $wanted in *' '*) argument=${wanted#* } ;; esac
    printf '\n@%s open %s\n' "$word" "$line"
    case $name in
    ''|*[!a-z_]*) code=99 ;;
    *)
        if command -v "s_$name" >/dev/null 2>&1; then
            "s_$name" "$argument" </dev/null
            code=$?
        else
            code=99
        fi ;;
    esac
    printf '\n@%s shut %s %s\n' "$word" "$line" "$code"
done
printf '\n@%s done\n' "$word"
