# Completes savepointd in fish: savepointd completions fish > ~/.config/fish/completions/savepointd.fish
function __savepointd_complete
    set -l before (commandline -opc)
    set -l typed (commandline -ct)
    set -l found ($before[1] complete -- $before[2..-1] "$typed" 2> /dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$typed"
    end
end
complete -c savepointd -f -a '(__savepointd_complete)'
