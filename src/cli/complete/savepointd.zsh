#compdef savepointd
# Completes savepointd in zsh: savepointd completions zsh > a file _savepointd in a directory of $fpath
_savepointd() {
    local line word
    local -a found after
    for line in "${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2> /dev/null)}"; do
        [[ -n $line ]] || continue
        word=${line%%$'\t'*}
        found+=("${word//:/\\:}:${line#*$'\t'}")
    done
    # A key waits for its value.
    [[ $word == *= ]] && after=(-S '')
    if (( ${#found} )); then _describe savepointd found "${after[@]}"; else _files; fi
}
if [[ ${funcstack[1]} == _savepointd ]]; then _savepointd "$@"; else compdef _savepointd savepointd; fi
