-- How Neovim starts the server. All that decides about suggestions is in the server; its settings go in `init_options`.
return {
  cmd = { 'infill-ls' },
  filetypes = {
    'bash', 'c', 'cpp', 'cs', 'css', 'go', 'html', 'java', 'javascript', 'javascriptreact', 'json', 'jsonc', 'lua',
    'php', 'python', 'ruby', 'rust', 'sh', 'toml', 'typescript', 'typescriptreact', 'yaml',
  },
  root_markers = { '.git' },
  -- One server, and so one model in memory, for all projects.
  reuse_client = function(client, config) return require('infill.server').is_for(client, config) end,
  capabilities = { textDocument = { inlineCompletion = { dynamicRegistration = false } } },
  handlers = { ['infill/status'] = function(_, status) require('infill.server').show(status) end },
  on_exit = function(code, signal) require('infill.server').ended(code, signal) end,
}
