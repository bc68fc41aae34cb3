vim9script
# The server: started once for all buffers, told of each edit, asked. Nothing here waits for it.
import autoload 'infill/text.vim'

const PROGRAM = 'infill-ls'
const INSTALL = $'{PROGRAM} is not on the path; install it, for example with `pipx install {PROGRAM}` or `uv tool install {PROGRAM}`'
const STOPPED = 'the server is not running; `:Infill reload` starts it'
const RESTARTS_AT_MOST_EVERY_S = 60
const SAID_FOR_MS = 8000
const FILETYPES = [
  'bash', 'c', 'cpp', 'cs', 'css', 'go', 'html', 'java', 'javascript', 'javascriptreact', 'json', 'jsonc', 'lua',
  'php', 'python', 'ruby', 'rust', 'sh', 'toml', 'typescript', 'typescriptreact', 'yaml',
]

var server: job = null_job
var capabilities: dict<any> = {}            # {} until the server has answered `initialize`
var documents: dict<dict<any>> = {}         # by buffer: {uri, version, tick, lines} as the server knows it
var said: dict<bool> = {}                   # each sentence is said once
var complaint = ''                          # what was told last since the server was started
var last_on_stderr = ''
var restarted_s = -RESTARTS_AT_MOST_EVERY_S
export var status: dict<any> = {}           # what `infill/status` said last

# A sentence to somebody who is typing: it goes by itself, and no key has to be pressed. `:Infill` repeats it.
export def Tell(sentence: string)
  if !has_key(said, sentence)
    said[sentence] = true
    popup_notification('infill: ' .. sentence, {time: SAID_FOR_MS, maxwidth: &columns - 20})
  endif
  complaint = sentence
enddef

export def IsRunning(): bool
  return server != null_job && job_status(server) == 'run' && !empty(capabilities)
enddef

# Why there is no server, as a sentence.
export def Problem(): string
  if server != null_job && job_status(server) == 'run'
    return 'the server is starting'
  endif
  return executable(PROGRAM) == 0 ? INSTALL : complaint ?? STOPPED
enddef

def Send(message: dict<any>, OnAnswer: func = null_function): number
  try
    var options = OnAnswer == null_function ? {} : {callback: OnAnswer}
    var sent: any = ch_sendexpr(server, message, options)
    return type(sent) == v:t_dict ? get(sent, 'id', -1) : -1
  catch /^Vim\%((\S\+)\)\=:E\%(630\|631\|906\)/   # the server has ended, and its exit_cb comes
  endtry
  return -1
enddef

def Notify(method: string, params: dict<any>)
  Send({method: method, params: params})
enddef

# Ask; `OnResult` is called with the result, `OnError` with what an error says. Returns the request's id, -1 where the
# server is gone.
export def Request(method: string, params: dict<any>, OnResult: func, OnError: func): number
  return Send({method: method, params: params}, (_, answer) => {
    if has_key(answer, 'error')
      OnError(answer.error.message)
    else
      OnResult(get(answer, 'result', null))
    endif
  })
enddef

export def Cancel(id: number)
  Notify('$/cancelRequest', {id: id})
enddef

# Run one of the server's commands.
export def Execute(command: string, arguments: list<any>, OnResult: func)
  if !IsRunning()
    Say(Problem())
  elseif index(get(get(capabilities, 'executeCommandProvider', {}), 'commands', []), command) < 0
    Say($'this {PROGRAM} is too old to know {command}; upgrade it')
  else
    Request('workspace/executeCommand', {command: command, arguments: arguments}, OnResult, Say)
  endif
enddef

# An answer to somebody who gave a command.
export def Say(sentence: string)
  echomsg 'infill: ' .. sentence
enddef

def IsWanted(buf: number): bool
  return getbufvar(buf, '&buftype') == '' && index(FILETYPES, getbufvar(buf, '&filetype')) >= 0
enddef

export def Open(buf: number)
  if !IsWanted(buf) || !bufloaded(buf)
    return
  endif
  Close(buf)
  if server == null_job
    Start()
  elseif IsRunning()
    var lines = getbufline(buf, 1, '$')
    var tick = getbufvar(buf, 'changedtick')
    documents[buf] = {uri: text.Uri(buf), version: 1, tick: tick, lines: lines}
    Notify('textDocument/didOpen', {textDocument: {
      uri: documents[buf].uri, languageId: getbufvar(buf, '&filetype'), version: 1, text: text.Lines(lines)}})
  endif
enddef

export def Close(buf: number)
  if has_key(documents, buf)
    Notify('textDocument/didClose', {textDocument: {uri: documents[buf].uri}})
    remove(documents, buf)
  endif
enddef

# Tell what was changed since the last time. False where the server does not know the buffer.
export def Sync(buf: number): bool
  if !IsRunning() || !has_key(documents, buf)
    return false
  endif
  var document = documents[buf]
  if document.tick != getbufvar(buf, 'changedtick')
    var lines = getbufline(buf, 1, '$')
    var change = text.Change(document.lines, lines)
    document.version += 1
    document.tick = getbufvar(buf, 'changedtick')
    document.lines = lines
    Notify('textDocument/didChange', {
      textDocument: {uri: document.uri, version: document.version}, contentChanges: [change]})
  endif
  return true
enddef

def OpenAll()
  for buffer in getbufinfo({bufloaded: 1})
    Open(buffer.bufnr)
  endfor
enddef

def Initialized(result: any)
  capabilities = result.capabilities
  Notify('initialized', {})
  OpenAll()
  doautocmd <nomodeline> User InfillReady
enddef

def Heard(_: channel, message: any)
  if type(message) == v:t_dict && get(message, 'method', '') == 'infill/status'
    status = message.params
    redrawstatus!
  endif
enddef

# One that had worked is started again, unless that was done a moment ago.
def Ended(ended: job, code: number)
  if ended != server || v:exiting != v:null
    return
  endif
  var signal = get(job_info(ended), 'termsig', '')
  var reason = signal != '' ? $'by {toupper(signal)}' : $'with exit code {code}'
  var had_worked = type(get(status, 'model', null)) == v:t_string
  Forget()
  if had_worked && localtime() - restarted_s >= RESTARTS_AT_MOST_EVERY_S
    restarted_s = localtime()
    Start()
  else
    var words = last_on_stderr == '' ? '' : $' ({last_on_stderr})'
    Tell($'{PROGRAM} ended {reason}{words}; `:Infill reload` starts it')
  endif
enddef

def Forget()
  capabilities = {}
  documents = {}
  status = {}
enddef

export def Start()
  if executable(PROGRAM) == 0
    Tell(INSTALL)
    return
  endif
  if server != null_job
    job_stop(server)
  endif
  Forget()
  said = {}
  complaint = ''
  last_on_stderr = ''
  server = job_start([PROGRAM], {
    in_mode: 'lsp', out_mode: 'lsp', err_mode: 'nl', noblock: 1, out_cb: Heard, exit_cb: Ended,
    err_cb: (_, line) => {
      last_on_stderr = line
    }})
  Request('initialize', {
    processId: getpid(), clientInfo: {name: 'Vim', version: string(v:versionlong)}, rootUri: null,
    initializationOptions: get(get(g:, 'infill', {}), 'settings', {}),
    capabilities: {general: {positionEncodings: ['utf-16']},
      textDocument: {inlineCompletion: {dynamicRegistration: false}}},
  }, Initialized, Tell)
enddef
