-- `:checkhealth infill`
local server = require('infill.server')
local M = {}

-- Before Neovim 0.10 these had other names.
local start = vim.health.start or vim.health.report_start
local ok = vim.health.ok or vim.health.report_ok
local warn = vim.health.warn or vim.health.report_warn
local failed = vim.health.error or vim.health.report_error

local function check_neovim()
  if require('infill').is_builtin() then
    ok('suggestions are drawn by vim.lsp.inline_completion')
  elseif vim.fn.has('nvim-0.9') == 1 then
    ok('suggestions are drawn by this plugin')
  else
    failed('Neovim 0.9 or newer is needed')
  end
  local mapped = vim.fn.maparg('<Tab>', 'i', false, true).desc
  if mapped and mapped:find('suggestion') then
    ok('Tab accepts a suggestion')
  else
    warn('Tab does something of your own', { "vim.keymap.set('i', '<C-l>', '<Plug>(infill-accept)')" })
  end
end

local function check_program()
  local missing = server.missing()
  if missing then return failed(missing) end
  local program = server.program()
  if not program then return ok('the program is started by a function of yours') end
  ok(('%s: %s'):format(vim.fn.exepath(program), vim.trim(vim.fn.system({ program, '--version' }))))
end

local function check_server()
  if not server.client() then
    return warn('the server is not running', { 'open a file of a type it is started for', ':Infill reload' })
  end
  local report = server.status and server.status.state == 'error' and failed or ok
  for _, sentence in ipairs(require('infill.command').sentences()) do
    report(sentence)
  end
end

function M.check()
  start('infill: Neovim')
  check_neovim()
  start('infill: program')
  check_program()
  start('infill: server')
  check_server()
end

return M
