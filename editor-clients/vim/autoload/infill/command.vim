vim9script
# `:Infill`: its subcommands, each a function of its argument ('' where there is none).
import autoload 'infill/server.vim'
import autoload 'infill/text.vim'

def Status(_: string)
  if !server.IsRunning()
    server.Say(server.Problem())
    return
  endif
  var now = server.status
  var sentences = [get(now, 'message', 'the server runs, and has said nothing of itself yet')]
  var off = get(now, 'languages_off', [])
  if !empty(off)
    add(sentences, 'off for ' .. join(off, ', '))
  endif
  if type(get(now, 'last', null)) == v:t_dict
    add(sentences, 'last: ' .. now.last.sentence)
  endif
  server.Say(join(sentences, '; '))
enddef

def Toggle(language: string)
  var is_off = language == '' ? !get(server.status, 'enabled', true)
    : index(get(server.status, 'languages_off', []), language) >= 0
  var whom = language == '' ? '' : ' for ' .. language
  server.Execute(is_off ? 'infill.enable' : 'infill.disable', language == '' ? [] : [language],
    (_) => server.Say((is_off ? 'on' : 'off') .. whom))
enddef

def OpenPage(page: string)
  new
  setlocal buftype=nofile bufhidden=wipe noswapfile filetype=infill
  setline(1, split(page, "\n", true))
  setlocal nomodifiable
  nnoremap <buffer> q <Cmd>close<CR>
enddef

def Explain(_: string)
  server.Execute('infill.explain', [text.Uri(bufnr())], OpenPage)
enddef

def Reload(_: string)
  if server.IsRunning()
    server.Execute('infill.reload', [], (_) => server.Say('the model is loaded again'))
  else
    server.Start()
  endif
enddef

const SUBCOMMANDS = {explain: Explain, reload: Reload, status: Status, toggle: Toggle}

export def Run(arguments: string)
  var [name, argument] = matchlist(arguments, '^\(\S*\)\s*\(.\{-}\)\s*$')[1 : 2]
  var Subcommand = get(SUBCOMMANDS, name == '' ? 'status' : name, null_function)
  if Subcommand == null_function
    server.Say($'there is no `:Infill {name}`; there is {join(sort(keys(SUBCOMMANDS)), ', ')}')
  else
    Subcommand(argument)
  endif
enddef

# `:command-completion-custom`: the subcommands, and for `toggle` the language of this buffer.
export def Complete(_: string, line: string, _: number): string
  return line =~ '^\S\+\s\+toggle\s' ? &filetype : join(sort(keys(SUBCOMMANDS)), "\n")
enddef
