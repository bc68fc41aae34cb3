// The Python environments of a workspace, where a project may have installed the server.
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { extensions, Uri, workspace } from "vscode";

const PROGRAMS = process.platform === "win32" ? "Scripts" : "bin";

// What of https://github.com/microsoft/vscode-python's API is used.
interface PythonExtension {
  environments: {
    getActiveEnvironmentPath(resource?: Uri): unknown;
    resolveEnvironment(path: unknown): Promise<{ executable: { uri?: Uri } } | undefined>;
  };
}

/** Their folders of programs: of the selected one first. None in a workspace that is not trusted: it names them. */
export async function environmentFolders(): Promise<string[]> {
  if (!workspace.isTrusted) return [];
  const folder = workspace.workspaceFolders?.[0]?.uri;
  const selected = await selectedInterpreter(folder).catch(() => undefined);
  const ofSetting = workspace.getConfiguration("python").inspect<string>("defaultInterpreterPath")?.globalValue;
  const interpreters = [selected, ofSetting?.replace(/^~(?=[/\\])/, homedir())].filter((file) => file !== undefined);
  const ofWorkspace = folder ? [join(folder.fsPath, ".venv", PROGRAMS)] : [];
  return [...interpreters.map(dirname), ...ofWorkspace];
}

async function selectedInterpreter(folder: Uri | undefined): Promise<string | undefined> {
  const python = extensions.getExtension<PythonExtension>("ms-python.python");
  const environments = (await python?.activate())?.environments;
  const environment = await environments?.resolveEnvironment(environments.getActiveEnvironmentPath(folder));
  return environment?.executable.uri?.fsPath;
}
