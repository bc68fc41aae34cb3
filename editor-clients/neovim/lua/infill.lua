local M = {}

-- Neovim 0.12 would put a suggestion where the cursor stood when it was asked for. Where the user has typed the first
-- characters of it since, those have to be replaced too; and where something else was typed, it is not what is wanted.
local function moved_to_cursor(item)
  if not item.range or type(item.insert_text) ~= 'string' then return item end
  local row, col, end_row, end_col = item.range:to_extmark()
  local cursor_row, cursor_col = vim.fn.line('.') - 1, vim.fn.col('.') - 1
  if cursor_row < row or (cursor_row == row and cursor_col < col) then return nil end
  local typed = table.concat(vim.api.nvim_buf_get_text(0, row, col, cursor_row, cursor_col, {}), '\n')
  if not vim.startswith(item.insert_text, typed) then return nil end
  if end_row == row then
    local line_end = #vim.api.nvim_get_current_line()
    item.range = vim.range.extmark(0, row, col, cursor_row, math.min(cursor_col + end_col - col, line_end))
  end
  return item
end

--- Put the suggestion on the screen into the buffer. False: there is none.
function M.accept()
  return vim.lsp.inline_completion.get({ on_accept = moved_to_cursor })
end

return M
