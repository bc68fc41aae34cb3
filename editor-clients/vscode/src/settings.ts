// What was set, and by whom. The manifest declares every setting of the server; the scope "machine" marks those that a
// workspace may not choose. Only values that somebody set are sent: the rest is up to the server and its own file.
import { ExtensionContext, workspace } from "vscode";
import { DEFAULT_COMMAND } from "./program";

const SECTION = "infill";
const CLIENTS_OWN = ["infill.command"];

type Values = Record<string, unknown>;
type Properties = Record<string, { scope?: string }>;

export class Settings {
  private readonly servers: string[];
  /** Those that take effect when the server starts. */
  readonly atStart: string[];
  private readonly whileRunning: string[];
  private startedWith: Values = {};

  constructor(context: ExtensionContext) {
    const properties: Properties = context.extension.packageJSON.contributes.configuration.properties;
    const keys = Object.keys(properties);
    const isMachines = (key: string) => properties[key].scope === "machine";
    this.servers = keys.filter((key) => !CLIENTS_OWN.includes(key));
    this.atStart = keys.filter(isMachines);
    this.whileRunning = this.servers.filter((key) => !isMachines(key));
  }

  get command(): string {
    return workspace.getConfiguration().get("infill.command") || DEFAULT_COMMAND;
  }

  /** The user's own, for the server to start with. */
  ofUser(): Values {
    this.startedWith = collect(this.servers, (key) => workspace.getConfiguration().inspect(key)?.globalValue);
    return this.startedWith;
  }

  /** The user's and, over them, the workspace's: those that a workspace may choose. */
  ofWorkspace(): Values {
    return collect(this.whileRunning, (key) => {
      const set = workspace.getConfiguration().inspect(key);
      const unset = name(key) in this.startedWith ? set?.defaultValue : undefined;
      return set?.workspaceValue ?? set?.globalValue ?? unset;
    });
  }
}

function name(key: string): string {
  return key.slice(SECTION.length + 1);
}

function collect(keys: string[], valueOf: (key: string) => unknown): Values {
  const set = keys.map((key) => [name(key), valueOf(key)] as const);
  return Object.fromEntries(set.filter(([, value]) => value !== undefined));
}
