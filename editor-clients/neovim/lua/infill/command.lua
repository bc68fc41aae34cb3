-- `:Infill`: its subcommands, each a function of its argument ("" where there is none).
local server = require('infill.server')
local M = {}

local function say(sentence) vim.api.nvim_echo({ { 'infill: ' .. sentence } }, true, {}) end

-- vim.NIL is how JSON's null comes.
local function present(value) return value ~= nil and value ~= vim.NIL and value or nil end

--- What is known of the server, as sentences.
function M.sentences()
  local status = server.status
  if not server.client() then return { server.missing() or 'the server is not running; `:Infill reload` starts it' } end
  if not status then return { 'the server runs, and has said nothing of itself yet' } end
  local backend, last = present(status.backend), present(status.last)
  local sentences = { status.message .. (backend and (' (%s)'):format(backend) or '') }
  if #(status.languages_off or {}) > 0 then
    table.insert(sentences, 'off for ' .. table.concat(status.languages_off, ', '))
  end
  if last then table.insert(sentences, 'last: ' .. last.sentence) end
  if not server.client(vim.api.nvim_get_current_buf()) then table.insert(sentences, 'not in this buffer') end
  return sentences
end

local function status() say(table.concat(M.sentences(), '; ')) end

local function toggle(language)
  local now = server.status or {}
  local is_off = now.enabled == false
  if language ~= '' then is_off = vim.tbl_contains(now.languages_off or {}, language) end
  server.execute(is_off and 'infill.enable' or 'infill.disable', language ~= '' and { language } or {}, function()
    say(('%s%s'):format(is_off and 'on' or 'off', language ~= '' and ' for ' .. language or ''))
  end)
end

local function open_page(text)
  vim.cmd.new()
  vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.split(text, '\n', { plain = true }))
  local options = { buftype = 'nofile', bufhidden = 'wipe', swapfile = false, modifiable = false, filetype = 'infill' }
  for name, value in pairs(options) do
    vim.bo[name] = value
  end
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = true, desc = 'Close' })
end

local function explain() server.execute('infill.explain', { vim.uri_from_bufnr(0) }, open_page) end

local function switch_to(model, name)
  server.execute('infill.switchModel', { model }, function() say(name .. ' is the model from now on') end)
end

local function shown(model)
  local size = model.size_bytes > 0 and (' (%.0f MB)'):format(model.size_bytes / 1e6) or ''
  return (model.active and '* ' or '  ') .. model.name .. size
end

local function models(name)
  if name ~= '' then return switch_to(name, name) end
  server.execute('infill.models', {}, function(list)
    vim.ui.select(list, { prompt = 'Model:', format_item = shown }, function(model)
      if model then switch_to(model.path ~= '' and model.path or model.name, model.name) end
    end)
  end)
end

local function reload()
  if server.missing() then return server.tell(server.missing()) end
  if not server.client() then return server.start_for_open_files() end
  server.execute('infill.reload', {}, function() say('the model is loaded again') end)
end

local subcommands = { status = status, toggle = toggle, explain = explain, models = models, reload = reload }

function M.run(arguments)
  local name, argument = arguments:match('^(%S*)%s*(.-)%s*$')
  local subcommand = subcommands[name == '' and 'status' or name]
  if not subcommand then
    local names = table.concat(M.complete('', 'Infill '), ', ')
    return vim.notify(('infill: there is no `:Infill %s`; there is %s'):format(name, names), vim.log.levels.ERROR)
  end
  subcommand(argument)
end

--- `:command-completion-customlist`: the subcommands, and for `toggle` the language of this buffer.
function M.complete(lead, line)
  local candidates = vim.tbl_keys(subcommands)
  if line:match('^%S+%s+toggle%s') then candidates = { vim.bo.filetype } end
  table.sort(candidates)
  return vim.tbl_filter(function(name) return vim.startswith(name, lead) end, candidates)
end

return M
