vim9script
# Texts as the LSP and the screen want them: columns in UTF-16 units, changes, words, tabs.

const AT_ONCE = 100     # lines; Vim compares lists faster than a loop of ours does

def UnitsOf(code: number): number
  return code > 0xFFFF ? 2 : 1
enddef

# How long a text is in UTF-16 units, which is what a server counts in unless it was asked for another encoding.
export def Units(text: string): number
  var units = 0
  for code in str2list(text, true)
    units += UnitsOf(code)
  endfor
  return units
enddef

# The byte of `line` at which so many UTF-16 units end.
export def ByteAt(line: string, units: number): number
  var left = units
  var n_bytes = 0
  for code in str2list(line, true)
    if left <= 0
      break
    endif
    left -= UnitsOf(code)
    n_bytes += len(nr2char(code, true))
  endfor
  return n_bytes
enddef

export def Lines(lines: list<string>): string
  return join(lines, "\n") .. "\n"
enddef

# How many lines are the same at the beginning, or where `step` is -1 at the end; `n_most` at most.
def SameLines(old: list<string>, new: list<string>, n_most: number, step: number): number
  var n_same = 0
  var [first, last] = step > 0 ? [0, AT_ONCE - 1] : [-AT_ONCE, -1]
  while n_same + AT_ONCE <= n_most && old[first : last] == new[first : last]
    n_same += AT_ONCE
    first += step * AT_ONCE
    last += step * AT_ONCE
  endwhile
  var at = step > 0 ? n_same : -1 - n_same
  while n_same < n_most && old[at] ==# new[at]
    n_same += 1
    at += step
  endwhile
  return n_same
enddef

def SameCodes(old: list<number>, new: list<number>, n_most: number, step: number): number
  var n_same = 0
  var at = step > 0 ? 0 : -1
  while n_same < n_most && old[at] == new[at]
    n_same += 1
    at += step
  endwhile
  return n_same
enddef

# Where a text that begins in column 0 of line `lnum` ends.
def EndOf(codes: list<number>, lnum: number): dict<number>
  var lines = split(list2str(codes, true), "\n", true)
  return {line: lnum + len(lines) - 1, character: Units(lines[-1])}
enddef

# What makes `new` out of `old`, as the smallest of the LSP's changes: the server can tell a key from a suggestion by it.
# Vim's listener_add() knows whole lines only, and nothing of a file that is loaded again.
export def Change(old: list<string>, new: list<string>): dict<any>
  var n_lines = min([len(old), len(new)])
  var top = SameLines(old, new, n_lines, 1)
  var bottom = SameLines(old, new, n_lines - top, -1)
  var before = str2list(join(old->slice(top, len(old) - bottom)->map((_, line) => line .. "\n"), ''), true)
  var after = str2list(join(new->slice(top, len(new) - bottom)->map((_, line) => line .. "\n"), ''), true)
  var n_codes = min([len(before), len(after)])
  var left = SameCodes(before, after, n_codes, 1)
  var right = SameCodes(before, after, n_codes - left, -1)
  var start = EndOf(before->slice(0, left), top)
  var end = EndOf(before->slice(0, len(before) - right), top)
  return {range: {start: start, end: end}, text: list2str(after->slice(left, len(after) - right), true)}
enddef

# Bytes of a text up to the end of its first word, or of its first run of other characters.
export def Word(text: string): number
  return matchend(text, '^\_s*\%(\%(\w\|[^\x00-\x7f]\)\+\|\%([^[:alnum:]_[:space:]]\&[\x00-\x7f]\)\+\|$\)')
enddef

# Bytes of a text up to the end of its first line with something in it.
export def Line(text: string): number
  return matchend(text, '^\_s*[^\n]*')
enddef

# Tabs as the buffer would show them, from this screen column on; Vim draws a single blank for those in virtual text.
export def Expanded(text: string, column: number): string
  var shown = ''
  for part in split(text, '\t\zs')
    var width = strdisplaywidth(part, column + strdisplaywidth(shown, column))
    var letters = trim(part, "\t", 2)
    shown ..= letters .. repeat(' ', width - strdisplaywidth(letters, column + strdisplaywidth(shown, column)))
  endfor
  return shown
enddef

# The file's URI; a buffer without a name has one too.
export def Uri(buf: number): string
  var path = fnamemodify(bufname(buf), ':p')
  if bufname(buf) == ''
    return 'untitled:' .. buf
  endif
  var encoded = ''
  for i in range(len(path))
    var byte = strpart(path, i, 1)
    encoded ..= byte =~ '[[:alnum:]/._~-]' ? byte : printf('%%%02X', char2nr(byte))
  endfor
  return 'file://' .. encoded
enddef
