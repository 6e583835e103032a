# SPDX-License-Identifier: Apache-2.0
# bash completion of evsctl: evsctl itself knows what may come next.
_evsctl()
{
	local line=${COMP_LINE:0:COMP_POINT} word=${COMP_WORDS[COMP_CWORD]} full candidates
	# bash takes '=' and ':' for ends of words: hand back only what follows the last one.
	full=${line##* }
	[[ $word == "=" ]] && word=
	mapfile -t candidates < <(evsctl --complete "$line" 2>/dev/null)
	COMPREPLY=("${candidates[@]#"${full%"$word"}"}")
	[[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
	return 0
}
complete -F _evsctl evsctl
