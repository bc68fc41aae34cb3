vim9script
# Suggestions in grey: ask, draw, accept. What is shown belongs to the cursor of this moment, so there is one at most.
import autoload 'infill/server.vim'
import autoload 'infill/text.vim'

const ASK_AFTER_MS = 100
const INVOKED = 1           # LSP's InlineCompletionTriggerKind
const AUTOMATIC = 2

var timer = -1
var asked = -1              # the id of the request on its way
# {buf, lnum, col, after, n_lines, text, replaced, command}: what was answered at `lnum` and byte `col`, where `after`
# stood right of the cursor; `text` takes the place of `replaced`, the beginning of `after`.
var shown: dict<any> = {}
var wanted: dict<any> = {}  # {Measure, key}: the accepting key that was pressed, and how much of a text it takes

def Clear()
  if !empty(shown) && bufexists(shown.buf)
    prop_remove({types: ['InfillGhost', 'InfillReplaced'], bufnr: shown.buf, all: true})
  endif
  shown = {}
enddef

def Cancel()
  timer_stop(timer)
  if asked >= 0
    server.Cancel(asked)
  endif
  asked = -1
enddef

export def Stop()
  Clear()
  Cancel()
enddef

def Left(): string
  return strpart(getline('.'), 0, col('.') - 1)
enddef

def Right(): string
  return strpart(getline('.'), col('.') - 1)
enddef

# What of the suggestion is not in the text yet; '' where nothing is, or where something else was typed since.
def Rest(): string
  if empty(shown) || shown.buf != bufnr() || line('$') - shown.n_lines != line('.') - shown.lnum || Right() !=# shown.after
    return ''
  endif
  var typed = getline(shown.lnum, '.')
  if empty(typed) || (len(typed) == 1 && col('.') - 1 < shown.col)
    return ''
  endif
  typed[-1] = Left()
  typed[0] = strpart(typed[0], shown.col)
  var begin = join(typed, "\n")
  var rest = strpart(shown.text, len(begin))
  return begin ==# strpart(shown.text, 0, len(begin)) && rest !=# shown.replaced ? rest : ''
enddef

# The end of the suggestion may be there already, as a closer that was inserted with its opener: then the rest goes before
# it. Where that does not do, what is replaced or moves down is struck through.
def Draw(rest: string)
  var column = strdisplaywidth(Left())
  var n_same = len(rest) - len(shown.replaced)
  var is_inserted = rest !~ "\n" && n_same >= 0 && strpart(rest, n_same) ==# shown.replaced
  var whole = is_inserted ? strpart(rest, 0, n_same) : rest .. strpart(shown.after, len(shown.replaced))
  var [first; below] = split(whole, "\n", true)
  prop_remove({types: ['InfillGhost', 'InfillReplaced'], all: true})
  if first != ''
    prop_add(line('.'), col('.'), {type: 'InfillGhost', text: text.Expanded(first, column)})
  endif
  if !is_inserted && shown.after != ''
    prop_add(line('.'), col('.'), {type: 'InfillReplaced', length: len(shown.after)})
  endif
  for line in below
    prop_add(line('.'), 0, {type: 'InfillGhost', text: line == '' ? ' ' : text.Expanded(line, 0), text_align: 'below'})
  endfor
enddef

# An item of the LSP as seen from the cursor; {} where it is about something else.
def FromCursor(item: dict<any>): dict<any>
  var at = {line: line('.') - 1, character: text.Units(Left())}
  var range = get(item, 'range', {start: at, end: at})
  if range.start.line != at.line || range.end.line != at.line || range.end.character < at.character
    return {}
  endif
  var begin = strpart(Left(), text.ByteAt(getline('.'), range.start.character))
  if begin !=# strpart(item.insertText, 0, len(begin))
    return {}
  endif
  return {
    buf: bufnr(), lnum: line('.'), col: col('.') - 1, after: Right(), n_lines: line('$'),
    text: strpart(item.insertText, len(begin)),
    replaced: strpart(Right(), 0, text.ByteAt(getline('.'), range.end.character) - len(Left())),
    command: get(item, 'command', {}),
  }
enddef

def Show(result: any)
  var items: list<any> = type(result) == v:t_dict ? result.items : type(result) == v:t_list ? result : []
  Clear()
  if empty(items)
    return
  endif
  shown = FromCursor(items[0])
  var rest = Rest()
  if rest == ''
    Clear()
  else
    Draw(rest)
    redraw
  endif
enddef

def IsInserting(): bool
  return mode() ==# 'i' && !pumvisible()
enddef

def Ask(trigger_kind: number)
  if !IsInserting() || !server.Sync(bufnr())
    return
  endif
  var tick = b:changedtick
  var at = [bufnr(), line('.'), col('.')]
  var mine = -1
  mine = server.Request('textDocument/inlineCompletion', {
    textDocument: {uri: text.Uri(bufnr())}, position: {line: line('.') - 1, character: text.Units(Left())},
    context: {triggerKind: trigger_kind},
  }, (result) => {
    if mine != asked    # the answer to an older question
      return
    endif
    asked = -1
    if IsInserting() && tick == b:changedtick && at == [bufnr(), line('.'), col('.')]
      Show(result)
    endif
  }, (sentence) => {
    if mine == asked
      asked = -1
      server.Tell(sentence)
    endif
  })
  asked = mine
enddef

# Typing a suggestion keeps its rest; anything else asks anew.
export def Changed()
  server.Sync(bufnr())
  var rest = pumvisible() ? '' : Rest()
  if rest != ''
    Draw(rest)
    return
  endif
  Stop()
  timer = timer_start(ASK_AFTER_MS, (_) => Ask(AUTOMATIC))
enddef

# Each of these is for a mapping with <expr>: what to press where a suggestion is shown, else `key`.

def Accept(Measure: func(string): number, key: string): string
  if Rest() == ''
    return key
  endif
  wanted = {Measure: Measure, key: key}
  return "\<C-g>u\<C-r>\<C-o>=infill#Taken()\<CR>"
enddef

# What an accepting key inserts. Vim looks at a mapping before the characters typed right in front of it are in the text,
# so it is only here that is known what is left.
export def Taken(): string
  var rest = Rest()
  if rest == ''
    feedkeys(wanted.key, 'in')
    return ''
  endif
  var taken = strpart(rest, 0, wanted.Measure(rest))
  if taken ==# rest
    feedkeys(repeat("\<Del>", strchars(shown.replaced)), 'in')
    timer_start(0, Report->function([shown.command]))
  endif
  return taken
enddef

def Report(command: dict<any>, _: number)
  server.Sync(bufnr())
  if !empty(command)
    server.Execute(command.command, get(command, 'arguments', []), (_) => 0)
  endif
enddef

export def AcceptAll(key: string): string
  return Accept((rest) => len(rest), key)
enddef

export def AcceptWord(key: string): string
  return Accept(text.Word, key)
enddef

export def AcceptLine(key: string): string
  return Accept(text.Line, key)
enddef

export def Dismiss(key: string): string
  return Rest() == '' ? key : "\<Cmd>call infill#Stop()\<CR>"
enddef

export def Suggest(key: string): string
  timer_start(0, (_) => {
    Stop()
    Ask(INVOKED)
  })
  return ''
enddef

# For a status line.
export def Statusline(): string
  if !server.IsRunning()
    return ''
  endif
  var state = get(server.status, 'state', 'ready')
  return state == 'ready' ? 'infill' : $'infill: {state}'
enddef

# What `infill/status` said last.
export def Status(): dict<any>
  return server.status
enddef
