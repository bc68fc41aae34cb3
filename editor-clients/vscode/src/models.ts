// Another model, for as long as the server runs or for good.
import { isAbsolute } from "node:path";
import { ConfigurationTarget, QuickPickItem, window, workspace } from "vscode";
import { Server } from "./server";

const SETTING = "infill.model.path";

interface Model {
  name: string;
  path: string; // "" where a server runs it
  size_bytes: number;
  active: boolean;
}

export async function switchModel(server: Server): Promise<void> {
  const models = await server.run<Model[]>("infill.models");
  const chosen = models && (await choose(models));
  if (!chosen || (await server.run("infill.switchModel", chosen)) === undefined) return;
  if (!isAbsolute(chosen)) return; // only a file can be a setting
  const keep = "Keep It";
  const question = "Another model is used until the server is started again.";
  if ((await window.showInformationMessage(question, keep)) !== keep) return;
  await workspace.getConfiguration().update(SETTING, chosen, ConfigurationTarget.Global);
}

/** The path of its file, or its name. */
async function choose(models: Model[]): Promise<string | undefined> {
  const file: QuickPickItem & { model?: string } = { label: "$(folder-opened) Another file…" };
  const items = models.map(({ name, path, size_bytes, active }) => ({
    label: `${active ? "$(check) " : ""}${name}`,
    description: size(size_bytes),
    detail: path,
    model: path || name,
  }));
  const choice = await window.showQuickPick([...items, file], { placeHolder: "Which model shall suggest?" });
  return choice === file ? chooseFile() : choice?.model;
}

async function chooseFile(): Promise<string | undefined> {
  const files = await window.showOpenDialog({ title: "A model that fills in the middle", filters: { GGUF: ["gguf"] } });
  return files?.[0].fsPath;
}

function size(bytes: number): string {
  if (bytes === 0) return "";
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
