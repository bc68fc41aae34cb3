-- Suggestions as Neovim 0.12 draws them itself (vim.lsp.inline_completion), accepted in parts too.
local text = require('infill.text')
local M = {}

local api = vim.api

-- Neovim would put a suggestion where the cursor stood when it was asked for. Where the user has typed the first
-- characters of it since, what is left belongs at the cursor; and where something else was typed, it is not wanted.
local function moved_to_cursor(item)
  if not item.range or type(item.insert_text) ~= 'string' then return item end
  local row, col, end_row, end_col = item.range:to_extmark()
  local cursor_row, cursor_col = vim.fn.line('.') - 1, vim.fn.col('.') - 1
  if end_row ~= row or cursor_row < row or (cursor_row == row and cursor_col < col) then return nil end
  local typed = table.concat(api.nvim_buf_get_text(0, row, col, cursor_row, cursor_col, {}), '\n')
  if not vim.startswith(item.insert_text, typed) then return nil end
  item.insert_text = item.insert_text:sub(#typed + 1)
  local end_of_line = #api.nvim_get_current_line()
  item.range = vim.range.extmark(0, cursor_row, cursor_col, cursor_row, math.min(cursor_col + end_col - col, end_of_line))
  return item
end

-- Two things for which Neovim has no function: to show what is left when a part was taken, and to ask by hand. Where
-- these parts of it have changed, the rest comes back with the server's next answer, and nothing is asked by hand.
local function with_completor(run)
  return pcall(function()
    run(require('vim.lsp._capability').all.inline_completion.active[api.nvim_get_current_buf()])
  end)
end

local function show_again(item)
  with_completor(function(completor)
    completor.current = item
    completor:show()
  end)
end

local function insert_part(item, n_bytes)
  local row, col = unpack(api.nvim_win_get_cursor(0))
  local lines = vim.split(item.insert_text:sub(1, n_bytes), '\n', { plain = true })
  api.nvim_buf_set_text(0, row - 1, col, row - 1, col, lines)
  api.nvim_win_set_cursor(0, { row + #lines - 1, (#lines == 1 and col or 0) + #lines[#lines] })
end

function M.accept_part(measure)
  return vim.lsp.inline_completion.get({
    on_accept = function(shown)
      local item = moved_to_cursor(shown)
      if not item then return nil end
      text.break_undo()
      local n_bytes = measure(item.insert_text)
      if n_bytes == #item.insert_text then return item end
      insert_part(item, n_bytes)
      show_again(moved_to_cursor(item))
    end,
  })
end

function M.accept()
  return M.accept_part(function(whole) return #whole end)
end

function M.suggest()
  local function request(completor) completor:request(vim.lsp.protocol.InlineCompletionTriggerKind.Invoked) end
  local is_there = with_completor(function(completor) assert(completor) end)
  if is_there then vim.schedule(function() with_completor(request) end) end
  return is_there
end

local function is_shown()
  local namespace = api.nvim_get_namespaces()['nvim.lsp.inline_completion']
  return namespace ~= nil and #api.nvim_buf_get_extmarks(0, namespace, 0, -1, { limit = 1 }) > 0
end

function M.cycle(count)
  if not is_shown() then return false end
  vim.schedule(function() vim.lsp.inline_completion.select({ count = count }) end)
  return true
end

function M.dismiss()
  return vim.lsp.inline_completion.get({ on_accept = function() end })
end

function M.enable() vim.lsp.inline_completion.enable() end

return M
