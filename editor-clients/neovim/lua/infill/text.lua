-- Parts of a suggestion, and what the buffer has to do with them.
local M = {}

--- Bytes of a text up to the end of its first word, or of its first run of other characters.
function M.word(text)
  local _, blanks = text:find('^%s*')
  local _, word = text:find('^[%w_\128-\255]+', blanks + 1)
  local _, other = text:find('^[^%w_%s\128-\255]+', blanks + 1)
  return word or other or #text
end

--- Bytes of a text up to the end of its first line with something in it.
function M.line(text)
  local _, last = text:find('^%s*[^\n]*')
  return last
end

--- What comes next is undone by itself, and not together with what was typed before (`:help undo-break`).
function M.break_undo() vim.bo.undolevels = vim.bo.undolevels end

return M
