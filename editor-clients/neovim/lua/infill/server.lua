-- The server as this Neovim knows it: started, asked, and told of.
local M = {}

local NAME = 'infill_ls'
local INSTALL = 'install it, for example with `pipx install infill-ls` or `uv tool install infill-ls`'
local UPGRADE = 'upgrade it, for example with `pipx upgrade infill-ls` or `uv tool upgrade infill-ls`'
local RESTARTS_AT_MOST_EVERY_S = 60
local TELL_AFTER_MS = 200

local uv = vim.uv or vim.loop
local moved = uv.new_timer()
local told = {}
local restarted_s = -math.huge

--- What the server said of itself last (`infill/status`); nil before it has said anything.
M.status = nil

--- The user's `vim.g.infill`.
function M.options() return vim.g.infill or {} end

--- Tell the user something, once in this Neovim.
function M.tell_once(sentence)
  if told[sentence] then return end
  told[sentence] = true
  M.tell(sentence)
end

function M.tell(sentence)
  vim.schedule(function() vim.notify('infill: ' .. sentence, vim.log.levels.WARN) end)
end

-- Before 0.11, Neovim has functions where later ones have methods.
local function call(client, name, ...)
  if vim.fn.has('nvim-0.11') == 1 then return client[name](client, ...) end
  return client[name](...)
end

-- What vim.lsp.config does since Neovim 0.11.
local function merged_config()
  local file = vim.api.nvim_get_runtime_file('lsp/' .. NAME .. '.lua', false)[1]
  local config = vim.tbl_deep_extend('force', { name = NAME }, dofile(file), M.options().server or {})
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  -- By default 0.10 counts in UTF-16, and miscounts behind characters of several bytes.
  if vim.fn.has('nvim-0.10') == 1 then capabilities.general.positionEncodings = { 'utf-8' } end
  config.capabilities = vim.tbl_deep_extend('force', capabilities, config.capabilities)
  return config
end

--- How the server is started, with the user's changes.
function M.config() return vim.lsp.config and vim.lsp.config[NAME] or merged_config() end

--- The program that is started; nil where the user's own function starts it.
function M.program()
  local cmd = M.config().cmd
  return type(cmd) == 'table' and cmd[1] or nil
end

--- A sentence for the user where the program is missing; nil where it is there.
function M.missing()
  local program = M.program()
  if not program or vim.fn.executable(program) == 1 then return nil end
  return program .. ' is not on the path; ' .. INSTALL
end

-- For a buffer of a type that the server is for: start it, or say why not.
local function start(buf)
  if vim.bo[buf].buftype ~= '' then return end
  local sentence = M.missing()
  if sentence then return M.tell_once(sentence) end
  if vim.lsp.config then return end -- vim.lsp.enable() has started it
  local config = M.config()
  vim.api.nvim_buf_call(buf, function() vim.lsp.start(config, { reuse_client = config.reuse_client }) end)
end

--- Start the server for the files that are open.
function M.start_for_open_files()
  if vim.lsp.config then vim.lsp.enable(NAME) end
  local filetypes = M.config().filetypes
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and vim.tbl_contains(filetypes, vim.bo[buf].filetype) then start(buf) end
  end
end

-- What is around the cursor is read ahead, so that the first suggestion there comes sooner.
local function tell_where_the_cursor_is()
  moved:start(TELL_AFTER_MS, 0, vim.schedule_wrap(function()
    local client = M.client(vim.api.nvim_get_current_buf())
    if not client or vim.api.nvim_get_mode().mode ~= 'n' then return end
    call(client, 'notify', 'infill/didMoveCursor', vim.lsp.util.make_position_params(0, client.offset_encoding))
  end))
end

--- Start the server for the files that are open and those to come.
function M.enable()
  if vim.lsp.config and M.options().server then vim.lsp.config(NAME, M.options().server) end
  vim.api.nvim_create_autocmd('FileType', {
    group = vim.api.nvim_create_augroup('infill.server', {}),
    pattern = M.config().filetypes,
    callback = function(event) start(event.buf) end,
  })
  vim.api.nvim_create_autocmd('CursorMoved', {
    group = vim.api.nvim_create_augroup('infill.cursor', {}),
    callback = tell_where_the_cursor_is,
  })
  M.start_for_open_files()
end

--- The server of a buffer, or nil; of any buffer where `buf` is nil.
function M.client(buf)
  local get = vim.lsp.get_clients or vim.lsp.get_active_clients
  return get({ name = NAME, bufnr = buf })[1]
end

--- Whether a client runs what the configuration asks for; one that has ended is in Neovim's list for a moment yet.
function M.is_for(client, config) return client.name == config.name and not call(client, 'is_stopped') end

--- Returns the request's id, or nil where the server is gone.
function M.request(client, method, params, on_answer, buf)
  local sent, id = call(client, 'request', method, params, on_answer, buf)
  return sent and id or nil
end

function M.cancel(client, id) call(client, 'cancel_request', id) end

--- Run one of the server's commands. `on_result` is called with what it returns, and not at all where it cannot be run:
--- then the user was told why.
function M.execute(command, arguments, on_result)
  local client = M.client(vim.api.nvim_get_current_buf()) or M.client()
  if not client then return M.tell(M.missing() or 'the server is not running; `:Infill reload` starts it') end
  local provider = client.server_capabilities.executeCommandProvider
  if not vim.tbl_contains(provider and provider.commands or {}, command) then
    return M.tell(('this infill-ls is too old to know %s; %s'):format(command, UPGRADE))
  end
  M.request(client, 'workspace/executeCommand', { command = command, arguments = arguments }, function(err, result)
    if err then return M.tell((err.message:gsub('^infill%-ls: ', ''))) end
    if on_result then on_result(result) end
  end, 0)
end

--- `infill/status` came.
function M.show(status)
  M.status = status
  vim.cmd.redrawstatus({ bang = true })
end

--- The server has ended. One that had worked is started again, unless that was done a moment ago; that it is gone,
--- Neovim says itself.
function M.ended(code, signal)
  vim.schedule(function()
    local had_worked = M.status and type(M.status.model) == 'string'
    M.status = nil
    local is_wanted = code == 0 and (signal == 0 or signal == 15) or vim.v.exiting ~= vim.NIL
    if is_wanted or not had_worked or uv.now() / 1000 - restarted_s < RESTARTS_AT_MOST_EVERY_S then return end
    restarted_s = uv.now() / 1000
    M.start_for_open_files()
  end)
end

return M
