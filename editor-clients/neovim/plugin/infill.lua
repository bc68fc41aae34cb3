if vim.fn.has('nvim-0.12') == 0 then
  vim.notify('infill: Neovim 0.12 or newer is needed, for vim.lsp.inline_completion', vim.log.levels.WARN)
  return
end

vim.lsp.enable('infill_ls')
vim.lsp.inline_completion.enable()

vim.keymap.set('i', '<Plug>(infill-accept)', function() require('infill').accept() end, { desc = 'Accept the suggestion' })

-- Tab accepts; without a suggestion it does what it did before. A Tab of the user's own is left alone.
local before = vim.fn.maparg('<Tab>', 'i', false, true)
if vim.tbl_isempty(before) or vim.startswith(before.desc or '', 'vim.snippet.jump') then
  vim.keymap.set('i', '<Tab>', function()
    if require('infill').accept() then return '' end
    return before.callback and before.callback() or '<Tab>'
  end, { expr = true, silent = true, desc = 'Accept the suggestion, or insert a tab' })
end
