// Where the server is: where the setting says, on the path, or in a Python environment that this workspace uses.
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { environmentFolders } from "./python";

export const DEFAULT_COMMAND = "infill-ls";

// pipx and uv put programs here, and an editor that was started from a desktop may not have it on its path.
const OF_THE_USER = join(homedir(), ".local", "bin");

/** The server's file; undefined where there is none. `command` is a name to be looked up, or an absolute path. */
export async function find(command: string): Promise<string | undefined> {
  const found = onPath(command);
  // Environments come last, so that no workspace can take the place of what the user has installed.
  return found || command !== DEFAULT_COMMAND ? found : inFolders(await environmentFolders(), command);
}

export function onPath(name: string): string | undefined {
  const expanded = name.startsWith("~/") ? join(homedir(), name.slice(2)) : name;
  if (isAbsolute(expanded)) return [expanded].map(withExtension).find(runs);
  return inFolders([...(process.env.PATH ?? "").split(delimiter).filter(isAbsolute), OF_THE_USER], expanded);
}

function inFolders(folders: string[], name: string): string | undefined {
  return folders.map((folder) => withExtension(join(folder, name))).find(runs);
}

// Windows starts only .exe files without a shell.
function withExtension(file: string): string {
  return process.platform === "win32" && !file.endsWith(".exe") ? `${file}.exe` : file;
}

function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
