if !has('vim9script') || !has('patch-9.0.1378')
  echomsg 'infill: Vim 9.0.1378 or newer is needed'
  finish
endif

vim9script
if exists('g:loaded_infill')
  finish
endif
g:loaded_infill = true

import autoload 'infill.vim'
import autoload 'infill/server.vim'

highlight default link InfillGhost NonText
highlight default InfillReplaced term=strikethrough cterm=strikethrough gui=strikethrough
for type in ['InfillGhost', 'InfillReplaced']
  if empty(prop_type_get(type))
    prop_type_add(type, {highlight: type, combine: type == 'InfillReplaced'})
  endif
endfor

augroup infill
  autocmd!
  autocmd FileType,BufFilePost * server.Open(expand('<abuf>')->str2nr())
  autocmd BufUnload * server.Close(expand('<abuf>')->str2nr())
  autocmd InsertEnter,TextChangedI,TextChangedP,CursorMovedI * infill.Changed()
  autocmd User InfillReady infill.Changed()    # something may have been typed meanwhile
  autocmd TextChanged * server.Sync(bufnr())
  autocmd InsertLeave,BufLeave * infill.Stop()
augroup END

command -nargs=* -complete=custom,infill#command#Complete Infill infill#command#Run(<q-args>)

# A key does its part where a suggestion is shown; else it does what it did before. One of the user's own is left alone.
def Map(action: string, key: string)
  var plug = $'<Plug>(infill-{action->substitute('\l\zs\u', '-\0', 'g')->tolower()})'
  execute $'inoremap <expr> <silent> {plug} infill#{action}("")'
  if key != '' && get(get(g:, 'infill', {}), 'keys', true) && maparg(key, 'i') == ''
    execute $'inoremap <expr> <silent> {key} infill#{action}("{substitute(key, '^<', '\\<lt>', '')}")'
  endif
enddef

Map('AcceptAll', '<Tab>')
Map('AcceptWord', '<M-Right>')
Map('AcceptLine', '<M-C-Right>')
Map('Dismiss', '<C-]>')
Map('Suggest', '')
