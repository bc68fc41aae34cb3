// Where the server is.
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

// pipx and uv put programs here, and an editor that was started from a desktop may not have it on its path.
const OF_THE_USER = join(homedir(), ".local", "bin");

/** The program's file; undefined where there is none. `name` is a name to be looked up, or an absolute path. */
export function find(name: string): string | undefined {
  const expanded = name.startsWith("~/") ? join(homedir(), name.slice(2)) : name;
  if (isAbsolute(expanded)) return withExtension(expanded).find(runs);
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(isAbsolute), OF_THE_USER];
  return folders.flatMap((folder) => withExtension(join(folder, expanded))).find(runs);
}

// Windows starts only .exe files without a shell.
function withExtension(file: string): string[] {
  return process.platform === "win32" && !file.endsWith(".exe") ? [`${file}.exe`] : [file];
}

function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
