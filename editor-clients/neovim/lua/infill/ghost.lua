-- Suggestions in grey for a Neovim without vim.lsp.inline_completion: ask, draw, accept. What is shown lives in the mode
-- and at the cursor of this moment, so there is never more than one.
local break_undo = require('infill.text').break_undo
local server = require('infill.server')
local M = {}

local METHOD = 'textDocument/inlineCompletion'
local ASK_AFTER_MS = 100
local INVOKED, AUTOMATIC = 1, 2 -- LSP's InlineCompletionTriggerKind
local HAS_INLINE = vim.fn.has('nvim-0.10') == 1

local api = vim.api
local namespace = api.nvim_create_namespace('infill')
local timer = (vim.uv or vim.loop).new_timer()

-- {client, id}: the request on its way.
local asked = nil
-- {buf, client, row, col, after, n_lines, items, index}: what was answered at `row`, `col`, where `after` stood right of
-- the cursor. An item is {text, replaced, command}: `text` takes the place of `replaced`, the beginning of `after`.
local shown = nil

local function clear()
  if shown and api.nvim_buf_is_valid(shown.buf) then api.nvim_buf_clear_namespace(shown.buf, namespace, 0, -1) end
  shown = nil
end

local function cancel()
  timer:stop()
  if asked then server.cancel(asked.client, asked.id) end
  asked = nil
end

local function cursor()
  local row, col = unpack(api.nvim_win_get_cursor(0))
  return row - 1, col
end

local function line_at(row) return api.nvim_buf_get_lines(0, row, row + 1, false)[1] or '' end

