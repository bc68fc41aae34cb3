if vim.g.loaded_infill then return end
vim.g.loaded_infill = true

if vim.fn.has('nvim-0.9') == 0 then
  vim.notify('infill: Neovim 0.9 or newer is needed', vim.log.levels.WARN)
  return
end

local function set_colours()
  vim.cmd('highlight default link ComplHint NonText')
  vim.cmd('highlight default link ComplHintMore MoreMsg')
end
set_colours()
vim.api.nvim_create_autocmd('ColorScheme', {
  group = vim.api.nvim_create_augroup('infill.colours', {}),
  callback = set_colours,
})

vim.api.nvim_create_user_command('Infill', function(command) require('infill.command').run(command.args) end, {
  nargs = '*',
  complete = function(lead, line) return require('infill.command').complete(lead, line) end,
  desc = 'infill-ls: how it is, on and off, why this suggestion, models',
})

local actions = {
  { name = 'accept', key = '<Tab>', desc = 'Accept the suggestion' },
  { name = 'accept_word', key = '<M-Right>', desc = "Accept the suggestion's next word" },
  { name = 'accept_line', key = '<M-C-Right>', desc = "Accept the suggestion's next line" },
  { name = 'suggest', key = '<M-Bslash>', desc = 'Ask for suggestions by hand' },
  { name = 'next', key = '<M-]>', desc = 'Show the next suggestion' },
  { name = 'previous', key = '<M-[>', desc = 'Show the previous suggestion' },
  { name = 'dismiss', key = '<C-]>', desc = 'Hide the suggestion' },
}

-- A key does its part where a suggestion is shown; else it does what it did before. One of the user's own is left alone.
local function map_key(action)
  local before = vim.fn.maparg(action.key, 'i', false, true)
  if not vim.tbl_isempty(before) and not vim.startswith(before.desc or '', 'vim.snippet.jump') then return end
  vim.keymap.set('i', action.key, function()
    if require('infill')[action.name]() then return '' end
    return before.callback and before.callback() or action.key
  end, { expr = true, silent = true, desc = action.desc })
end

for _, action in ipairs(actions) do
  local plug = ('<Plug>(infill-%s)'):format(action.name:gsub('_', '-'))
  vim.keymap.set('i', plug, function() require('infill')[action.name]() end, { desc = action.desc })
  if require('infill.server').options().keys ~= false then map_key(action) end
end

require('infill').enable()
