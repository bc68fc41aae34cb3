-- What mappings and status lines call; `:help infill`.
local M = {}

--- Whether Neovim draws the suggestions itself.
function M.is_builtin()
  return vim.lsp.inline_completion ~= nil and require('infill.server').options().builtin ~= false
end

local function drawing() return require(M.is_builtin() and 'infill.builtin' or 'infill.ghost') end

-- Each returns false where no suggestion is shown (`suggest`: where there is no server), and may be called from a mapping with <expr>.
function M.accept() return drawing().accept() end
function M.accept_word() return drawing().accept_part(require('infill.text').word) end
function M.accept_line() return drawing().accept_part(require('infill.text').line) end
function M.suggest() return drawing().suggest() end
function M.next() return drawing().cycle(1) end
function M.previous() return drawing().cycle(-1) end
function M.dismiss() return drawing().dismiss() end

function M.enable()
  drawing().enable()
  require('infill.server').enable()
end

--- For a status line: "" in a buffer without the server.
function M.statusline()
  local server = require('infill.server')
  local buf = vim.api.nvim_get_current_buf()
  if not server.client(buf) then return '' end
  local status = server.status or {}
  if vim.tbl_contains(status.languages_off or {}, vim.bo[buf].filetype) then return 'infill: off' end
  if status.working then return 'infill…' end
  return (status.state == nil or status.state == 'ready') and 'infill' or 'infill: ' .. status.state
end

return M