local function to_byte(line, character, encoding)
  if encoding == 'utf-8' then return math.min(character, #line) end
  if vim.fn.has('nvim-0.11') == 1 then return vim.str_byteindex(line, encoding, character, false) end
  local _, length = vim.str_utfindex(line)
  return vim.str_byteindex(line, math.min(character, length), encoding == 'utf-16')
end

-- An item of the LSP as seen from the cursor; nil where it is about something else.
local function from_cursor(item, row, col, encoding)
  if type(item.insertText) ~= 'string' then return nil end
  local line, first, last = line_at(row), col, col
  if item.range then
    if item.range.start.line ~= row or item.range['end'].line ~= row then return nil end
    first = to_byte(line, item.range.start.character, encoding)
    last = to_byte(line, item.range['end'].character, encoding)
  end
  local typed = line:sub(first + 1, col)
  if last < col or not vim.startswith(item.insertText, typed) then return nil end
  return { text = item.insertText:sub(#typed + 1), replaced = line:sub(col + 1, last), command = item.command }
end

-- What of the suggestion is not in the text yet; nil where something else was typed since.
local function rest()
  if not shown or api.nvim_get_current_buf() ~= shown.buf then return nil end
  local row, col = cursor()
  local is_behind = row > shown.row or (row == shown.row and col >= shown.col)
  local n_lines = api.nvim_buf_line_count(0) - shown.n_lines
  if not is_behind or n_lines ~= row - shown.row or line_at(row):sub(col + 1) ~= shown.after then return nil end
  local typed = table.concat(api.nvim_buf_get_text(0, shown.row, shown.col, row, col, {}), '\n')
  local item = shown.items[shown.index]
  if not vim.startswith(item.text, typed) then return nil end
  local text = item.text:sub(#typed + 1)
  return text ~= '' and text ~= item.replaced and text or nil, item
end

-- Tabs as the buffer would show them; Neovim draws "^I" for those in virtual text.
local function expanded(text, column)
  local parts = {}
  for part, tab in text:gmatch('([^\t]*)(\t?)') do
    column = column + vim.fn.strdisplaywidth(part, column)
    local width = tab == '' and 0 or vim.fn.strdisplaywidth(tab, column)
    parts[#parts + 1] = part .. (' '):rep(width)
    column = column + width
  end
  return table.concat(parts)
end

-- The suggestion's beginning is drawn between the characters where that is all, and over them where more lines follow or
-- what stands there is replaced by something else.
local function virtual_text(text, item)
  local is_inserted = HAS_INLINE and vim.endswith(text, item.replaced) and not text:find('\n')
  if is_inserted then return { text:sub(1, #text - #item.replaced) }, 'inline' end
  return vim.split(text .. shown.after:sub(#item.replaced + 1), '\n', { plain = true }), 'overlay'
end

local function draw(text, item)
  local row, col = cursor()
  local column = vim.fn.strdisplaywidth(line_at(row):sub(1, col))
  local lines, position = virtual_text(text, item)
  local first = expanded(lines[1], column)
  if position == 'overlay' then
    local hidden = vim.fn.strdisplaywidth(shown.after, column)
    first = first .. (' '):rep(hidden - vim.fn.strdisplaywidth(first, column))
  end
  local virtual_lines = {}
  for i = 2, #lines do virtual_lines[i - 1] = { { expanded(lines[i], 0), 'ComplHint' } } end
  local chunks = { { first, 'ComplHint' } }
  if #shown.items > 1 then
    local count = (' (%d/%d)'):format(shown.index, #shown.items)
    table.insert(virtual_lines[#virtual_lines] or chunks, { count, 'ComplHintMore' })
  end
  api.nvim_buf_clear_namespace(0, namespace, 0, -1)
  api.nvim_buf_set_extmark(0, namespace, row, col, {
    virt_text = chunks, virt_text_pos = position, virt_lines = virtual_lines,
    -- In the colour of the cursor's line, but not in that of a bracket it stands on.
    hl_mode = shown.after == '' and 'combine' or 'replace',
  })
end

-- Draw what is left of the suggestion; false where nothing is, or where it does not fit any more.
local function redraw()
  local text, item = rest()
  if text then draw(text, item) end
  return text ~= nil
end

local function show(client, items)
  local row, col = cursor()
  shown = {
    buf = api.nvim_get_current_buf(), client = client, row = row, col = col,
    after = line_at(row):sub(col + 1), n_lines = api.nvim_buf_line_count(0), items = {}, index = 1,
  }
  for _, item in ipairs(items) do
    table.insert(shown.items, from_cursor(item, row, col, client.offset_encoding))
  end
  if #shown.items == 0 or not redraw() then clear() end
end

local function is_inserting() return vim.startswith(api.nvim_get_mode().mode, 'i') end

local function ask(trigger_kind)
  local buf = api.nvim_get_current_buf()
  local client = server.client(buf)
  if not client or not client.server_capabilities.inlineCompletionProvider or not is_inserting() then return end
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = trigger_kind }
  local mine = { client = client }
  asked = mine
  mine.id = server.request(client, METHOD, params, function(err, result)
    if asked ~= mine then return end -- the answer to an older question
    asked = nil
    if err or type(result) ~= 'table' or not is_inserting() then return end
    show(client, result.items or result)
  end, buf)
  if not mine.id then asked = nil end
end

local function on_change()
  if redraw() then return end
  clear()
  cancel()
  timer:start(ASK_AFTER_MS, 0, vim.schedule_wrap(function() ask(AUTOMATIC) end))
end

local function stop()
  clear()
  cancel()
end

-- Put the first `n_bytes` of the rest where the cursor is; with all of it goes what it replaces.
local function insert(text, n_bytes, item)
  local row, col = cursor()
  local is_all = n_bytes == #text
  local lines = vim.split(text:sub(1, n_bytes), '\n', { plain = true })
  break_undo()
  api.nvim_buf_set_text(0, row, col, row, is_all and col + #item.replaced or col, lines)
  api.nvim_win_set_cursor(0, { row + #lines, (#lines == 1 and col or 0) + #lines[#lines] })
  if redraw() then return end
  local client = shown.client
  clear()
  if item.command then
    local params = { command = item.command.command, arguments = item.command.arguments }
    server.request(client, 'workspace/executeCommand', params, function() end, 0)
  end
end

--- `measure` says how many bytes of a text are wanted of it. Scheduled, so that a mapping with <expr> may call it.
function M.accept_part(measure)
  if not rest() then return false end
  vim.schedule(function()
    local text, item = rest()
    if text then insert(text, measure(text), item) end
  end)
  return true
end

function M.accept()
  return M.accept_part(function(text) return #text end)
end

function M.suggest()
  if not server.client(api.nvim_get_current_buf()) then return false end
  vim.schedule(function()
    stop()
    ask(INVOKED)
  end)
  return true
end

function M.cycle(count)
  if not rest() then return false end
  -- A mapping with <expr> is looked at before the key in front of it is in the text.
  vim.schedule(function()
    if not rest() then return end
    repeat
      shown.index = (shown.index - 1 + count) % #shown.items + 1
    until redraw() -- the others do not begin with what was typed since
  end)
  return true
end

function M.dismiss()
  if not rest() then return false end
  vim.schedule(stop)
  return true
end

function M.enable()
  local group = api.nvim_create_augroup('infill.ghost', {})
  local function on(events, callback) api.nvim_create_autocmd(events, { group = group, callback = callback }) end
  on({ 'InsertEnter', 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, on_change)
  on({ 'InsertLeave', 'BufLeave' }, stop)
end

return M
